"""What lessons do with layers, variables and optimizers, beyond what test_faithful.py compares."""

from __future__ import annotations

import gc
import math
import pickle
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digitlab.paddle.modules import install

Fluid = Any


@pytest.fixture
def fluid() -> Iterator[Fluid]:
    with install() as paddle, paddle.fluid.dygraph.guard():
        yield paddle.fluid


def batch(seed: int = 0, count: int = 20) -> tuple[Any, Any]:
    """Return float32 [N, 784] and int64 [N, 1], of which a network can learn something."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, 10, (count, 1))
    images = chance.normal(size=(count, 784)).astype("float32") * 0.1
    images[np.arange(count), labels[:, 0]] += 1
    return images, labels


def test_a_lesson_of_1_6_learns_with_widths_from_its_input(fluid: Fluid) -> None:
    class Mnist(fluid.dygraph.Layer):  # type: ignore[misc]
        def __init__(self, name_scope: str) -> None:
            super().__init__(name_scope)
            scope = self.full_name()
            self.conv = fluid.dygraph.Conv2D(
                scope, num_filters=4, filter_size=5, stride=2, padding=2, act="relu"
            )
            self.pool = fluid.dygraph.Pool2D(scope, pool_size=2, pool_stride=2, pool_type="max")
            self.fc = fluid.dygraph.FC(scope, size=10, act="softmax")

        def forward(self, inputs: Any) -> Any:
            return self.fc(self.pool(self.conv(inputs)))

    fluid.default_startup_program().random_seed = 1
    model = Mnist("mnist")
    assert model.parameters() == []
    optimizer = fluid.optimizer.AdamOptimizer(learning_rate=0.01)  # 1.6 needs no list
    images, labels = batch()
    image = fluid.dygraph.to_variable(images.reshape(-1, 1, 28, 28))
    losses = []
    for _ in range(30):
        predicted = model(image)
        loss = fluid.layers.mean(
            fluid.layers.cross_entropy(predicted, fluid.dygraph.to_variable(labels))
        )
        losses.append(float(loss))
        loss.backward()
        optimizer.minimize(loss)
        model.clear_gradients()
    assert losses[-1] < 0.5 * losses[0]
    assert {name: one.shape for name, one in model.state_dict().items()} == {
        "conv.weight": [4, 1, 5, 5],
        "conv.bias": [4],
        "fc.weight": [196, 10],
        "fc.bias": [10],
    }
    again = Mnist("mnist")
    again.load_dict({name: one.numpy() for name, one in model.state_dict().items()})
    np.testing.assert_allclose(again(image).numpy(), model(image).numpy(), rtol=1e-6)


def test_what_was_saved_goes_on_to_the_bit(fluid: Fluid, tmp_path: Path) -> None:
    def network() -> tuple[Any, Any]:
        layer = fluid.dygraph.Linear(784, 10)
        rate = fluid.dygraph.PolynomialDecay(0.1, 10, 0.01)
        return layer, fluid.optimizer.Adam(rate, parameter_list=layer.parameters())

    def steps(layer: Any, optimizer: Any, numbers: range) -> None:
        for number in numbers:
            images, labels = (fluid.dygraph.to_variable(part) for part in batch(number))
            loss = fluid.layers.softmax_with_cross_entropy(layer(images), labels)
            loss = fluid.layers.mean(loss)
            loss.backward()
            optimizer.minimize(loss)
            layer.clear_gradients()

    path = str(tmp_path / "saved" / "model")
    with fluid.dygraph.guard():
        layer, optimizer = network()
        steps(layer, optimizer, range(3))
        fluid.save_dygraph(layer.state_dict(), path)
        fluid.save_dygraph(optimizer.state_dict(), path)
        steps(layer, optimizer, range(3, 6))
    with fluid.dygraph.guard():
        other, rule = network()
        parameters, state = fluid.load_dygraph(path)
        assert state["global_step"] == [3]
        other.set_dict(parameters)
        rule.set_dict(state)
        steps(other, rule, range(3, 6))
    np.testing.assert_array_equal(other.weight.numpy(), layer.weight.numpy())
    assert rule.current_step_lr() == optimizer.current_step_lr() < 0.1
    with pytest.raises(RuntimeError, match="not exists"):
        fluid.load_dygraph(str(tmp_path / "nothing"))
    with pytest.raises(AssertionError, match="state_dict is empty"):
        fluid.save_dygraph({}, path)


@pytest.mark.parametrize(
    ("name", "arguments", "low", "high", "deviation"),
    [
        ("Xavier", {}, -math.sqrt(6 / 500), math.sqrt(6 / 500), math.sqrt(2 / 500)),
        ("Xavier", {"uniform": False}, -1, 1, math.sqrt(2 / 500)),
        ("MSRA", {}, -math.sqrt(6 / 300), math.sqrt(6 / 300), math.sqrt(2 / 300)),
        ("MSRA", {"uniform": False}, -1, 1, math.sqrt(2 / 300)),
        ("Normal", {"loc": 0.0, "scale": 0.5}, -9, 9, 0.5),
        ("TruncatedNormal", {"scale": 0.5}, -1, 1, 0.5 * 0.8796),
        ("Uniform", {"low": -2.0, "high": 2.0}, -2, 2, 4 / math.sqrt(12)),
        ("Constant", {"value": 0.0}, 0, 0, 0),
    ],
)
def test_parameters_begin_as_their_initializer_says(
    fluid: Fluid, name: str, arguments: dict[str, Any], low: float, high: float, deviation: float
) -> None:
    fluid.default_startup_program().random_seed = 1
    begin = getattr(fluid.initializer, name)(**arguments)
    weight = fluid.dygraph.Linear(300, 200, param_attr=begin).weight.numpy()
    assert low <= weight.min() <= weight.max() <= high
    assert weight.std() == pytest.approx(deviation, rel=0.03, abs=1e-9)
    assert weight.mean() == pytest.approx(0, abs=0.02 * max(deviation, 1e-6))


def test_layers_begin_as_in_paddle(fluid: Fluid) -> None:
    fluid.default_startup_program().random_seed = 1
    convolution = fluid.dygraph.Conv2D(20, 200, 5)
    assert convolution.weight.numpy().std() == pytest.approx(math.sqrt(2 / 500), rel=0.02)
    assert not convolution.bias.numpy().any()
    weight = fluid.dygraph.Linear(300, 200).weight.numpy()
    assert np.abs(weight).max() == pytest.approx(math.sqrt(6 / 500), rel=0.01)
    table = fluid.dygraph.Embedding([300, 200]).weight.numpy()
    assert np.abs(table).max() == pytest.approx(math.sqrt(6 / 500), rel=0.01)


def test_layers_tell_what_they_were_made_of_as_in_1_8(fluid: Fluid) -> None:
    layers = fluid.dygraph
    conv = layers.Conv2D(1, 20, 5, padding=2, act="relu")
    assert (conv._num_channels, conv._num_filters, conv._filter_size) == (1, 20, 5)
    assert (conv._stride, conv._padding, conv._dilation) == ([1, 1], [2, 2], [1, 1])
    assert (conv._groups, conv._act, conv._dtype) == (None, "relu", "float32")
    pool = layers.Pool2D(pool_size=2, pool_type="avg", pool_stride=(2, 1))
    assert (pool._pool_type, pool._pool_size, pool._pool_stride) == ("avg", [2, 2], [2, 1])
    assert (pool._pool_padding, pool._global_pooling, pool._ceil_mode) == ([0, 0], False, False)
    assert layers.Linear(2, 3, act="softmax")._act == "softmax"
    assert layers.FC("fc", 10, act="softmax")._size == 10
    norm = layers.BatchNorm(3, momentum=0.8)
    assert (norm._momentum, norm._epsilon, norm._use_global_stats) == (0.8, 1e-5, False)
    drop = layers.Dropout(0.3)
    assert (drop._dropout_prob, drop._dropout_implementation) == (0.3, "downgrade_in_infer")
    assert layers.Embedding([10, 3], padding_idx=-1)._padding_idx == 9
    assert layers.Embedding([10, 3])._padding_idx == -1


def test_a_seed_gives_the_same_network_and_none_gives_another(fluid: Fluid) -> None:
    def weight(seed: int | None) -> Any:
        with fluid.dygraph.guard():
            if seed is not None:
                fluid.default_startup_program().random_seed = seed
            return fluid.dygraph.Linear(5, 5).weight.numpy()

    assert np.array_equal(weight(3), weight(3))
    assert not np.array_equal(weight(3), weight(4))
    assert not np.array_equal(weight(None), weight(None))


def test_attributes_of_a_parameter_take_precedence(fluid: Fluid) -> None:
    attr = fluid.ParamAttr(
        name="mine",
        learning_rate=0.5,
        regularizer=fluid.regularizer.L2Decay(0.0),
        initializer=fluid.initializer.Constant(1.0),
    )
    fixed = fluid.ParamAttr(trainable=False, initializer=fluid.initializer.Constant(2.0))
    layer = fluid.dygraph.Linear(1, 1, param_attr=attr, bias_attr=fixed)
    rule = fluid.optimizer.SGD(
        0.1, parameter_list=layer.parameters(), regularization=fluid.regularizer.L2Decay(10.0)
    )
    loss = fluid.layers.mean(layer(fluid.dygraph.to_variable(np.float32([[3]]))))
    loss.backward()
    rule.minimize(loss)
    assert layer.weight.name == "mine"
    assert layer.weight.numpy() == pytest.approx(1 - 0.5 * 0.1 * 3)
    assert layer.bias.numpy() == 2
    assert fluid.dygraph.Linear(1, 1, bias_attr=False).bias is None


def test_the_rate_can_be_set_but_not_where_it_falls_by_itself(fluid: Fluid) -> None:
    layer = fluid.dygraph.Linear(1, 1)
    rule = fluid.optimizer.SGD(0.1, parameter_list=layer.parameters())
    rule.set_lr(0.2)
    assert rule.current_step_lr() == 0.2
    falling = fluid.optimizer.SGD(fluid.dygraph.CosineDecay(0.1, 1, 2), layer.parameters())
    with pytest.raises(RuntimeError, match="LearningRateDecay"):
        falling.set_lr(0.2)
    with pytest.raises(TypeError, match="learning rate should be float"):
        fluid.optimizer.SGD("fast", layer.parameters())


def test_clipping_may_be_given_to_minimize_as_in_1_7(fluid: Fluid) -> None:
    layer = fluid.dygraph.Linear(1, 1, bias_attr=False)
    before = layer.weight.numpy()
    rule = fluid.optimizer.SGD(1.0, parameter_list=layer.parameters())
    loss = fluid.layers.mean(layer(fluid.dygraph.to_variable(np.float32([[100]]))))
    loss.backward()
    clip = fluid.dygraph_grad_clip.GradClipByGlobalNorm(0.5)
    rule.minimize(loss, grad_clip=clip)
    assert before - layer.weight.numpy() == pytest.approx(0.5, rel=1e-5)


def test_a_variable_is_a_copy_of_the_array(fluid: Fluid) -> None:
    array = np.zeros(3, "float32")
    variable = fluid.dygraph.to_variable(array)
    array[0] = 1
    assert variable.numpy().tolist() == [0, 0, 0]
    variable.numpy()[1] = 1
    assert variable.numpy().tolist() == [0, 0, 0]


def test_arrays_and_variables_mix_in_either_order(fluid: Fluid) -> None:
    variable = fluid.dygraph.to_variable(np.float32([1, 2]))
    for result in (np.float64([2, 3]) * variable, variable * np.float64([2, 3])):
        assert isinstance(result, fluid.Variable)
        assert result.numpy().tolist() == [2, 6]
        assert str(result.dtype) == "VarType.FP32"
    assert f"{variable[0].numpy()}" == "[1.]"


def test_a_variable_is_printed_as_1_8_prints_it(fluid: Fluid) -> None:
    variable = fluid.dygraph.to_variable(np.float32([[0.5, -0.0, 1e-8], [123456789, np.nan, 1e6]]))
    assert str(variable) == (
        "name generated_var_0, dtype: VarType.FP32 shape: [2, 3] \tlod: {}\n\tdim: 2, 3\n"
        "\tlayout: NCHW\n\tdtype: float\n\tdata: [0.5 -0 1e-08 1.23457e+08 nan 1e+06]\n"
    )
    assert str(variable + 1).startswith("name tmp_")
    for array, kind, data in (
        (np.int64([3]), "int64_t", "3"),
        (np.int32([3]), "int", "3"),
        (np.float64([0.1]), "double", "0.1"),
        (np.array([True, False]), "bool", "1 0"),
    ):
        assert f"dtype: {kind}\n\tdata: [{data}]\n" in str(fluid.dygraph.to_variable(array))


def test_one_hot_keeps_an_axis_of_one_unless_it_is_that_of_layers(fluid: Fluid) -> None:
    labels = fluid.dygraph.to_variable(np.int64([[1], [3]]))
    assert fluid.one_hot(labels, 4).shape == [2, 1, 4]
    assert fluid.layers.one_hot(labels, 4).shape == [2, 4]


def test_an_array_of_one_element_is_a_number_as_it_was(fluid: Fluid) -> None:
    value = fluid.layers.mean(fluid.dygraph.to_variable(np.float32([1, 2])))
    assert (float(value.numpy()), int(value.numpy()), f"{value.numpy()[0]}") == (1.5, 1, "1.5")
    assert "%.2f" % value.numpy() == "1.50"  # noqa: UP031
    assert repr([value.numpy()]) == "[array([1.5], dtype=float32)]"
    assert float(value.numpy() * 2) == 3
    assert isinstance(value.numpy(), np.ndarray)
    assert type(pickle.loads(pickle.dumps(value.numpy()))) is np.ndarray
    with pytest.raises(ValueError, match="size 1"):
        float(fluid.dygraph.to_variable(np.zeros(2)).numpy())


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("x.nunpy()", AttributeError, "'nunpy'; the nearest there is: Variable.numpy"),
        ("fluid.dygraph.to_variable('a')", TypeError, "must be numpy.ndarray or Variable"),
        ("x.set_value(np.zeros(3, 'float32'))", AssertionError, r"with shape \[2\]"),
        ("x.set_value(np.zeros(2))", AssertionError, "dtype not match"),
        ("x.astype('complex64')", TypeError, "complex64"),
        ("fluid.layers.cross_entropy(x, x)", TypeError, "labels are float32; expected int64"),
        ("fluid.layers.reshape(x, [1, 2], act='rely')", ValueError, "act='rely'"),
        ("fluid.layers.dropout(x, 0.5, dropout_implementation='up')", ValueError, "'up'"),
        ("fluid.layers.split(x, 3)", ValueError, "which 3 does not divide"),
        ("fluid.dygraph.Pool2D()", ValueError, "pool_size"),
        ("fluid.dygraph.Linear(2, 2, param_attr=False)", AssertionError, "should not be False"),
        ("fluid.dygraph.PiecewiseDecay([1], [1.0])", ValueError, "expected 2"),
        ("fluid.dygraph.Linear(2, 2).set_dict({})", RuntimeError, "weight"),
    ],
)
def test_a_mistake_is_named(fluid: Fluid, code: str, error: type[Exception], message: str) -> None:
    x = fluid.dygraph.to_variable(np.float32([1, 2]))
    with pytest.raises(error, match=message):
        eval(code, {"fluid": fluid, "np": np, "x": x})


def test_labels_that_are_no_class_are_named(fluid: Fluid) -> None:
    scores = fluid.dygraph.to_variable(np.full((2, 10), 0.1, "float32"))
    labels = fluid.dygraph.to_variable(np.int64([[3], [10]]))
    with pytest.raises(ValueError, match="a label is 10; expected 0 to 9"):
        fluid.layers.cross_entropy(scores, labels)


def test_a_step_leaves_nothing_behind(fluid: Fluid) -> None:
    layer = fluid.dygraph.Linear(4, 4)
    image = fluid.dygraph.to_variable(np.ones((2, 4), "float32"))
    gone = []
    for _ in range(3):
        between = layer(image)
        loss = fluid.layers.mean(between)
        loss.backward()
        gone += [weakref.ref(between), weakref.ref(loss)]
    del between, loss
    gc.collect()
    assert [reference for reference in gone if reference() is not None] == []


def test_gradients_of_what_lies_between_are_kept_where_it_is(fluid: Fluid) -> None:
    layer = fluid.dygraph.Linear(4, 4)
    hidden = layer(fluid.dygraph.to_variable(np.ones((2, 4), "float32")))
    loss = fluid.layers.reduce_sum(hidden * 3)
    assert hidden.gradient() is None
    loss.backward()
    assert (hidden.gradient() == 3).all()
    assert loss.gradient() == [1]


def test_a_place_without_its_device_is_the_cpu_with_one_notice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with install() as paddle:
        fluid = paddle.fluid
        for _ in range(2):
            with fluid.dygraph.guard(fluid.CUDAPlace(0)):
                assert fluid.dygraph.to_variable(np.float32([1])).value.device.type == "cpu"
    said = capsys.readouterr().err
    assert said == ("digitlab: CUDAPlace(0): there is no CUDA device here; running on the CPU\n")
    with install("cpu") as paddle, paddle.fluid.dygraph.guard(paddle.fluid.CUDAPlace(0)):
        assert paddle.fluid.is_compiled_with_cuda() is False
    assert capsys.readouterr().err == ""


def test_evaluation_ends_with_the_guard(fluid: Fluid) -> None:
    layer = fluid.dygraph.Linear(2, 2)
    layer.eval()
    image = fluid.dygraph.to_variable(np.ones((1, 2), "float32"))
    assert layer(image).stop_gradient
    with fluid.dygraph.guard():
        assert not fluid.dygraph.Linear(2, 2)(image).stop_gradient
    assert layer(image).stop_gradient
    layer.train()
    assert not layer(image).stop_gradient


def test_sublayers_and_parameters_may_be_replaced(fluid: Fluid) -> None:
    outer = fluid.dygraph.Layer()
    outer.part = fluid.dygraph.Linear(1, 1)
    outer.part = fluid.dygraph.Linear(2, 3)
    assert [one.shape for one in outer.parameters()] == [[2, 3], [3]]
    outer.part = None
    assert outer.parameters() == []
    assert outer.part is None
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        outer.other  # noqa: B018

    class Early(fluid.dygraph.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            self.part = fluid.dygraph.Linear(1, 1)

    with pytest.raises(ValueError, match="__init__"):
        Early()


def test_hooks_see_and_change_what_passes(fluid: Fluid) -> None:
    layer = fluid.dygraph.Linear(1, 1)
    one = fluid.dygraph.to_variable(np.float32([[1]]))
    plain = layer(one).numpy()
    hook = layer.register_forward_post_hook(lambda layer, inputs, output: output * 2)
    before = layer.register_forward_pre_hook(lambda layer, inputs: (inputs[0] * 3,))
    np.testing.assert_allclose(layer(one).numpy(), plain * 6, rtol=1e-6)
    hook.remove()
    before.remove()
    assert layer(one).numpy() == plain
