"""What is computed by both PaddlePaddle 1.8 and ours, in the code of the time (Python 3.7).

`python fluid_cases.py FILE.npz`, with the real one, records it; test_faithful.py runs it with ours.
Each case gives arrays by name; numbers, shapes, types and names are written as arrays, too.
"""

import sys

import numpy as np
import paddle

if not paddle.__version__.startswith("1."):
    sys.exit(f"is PaddlePaddle {paddle.__version__}")
import paddle.fluid as fluid
from paddle.fluid.dygraph import to_variable

FIGURES = {}


def note(name, value):
    if isinstance(value, fluid.core.VarBase):
        value = value.numpy()
    assert name not in FIGURES, name
    FIGURES[name] = np.asarray("None" if value is None else value)


def numbers(*shape):
    """Return the same float32 numbers between -1 and 1 every time, none of them near another."""
    count = int(np.prod(shape))
    return (
        (((np.arange(count) * 7 + 3) % (count + (count % 7 == 0)) + 0.5) / (count + 1) * 2 - 1)
        .astype("float32")
        .reshape(shape)
    )


def positive(*shape):
    return numbers(*shape) * 0.4 + 0.6


def fixed(*shape):
    return fluid.ParamAttr(
        initializer=fluid.initializer.NumpyArrayInitializer(numbers(*shape) * 0.5)
    )


def watched(array):
    variable = to_variable(array)
    variable.stop_gradient = False
    return variable


def with_gradients(name, compute, *arrays):
    """Note what is computed, and the gradient of a weighted sum of it by each of the arrays."""
    inputs = [watched(array) for array in arrays]
    output = compute(*inputs)
    note(name, output)
    weights = to_variable(numbers(*output.shape))
    loss = fluid.layers.reduce_sum(output * weights)
    loss.backward()
    for number, one in enumerate(inputs):
        note(f"{name}/gradient {number}", one.gradient())


def functions():
    layers = fluid.layers
    x, y, row = numbers(3, 4), positive(3, 4), numbers(4) + 1.5
    picture = numbers(2, 3, 4, 5)
    for name in [
        "relu",
        "sigmoid",
        "tanh",
        "softmax",
        "exp",
        "square",
        "abs",
        "softplus",
        "leaky_relu",
        "elu",
        "relu6",
    ]:
        with_gradients(name, getattr(layers, name), x)
    for name in ("log", "sqrt"):
        with_gradients(name, getattr(layers, name), y)
    with_gradients("softmax far", layers.softmax, np.float32([[100, 0, -100], [0, 90, 1]]))
    with_gradients("softmax axis", lambda v: layers.softmax(v, axis=1), picture)
    with_gradients("pow", lambda v: layers.pow(v, 3.0), y)
    with_gradients("clip", lambda v: layers.clip(v, -0.5, 0.4), x)
    with_gradients("scale", lambda v: layers.scale(v, 2.0, 1.0), x)
    with_gradients("scale before", lambda v: layers.scale(v, 2.0, 1.0, False), x)

    with_gradients("mean", layers.mean, x)
    for name in ["reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod"]:
        function = getattr(layers, name)
        with_gradients(name, function, y)
        with_gradients(name + " 1", lambda v, f=function: f(v, dim=1), y)
        with_gradients(name + " -1 kept", lambda v, f=function: f(v, dim=-1, keep_dim=True), y)
        if name != "reduce_prod":
            with_gradients(name + " two", lambda v, f=function: f(v, dim=[0, 2]), picture)
    with_gradients("sum", lambda a, b: layers.sum([a, b]), x, y)

    for name in ["add", "sub", "mul", "div", "max", "min", "pow"]:
        function = getattr(layers, "elementwise_" + name)
        with_gradients("elementwise_" + name, function, y, y[::-1].copy())
        if name not in ("pow", "max", "min"):
            with_gradients(f"elementwise_{name} row", function, x, row)
            with_gradients(
                f"elementwise_{name} axis",
                lambda a, b, f=function: f(a, b, axis=1),
                picture,
                numbers(3) + 2,
            )
    with_gradients("elementwise act", lambda a, b: layers.elementwise_add(a, b, act="relu"), x, y)
    with_gradients("matmul", layers.matmul, x, numbers(4, 2))
    with_gradients(
        "matmul turned",
        lambda a, b: layers.matmul(a, b, transpose_x=True, transpose_y=True, alpha=0.5),
        x,
        numbers(2, 3),
    )
    with_gradients("matmul many", layers.matmul, picture, numbers(2, 3, 5, 2))
    with_gradients("mul", layers.mul, numbers(2, 3, 2), numbers(6, 4))

    with_gradients("reshape", lambda v: layers.reshape(v, [0, -1]), picture)
    with_gradients("reshape act", lambda v: layers.reshape(v, [2, 6], act="tanh"), x)
    with_gradients("flatten", lambda v: layers.flatten(v, axis=2), picture)
    with_gradients("transpose", lambda v: layers.transpose(v, [1, 0, 3, 2]), picture)
    with_gradients("squeeze", lambda v: layers.squeeze(v, [1]), numbers(3, 1, 4))
    with_gradients("unsqueeze", lambda v: layers.unsqueeze(v, [0, 2]), x)
    with_gradients("concat", lambda a, b: layers.concat([a, b]), x, y)
    with_gradients("concat 1", lambda a, b: layers.concat([a, b], axis=1), x, y)
    with_gradients("stack", lambda a, b: layers.stack([a, b], axis=1), x, y)
    with_gradients("split", lambda v: layers.split(v, 2)[1], x)
    with_gradients("split parts", lambda v: layers.split(v, [1, -1], dim=1)[1], x)
    with_gradients("expand", lambda v: layers.expand(v, [2, 1]), x)
    with_gradients("gather", lambda v: layers.gather(v, to_variable(np.int64([2, 0]))), x)

    note("argmax", layers.argmax(to_variable(x)))
    note("argmax 1", layers.argmax(to_variable(x), axis=1))
    note("argmin", layers.argmin(to_variable(x)))
    for number, part in enumerate(layers.argsort(to_variable(x), descending=True)):
        note(f"argsort {number}", part)
    for number, part in enumerate(layers.topk(to_variable(x), 2)):
        note(f"topk {number}", part)
    note("one_hot", fluid.one_hot(to_variable(np.int64([1, 0, 3])), 4))
    note("layers.one_hot", layers.one_hot(to_variable(np.int64([[1], [0], [3]])), 4))
    note("fill_constant", layers.fill_constant([2, 3], "int64", 7))
    note("cast", layers.cast(to_variable(x * 5), "int32"))
    note("ones", layers.ones([2], "float32"))
    note("zeros_like", layers.zeros_like(to_variable(x)))
    note("shape", layers.shape(to_variable(x)))
    note("reduce_all", layers.reduce_all(to_variable(x > 0), dim=1))
    note("reduce_any", layers.reduce_any(to_variable(x > 0)))
    note("equal", layers.equal(to_variable(x), to_variable(np.abs(x))))
    note(
        "elementwise_mod",
        layers.elementwise_mod(to_variable(np.int32([7, 8])), to_variable(np.int32([4, 3]))),
    )
    note(
        "elementwise_floordiv",
        layers.elementwise_floordiv(to_variable(np.int32([7, 8])), to_variable(np.int32([4, 3]))),
    )
    note(
        "elementwise_div whole",
        layers.elementwise_div(to_variable(np.int32([7, -8])), to_variable(np.int32([4, 3]))),
    )


def losses():
    layers = fluid.layers
    logits, labels = numbers(4, 3) * 3, to_variable(np.int64([[2], [0], [1], [1]]))
    truth = np.exp(numbers(4, 3))
    soft = to_variable((truth / truth.sum(1, keepdims=True)).astype("float32"))
    with_gradients("square_error_cost", layers.square_error_cost, numbers(4, 1), positive(4, 1))
    with_gradients("mse_loss", layers.mse_loss, numbers(4, 1), positive(4, 1))
    with_gradients(
        "cross_entropy", lambda v: layers.cross_entropy(layers.softmax(v), labels), logits
    )
    with_gradients(
        "cross_entropy of probabilities", lambda v: layers.cross_entropy(v, labels), positive(4, 3)
    )
    with_gradients(
        "cross_entropy far", lambda v: layers.cross_entropy(layers.softmax(v), labels), logits * 50
    )
    with_gradients(
        "cross_entropy soft",
        lambda v: layers.cross_entropy(layers.softmax(v), soft, soft_label=True),
        logits,
    )
    with_gradients(
        "cross_entropy ignoring",
        lambda v: layers.cross_entropy(layers.softmax(v), labels, ignore_index=1),
        logits,
    )
    with_gradients(
        "softmax_with_cross_entropy", lambda v: layers.softmax_with_cross_entropy(v, labels), logits
    )
    with_gradients(
        "softmax_with_cross_entropy soft",
        lambda v: layers.softmax_with_cross_entropy(v, soft, soft_label=True),
        logits,
    )
    note(
        "softmax_with_cross_entropy softmax",
        layers.softmax_with_cross_entropy(to_variable(logits), labels, return_softmax=True)[1],
    )
    with_gradients(
        "sigmoid_cross_entropy_with_logits",
        lambda v: layers.sigmoid_cross_entropy_with_logits(v, soft),
        logits,
    )
    note("accuracy", layers.accuracy(to_variable(logits), labels))
    note("accuracy 2", layers.accuracy(to_variable(logits), labels, k=2))


def layer_figures():
    dygraph = fluid.dygraph
    picture = numbers(2, 4, 7, 6)

    def parts(name, layer, array, runs=1):
        for run in range(runs):
            with_gradients(f"{name} run {run}", layer, array)
        for key, one in layer.state_dict().items():
            note(f"{name}: {key}", one)
            if one.gradient() is not None:
                note(f"{name}: {key}/gradient", one.gradient())

    parts("Linear", dygraph.Linear(4, 3, fixed(4, 3), fixed(3), act="sigmoid"), numbers(5, 4))
    parts("Linear 3", dygraph.Linear(6, 3, fixed(6, 3), False), picture)
    parts(
        "Conv2D",
        dygraph.Conv2D(4, 6, 3, 2, 1, param_attr=fixed(6, 4, 3, 3), bias_attr=fixed(6), act="relu"),
        picture,
    )
    parts(
        "Conv2D groups",
        dygraph.Conv2D(4, 6, (3, 2), (1, 2), (1, 0), (1, 2), 2, fixed(6, 2, 3, 2), False),
        picture,
    )
    parts(
        "Conv2D one",
        dygraph.Conv2D(1, 3, 5, 1, 2, param_attr=fixed(3, 1, 5, 5), bias_attr=fixed(3)),
        numbers(2, 1, 8, 8),
    )
    for kind in ("max", "avg"):
        parts("Pool2D " + kind, dygraph.Pool2D(2, kind, 2), picture)
        parts("Pool2D stride 1 " + kind, dygraph.Pool2D(3, kind), picture)
        parts("Pool2D padding " + kind, dygraph.Pool2D([3, 2], kind, [2, 1], [1, 1]), picture)
        parts("Pool2D ceil " + kind, dygraph.Pool2D(3, kind, 2, ceil_mode=True), picture)
        parts("Pool2D global " + kind, dygraph.Pool2D(pool_type=kind, global_pooling=True), picture)
    parts("Pool2D inclusive", dygraph.Pool2D(3, "avg", 2, 1, exclusive=False), picture)
    norm = dygraph.BatchNorm(4, act="relu", param_attr=fixed(4), bias_attr=fixed(4))
    parts("BatchNorm", norm, picture, 3)
    norm.eval()
    with_gradients("BatchNorm eval", norm, picture)
    note("BatchNorm eval mean", norm._mean)
    norm.train()
    parts("BatchNorm of rows", dygraph.BatchNorm(4, momentum=0.5), numbers(5, 4), 2)
    parts(
        "BatchNorm global",
        dygraph.BatchNorm(4, use_global_stats=True, param_attr=fixed(4), bias_attr=fixed(4)),
        picture,
    )
    table = dygraph.Embedding([5, 3], param_attr=fixed(5, 3), padding_idx=1)
    rows = table(to_variable(np.int64([[0, 1], [4, 0]])))
    note("Embedding", rows)
    fluid.layers.reduce_sum(rows * to_variable(numbers(2, 2, 3))).backward()
    note("Embedding/gradient", table.weight.gradient())
    table = dygraph.Embedding([5, 3], param_attr=fixed(5, 3), padding_idx=-2)
    note("Embedding -2", table(to_variable(np.int64([3, 2]))))
    for way in ("downgrade_in_infer", "upscale_in_train"):
        layer = dygraph.Dropout(0.3, dropout_implementation=way)
        values = np.unique(layer(to_variable(np.ones((50, 50), "float32"))).numpy())
        note(f"Dropout {way}: values", values)
        layer.eval()
        note(f"Dropout {way}: eval", layer(to_variable(picture)))
        note(
            f"dropout {way}: eval",
            fluid.layers.dropout(to_variable(picture), 0.3, dropout_implementation=way),
        )
        layer.train()


def optimizer_figures():
    optimizer, clip = fluid.optimizer, fluid.clip
    weak = fluid.regularizer.L2Decay(0.1)
    rules = {
        "SGD": lambda **more: optimizer.SGD(0.1, **more),
        "SGD L2": lambda **more: optimizer.SGDOptimizer(0.1, regularization=weak, **more),
        "SGD L1": lambda **more: optimizer.SGD(
            0.1, regularization=fluid.regularizer.L1Decay(0.1), **more
        ),
        "SGD by value": lambda **more: optimizer.SGD(
            0.1, grad_clip=clip.GradientClipByValue(0.05), **more
        ),
        "SGD by norm": lambda **more: optimizer.SGD(
            0.1, grad_clip=clip.GradientClipByNorm(0.1), **more
        ),
        "SGD by global norm and L2": lambda **more: optimizer.SGD(
            0.1, grad_clip=clip.GradientClipByGlobalNorm(0.2), regularization=weak, **more
        ),
        "Momentum": lambda **more: optimizer.Momentum(0.1, 0.9, **more),
        "Momentum Nesterov": lambda **more: optimizer.MomentumOptimizer(
            0.1, 0.9, use_nesterov=True, regularization=weak, **more
        ),
        "Adagrad": lambda **more: optimizer.Adagrad(0.1, **more),
        "Adagrad begun": lambda **more: optimizer.AdagradOptimizer(
            0.1, epsilon=0.1, initial_accumulator_value=0.2, **more
        ),
        "RMSProp": lambda **more: optimizer.RMSProp(0.01, **more),
        "RMSProp all": lambda **more: optimizer.RMSPropOptimizer(
            0.01, rho=0.9, epsilon=0.01, momentum=0.5, centered=True, **more
        ),
        "Adam": lambda **more: optimizer.Adam(0.01, **more),
        "Adam epsilon": lambda **more: optimizer.AdamOptimizer(
            0.01, 0.8, 0.9, epsilon=0.01, regularization=weak, **more
        ),
        "Adamax": lambda **more: optimizer.Adamax(0.01, **more),
        "Adamax epsilon": lambda **more: optimizer.AdamaxOptimizer(0.01, epsilon=0.01, **more),
        "Adam decay": lambda **more: optimizer.Adam(
            fluid.layers.exponential_decay(0.1, 2, 0.5), **more
        ),
    }
    for name, make in rules.items():
        with fluid.dygraph.guard(fluid.CPUPlace()):
            layer = fluid.dygraph.Linear(4, 3, fixed(4, 3), fixed(3))
            rule = make(parameter_list=layer.parameters())
            losses = []
            for step in range(20):
                inputs = to_variable(np.roll(numbers(6, 4), step, 0))
                labels = to_variable(np.int64([[(step + row) % 3] for row in range(6)]))
                predicted = fluid.layers.softmax(layer(inputs))
                loss = fluid.layers.mean(fluid.layers.cross_entropy(predicted, labels))
                loss.backward()
                rule.minimize(loss)
                layer.clear_gradients()
                losses.append(float(loss))
            note(f"{name}: losses", np.float32(losses))
            note(f"{name}: weight", layer.weight)
            note(f"{name}: bias", layer.bias)
            note(f"{name}: rate", rule.current_step_lr())
            state = rule.state_dict()
            state.pop("LR_Scheduler", None)  # 1.8.5 alone has it
            note(f"{name}: names", sorted(state))
            for key in sorted(state):
                note(f"{name}: {key}", state[key])


def decay_figures():
    layers = fluid.layers
    decays = {
        "piecewise": layers.piecewise_decay([3, 6], [0.1, 0.01, 0.001]),
        "polynomial": layers.polynomial_decay(0.1, 5, 0.01, 2.0),
        "polynomial cycle": layers.polynomial_decay(0.1, 5, 0.01, cycle=True),
        "exponential": layers.exponential_decay(0.1, 4, 0.5),
        "exponential stairs": layers.exponential_decay(0.1, 4, 0.5, staircase=True),
        "natural": layers.natural_exp_decay(0.1, 4, 0.5),
        "inverse": layers.inverse_time_decay(0.1, 4, 0.5, staircase=True),
        "cosine": layers.cosine_decay(0.1, 3, 4),
        "noam": layers.noam_decay(16, 4),
        "warmup": layers.linear_lr_warmup(0.1, 4, 0.0, 0.2),
        "dygraph piecewise": fluid.dygraph.PiecewiseDecay([3, 6], [0.1, 0.01, 0.001], 2),
        "dygraph cosine": fluid.dygraph.CosineDecay(0.1, 3, 4),
    }
    for name, decay in decays.items():
        layer = fluid.dygraph.Linear(1, 1)
        rule = fluid.optimizer.SGD(decay, parameter_list=layer.parameters())
        rates = []
        for _ in range(12):
            loss = fluid.layers.mean(layer(to_variable(np.ones((1, 1), "float32"))))
            loss.backward()
            rule.minimize(loss)
            rates.append(float(rule.current_step_lr()))
        note(f"rates of {name}", np.float32(rates))


def variables():
    x, whole = to_variable(numbers(3, 4)), to_variable(np.int64([[3, 4], [5, 7]]))
    note("stop_gradient of arrays", x.stop_gradient)
    note("stop_gradient of parameters", fluid.dygraph.Linear(2, 2).weight.stop_gradient)
    note("shape of a variable", x.shape)
    for name, value in {
        "x + 1": x + 1,
        "1 + x": 1 + x,
        "x - 2.5": x - 2.5,
        "2.5 - x": 2.5 - x,
        "x * 3": x * 3,
        "x / 2": x / 2,
        "2 / (x + 3)": 2 / (x + 3),
        "(x + 2) ** 2": (x + 2) ** 2,
        "-x": -x,
        "2 ** x": 2.0**x,
        "x + x": x + x,
        "x * x": x * x,
        "x - row": x - to_variable(numbers(4)),
        "whole + 1": whole + 1,
        "whole * 2": whole * 2,
        "whole / 2": whole / 2,
        "whole // 2": whole // to_variable(np.int64([[2, 2], [3, 3]])),
        "whole % 3": whole % to_variable(np.int64([[3, 3], [2, 2]])),
        "x > 0": x > to_variable(numbers(3, 4) * 0),
        "x == x": x == x,
        "astype": x.astype("float64"),
        "astype int": (x * 3).astype("int32"),
        "x[0]": x[0],
        "x[0, 1]": x[0, 1],
        "x[:, 1]": x[:, 1],
        "x[1:3, :2]": x[1:3, :2],
        "x[-1]": x[-1],
        "x[0][1]": x[0][1],
        "x[::2]": x[::2],
        "x[::-1]": x[::-1],
        "float of 1": float(fluid.layers.mean(x)),
        "int": int(fluid.layers.reduce_sum(whole)),
        "len": len(x),
    }.items():
        note(f"variable {name}", value)

    a, b = watched(numbers(3)), watched(positive(3))
    between = a * b
    total = fluid.layers.reduce_sum(between * between)
    note("no gradient yet", a.gradient() is None)
    total.backward()
    for name, one in (("a", a), ("b", b), ("between", between), ("total", total)):
        note(f"gradient of {name}", one.gradient())
    again = fluid.layers.reduce_sum(a * 3)
    again.backward()
    note("gradients add up", a.gradient())
    a.clear_gradient()
    note("gradient after clearing", a.gradient())
    detached = fluid.layers.reduce_sum(a.detach() * b)
    b.clear_gradient()
    detached.backward()
    note("gradient through detach, a", a.gradient())
    note("gradient through detach, b", b.gradient())
    cut = a * 2
    cut.stop_gradient = True
    a.clear_gradient()
    fluid.layers.reduce_sum(cut * b).backward()
    note("gradient past stop_gradient", a.gradient())
    with fluid.dygraph.no_grad():
        note("stop_gradient without", (a * b).stop_gradient)
    many = a * 2
    many.backward()
    note("gradient of many", a.gradient())
    (grad,) = fluid.dygraph.grad(fluid.layers.reduce_sum(a * a * b), [a])
    note("grad", grad)


def networks():
    class Inner(fluid.dygraph.Layer):
        def __init__(self):
            super().__init__()
            self.fc = fluid.dygraph.Linear(3, 2)
            self.add_parameter("extra", self.create_parameter([2, 2]))

        def forward(self, x):
            return fluid.layers.matmul(self.fc(x), self.extra)

    class Outer(fluid.dygraph.Layer):
        def __init__(self):
            super().__init__()
            self.convolution = fluid.dygraph.Conv2D(1, 2, 3)
            self.norm = fluid.dygraph.BatchNorm(2)
            self.inner = Inner()
            self.add_sublayer("second", Inner())
            self.row = fluid.dygraph.Sequential(
                fluid.dygraph.Linear(1, 1), fluid.dygraph.Linear(1, 1)
            )

    outer = Outer()
    note("state_dict", list(outer.state_dict()))
    note("names of parameters", [one.name for one in outer.parameters()])
    note("named_parameters", [name for name, _ in outer.named_parameters()])
    note("trainable", [one.trainable for one in outer.parameters()])
    note("named_sublayers", [name for name, _ in outer.named_sublayers()])
    note("full_name", outer.full_name())
    note("names of layers", [layer.full_name() for layer in outer.sublayers()])
    note("shapes of parameters", [str(list(one.shape)) for one in outer.parameters()])
    state = {name: numbers(*one.shape) for name, one in outer.state_dict().items()}
    outer.set_dict(state)
    note("after set_dict", outer.inner.fc.weight)


def all_figures():
    FIGURES.clear()
    for part in (functions, losses, layer_figures, decay_figures, variables, networks):
        with fluid.dygraph.guard(fluid.CPUPlace()):
            part()
    optimizer_figures()
    return dict(FIGURES)


if __name__ == "__main__":
    np.savez_compressed(sys.argv[1], **all_figures())
