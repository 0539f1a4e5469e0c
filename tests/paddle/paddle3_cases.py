"""Some of fluid_cases.py in PaddlePaddle 3's spelling, for what has kept its meaning since 1.8.

`python paddle3_cases.py FILE.npz`; figures have the names of fluid_cases.py, after their kind.
"""

import sys

import numpy as np
import paddle

if not paddle.__version__.startswith("3."):
    sys.exit(f"is PaddlePaddle {paddle.__version__}")
from paddle import nn
from paddle.nn import functional

FIGURES = {}


def numbers(*shape):
    count = int(np.prod(shape))
    order = (np.arange(count) * 7 + 3) % (count + (count % 7 == 0))
    return ((order + 0.5) / (count + 1) * 2 - 1).astype("float32").reshape(shape)


def positive(*shape):
    return numbers(*shape) * 0.4 + 0.6


def fixed(*shape):
    return paddle.ParamAttr(initializer=nn.initializer.Assign(numbers(*shape) * 0.5))


def with_gradients(name, compute, *arrays):
    inputs = [paddle.to_tensor(array, stop_gradient=False) for array in arrays]
    output = compute(*inputs)
    FIGURES[f"output: {name}"] = output.numpy()
    (output * paddle.to_tensor(numbers(*output.shape))).sum().backward()
    for number, one in enumerate(inputs):
        FIGURES[f"gradient: {name}/gradient {number}"] = one.grad.numpy()


def layers():
    picture, labels = numbers(2, 4, 7, 6), paddle.to_tensor(np.int64([[2], [0], [1], [1]]))
    logits = numbers(4, 3) * 3
    with_gradients(
        "Linear run 0",
        lambda x: functional.sigmoid(nn.Linear(4, 3, fixed(4, 3), fixed(3))(x)),
        numbers(5, 4),
    )
    convolution = nn.Conv2D(4, 6, 3, 2, 1, weight_attr=fixed(6, 4, 3, 3), bias_attr=fixed(6))
    with_gradients("Conv2D run 0", lambda x: functional.relu(convolution(x)), picture)
    FIGURES["gradient: Conv2D: weight/gradient"] = convolution.weight.grad.numpy()
    FIGURES["gradient: Conv2D: bias/gradient"] = convolution.bias.grad.numpy()
    with_gradients("Pool2D max run 0", nn.MaxPool2D(2, 2), picture)
    with_gradients("Pool2D avg run 0", nn.AvgPool2D(2, 2), picture)
    with_gradients("Pool2D padding avg run 0", nn.AvgPool2D([3, 2], [2, 1], [1, 1]), picture)
    norm = nn.BatchNorm2D(4, weight_attr=fixed(4), bias_attr=fixed(4))
    for run in range(3):
        norm.clear_gradients()
        with_gradients(f"BatchNorm run {run}", lambda x: functional.relu(norm(x)), picture)
    FIGURES["output: BatchNorm: _mean"] = norm._mean.numpy()
    FIGURES["output: BatchNorm: _variance"] = norm._variance.numpy()
    with_gradients(
        "cross_entropy",
        lambda x: functional.cross_entropy(
            functional.softmax(x), labels, use_softmax=False, reduction="none"
        ),
        logits,
    )
    with_gradients(
        "softmax_with_cross_entropy",
        lambda x: functional.cross_entropy(x, labels, reduction="none"),
        logits,
    )
    with_gradients("square_error_cost", functional.square_error_cost, numbers(4, 1), positive(4, 1))
    with_gradients("softmax", functional.softmax, numbers(3, 4))


def optimizers():
    optimizer, weak = paddle.optimizer, paddle.regularizer.L2Decay(0.1)
    rules = {
        "SGD": lambda **more: optimizer.SGD(0.1, **more),
        "SGD L2": lambda **more: optimizer.SGD(0.1, weight_decay=weak, **more),
        "SGD by global norm and L2": lambda **more: optimizer.SGD(
            0.1, weight_decay=weak, grad_clip=nn.ClipGradByGlobalNorm(0.2), **more
        ),
        "Momentum": lambda **more: optimizer.Momentum(0.1, 0.9, **more),
        "Momentum Nesterov": lambda **more: optimizer.Momentum(
            0.1, 0.9, use_nesterov=True, weight_decay=weak, **more
        ),
        "Adagrad": lambda **more: optimizer.Adagrad(0.1, **more),
        "RMSProp": lambda **more: optimizer.RMSProp(0.01, **more),
        "RMSProp all": lambda **more: optimizer.RMSProp(
            0.01, rho=0.9, epsilon=0.01, momentum=0.5, centered=True, **more
        ),
        "Adam": lambda **more: optimizer.Adam(0.01, **more),
        "Adamax": lambda **more: optimizer.Adamax(0.01, **more),
        "Adamax epsilon": lambda **more: optimizer.Adamax(0.01, epsilon=0.01, **more),
    }
    for name, make in rules.items():
        layer = nn.Linear(4, 3, fixed(4, 3), fixed(3))
        rule = make(parameters=layer.parameters())
        for step in range(20):
            inputs = paddle.to_tensor(np.roll(numbers(6, 4), step, 0))
            labels = paddle.to_tensor(np.int64([[(step + row) % 3] for row in range(6)]))
            functional.cross_entropy(layer(inputs), labels).backward()
            rule.step()
            rule.clear_grad()
        FIGURES[f"after 20 steps: {name}: weight"] = layer.weight.numpy()
        FIGURES[f"after 20 steps: {name}: bias"] = layer.bias.numpy()


if __name__ == "__main__":
    paddle.set_device("cpu")
    layers()
    optimizers()
    np.savez_compressed(sys.argv[1], **FIGURES)
