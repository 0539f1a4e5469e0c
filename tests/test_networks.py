"""The networks are the course's, initialisation included; a user's own is checked in a line."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from digitlab import networks, objectives
from digitlab.config import NETWORKS, ObjectiveConfig, Recipe
from digitlab.errors import ConfigError
from digitlab.recipe_files import load_recipe


@pytest.mark.parametrize("outputs", [1, 10, 11, 14, 15])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_takes_pictures_and_gives_outputs(name: str, outputs: int) -> None:
    if name == "two-heads" and outputs < 14:
        return  # a recipe refuses it without boxes
    network = networks.build(name, outputs, seed=1)
    assert network(torch.rand(3, 1, 28, 28)).shape == (3, outputs)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_courses_networks_have_its_numbers_of_parameters() -> None:
    assert count(networks.build("mlp", 10, 1)) == 784 * 10 + 10 + 110 + 110
    assert count(networks.build("mlp", 1, 1)) == 784 * 10 + 10 + 110 + 11
    assert count(networks.build("cnn", 10, 1)) == 20 * 25 + 20 + 20 * 500 + 20 + 9800 + 10


def test_a_residual_block_starts_as_the_identity_but_for_a_bias_and_adds_what_it_learns() -> None:
    block, images = networks.Residual(4), torch.randn(2, 4, 5, 5)
    biased = images + block.second.bias.view(4, 1, 1)
    assert torch.allclose(block(images), biased, atol=1e-6)
    nn.init.dirac_(block.second.weight)
    inner = nn.functional.conv2d(images.relu(), block.first.weight, block.first.bias, padding=1)
    assert torch.allclose(block(images), biased + inner.relu(), atol=1e-5)


def test_an_eleventh_answer_comes_with_images_that_are_no_digit() -> None:
    assert objectives.build(load_recipe("quick")).outputs == 10
    objective = objectives.build(load_recipe("photo"))
    assert objective.outputs == 11
    output = torch.eye(11)[[3, 10]] + torch.eye(11)[[3, 7]] / 2
    assert objective.answers(output).tolist() == [3, 10]
    assert objective.digits(output).tolist() == [3, 7]


def test_the_fully_connected_network_computes_sigmoids() -> None:
    network = networks.build("mlp", 10, 3)
    weights = list(network.parameters())
    images = torch.rand(5, 1, 28, 28)
    hidden = torch.sigmoid(images.flatten(1) @ weights[0].T + weights[1])
    hidden = torch.sigmoid(hidden @ weights[2].T + weights[3])
    assert torch.allclose(network(images), hidden @ weights[4].T + weights[5], atol=1e-6)


def test_the_convolutional_network_computes_as_in_the_course() -> None:
    network = networks.build("cnn", 10, 3)
    weights = list(network.parameters())
    images = torch.rand(5, 1, 28, 28)
    features = images
    for layer in (0, 2):
        features = nn.functional.conv2d(features, weights[layer], weights[layer + 1], padding=2)
        features = nn.functional.max_pool2d(torch.relu(features), 2)
    expected = features.flatten(1) @ weights[4].T + weights[5]
    assert torch.allclose(network(images), expected, atol=1e-5)


def test_initial_weights_are_drawn_as_paddle_draws_them() -> None:
    first, second = [
        layer for layer in networks.build("cnn", 10, 1) if isinstance(layer, nn.Conv2d)
    ]
    assert first.weight.std().item() == pytest.approx(math.sqrt(2 / 25), rel=0.1)
    assert second.weight.std().item() == pytest.approx(math.sqrt(2 / 500), rel=0.05)
    assert second.weight.abs().max() > 3 * math.sqrt(2 / 500)  # normal, not uniform
    linear = networks.build("mlp", 10, 1)[1]  # type: ignore[index]
    limit = math.sqrt(6 / 794)
    assert linear.weight.abs().max().item() == pytest.approx(limit, rel=0.01)
    assert linear.weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.03)
    for name in ("mlp", "cnn"):
        biases = [p for n, p in networks.build(name, 10, 1).named_parameters() if "bias" in n]
        assert not any(bias.any() for bias in biases)


def test_the_seed_decides_and_torchs_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    a, b, c = (networks.build("quick", 10, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    first = [next(network.parameters()) for network in (a, b, c)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


NO_IMAGES = torch.zeros(0, 1, 28, 28)  # for losses that do not look at them

OWN = """
import torch
class Good(torch.nn.Linear):
    def __init__(self, outputs):
        super().__init__(784, outputs)
    def forward(self, images):
        return super().forward(images.flatten(1))
class Wide(Good):
    def forward(self, images):
        return images
class Double(Good):
    def __init__(self, outputs):
        super().__init__(outputs)
        self.double()
class Frozen(Good):
    def __init__(self, outputs):
        super().__init__(outputs)
        self.requires_grad_(False)
class Shy:
    pass
def number(outputs):
    return 3
class Flat(Good):
    def forward(self, images):
        return self.reshaped(images)
    def reshaped(self, images):
        return images.view(2, 5)
class Joined(Good):
    def forward(self, images):
        return torch.cat([images, images.flatten(1)], 1)
class Absent(Good):
    def forward(self, images):
        return {}["weights"]
class Asserted(Good):
    def forward(self, images):
        assert images.ndim == 2
class InTraining(Good):
    def forward(self, images):
        return (images.view(7) if self.training else super().forward(images))
class Several(Good):
    def forward(self, images):
        return super().forward(images), images
class Unmade(Good):
    def __init__(self, outputs):
        super().__init__(outputs + sizes)
class Odd(Good):
    def __init__(self, outputs):
        super().__init__("ten" + outputs)
"""


def test_a_network_of_the_users_own_is_found_where_the_command_runs() -> None:
    Path("own_a.py").write_text(OWN)
    assert isinstance(networks.build("own_a:Good", 10, 1), nn.Linear)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("missing:Net", "cannot import missing"),
        ("missing.py:Net", "did you mean --network missing:Net?"),
        ("own_b:Missing", "own_b has no Missing"),
        ("own_b:Shy", r"cannot be called as Shy\(outputs=10\)"),
        ("own_b:Several", "gives tuple; expected one tensor"),
        ("own_b:number", r"gave int, no torch\.nn\.Module"),
        ("own_b:Wide", r"gives shape \(2, 1, 28, 28\) for two images; expected \(2, 10\)"),
        ("own_b:Double", r"weight is torch\.float64; expected float32"),
        ("own_b:Frozen", "has no parameter to train"),
        ("nonsense", "there is no such network"),
    ],
)
def test_a_network_that_does_not_fit_is_one_line(
    name: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("own_b.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(Path.cwd()))
    with pytest.raises(ConfigError, match=f"^--network {name}: .*{expected}"):
        networks.build(name, 10, 1)


@pytest.mark.parametrize(
    ("name", "what", "code", "reason"),
    [
        ("Flat", "its forward fails", "images.view(2, 5)", "RuntimeError: shape '[2, 5]' is"),
        ("Joined", "its forward fails", "torch.cat(", "RuntimeError: Tensors must have"),
        ("Absent", "its forward fails", '{}["weights"]', "KeyError: 'weights'"),
        ("Asserted", "its forward fails", "assert images", "AssertionError"),
        ("InTraining", "its forward fails", "images.view(7)", "RuntimeError: shape '[7]' is"),
        ("Unmade", "fails as it is made", "outputs + sizes", "NameError: name 'sizes' is not"),
        ("Odd", "fails as it is made", '"ten" + outputs', "TypeError: can only concatenate"),
    ],
)
def test_what_a_network_of_the_users_own_raises_is_one_line_with_its_place(
    name: str, what: str, code: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("own_b.py").write_text(OWN)
    monkeypatch.delitem(sys.modules, "own_b", raising=False)
    (line,) = [at for at, text in enumerate(OWN.splitlines(), 1) if code in text]
    with pytest.raises(ConfigError) as caught:
        networks.build(f"own_b:{name}", 10, 1)
    message = str(caught.value)
    assert message.startswith(f"--network own_b:{name}: {what}, in own_b.py, line {line}: {reason}")
    assert "\n" not in message
    assert caught.value.__cause__ is not None  # whose traceback Python shows


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import torch\nclass Net(:\n", "line 2: SyntaxError: "),
        ("\n\nWIDTH = 1 / 0", "line 3: ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_cannot_be_run_is_one_line_with_its_place(
    code: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("own_c.py").write_text(code)
    monkeypatch.delitem(sys.modules, "own_c", raising=False)
    with pytest.raises(ConfigError) as caught:
        networks.build("own_c:Net", 10, 1)
    assert str(caught.value).startswith(
        f"--network own_c:Net: own_c cannot be imported, in own_c.py, {expected}"
    )


def test_cross_entropy_is_summed_over_samples_and_smoothed_when_asked() -> None:
    logits, labels = torch.randn(6, 10), torch.arange(6)
    plain = objectives.build(Recipe(objective=ObjectiveConfig("cross-entropy")))
    expected = -torch.log_softmax(logits, 1)[torch.arange(6), labels].sum()
    assert torch.allclose(plain.loss(logits, labels, NO_IMAGES), expected)
    smoothed = objectives.build(Recipe(objective=ObjectiveConfig("cross-entropy", 0.2)))
    smoothed = smoothed.loss(logits, labels, NO_IMAGES)
    even = -torch.log_softmax(logits, 1).mean(1).sum()
    assert torch.allclose(smoothed, 0.8 * expected + 0.2 * even, rtol=1e-5)
    assert plain.digits(logits).tolist() == logits.argmax(1).tolist()


def test_square_error_reads_the_nearest_digit() -> None:
    objective = objectives.build(Recipe(objective=ObjectiveConfig("square-error")))
    output = torch.tensor([[-3.0], [0.4], [3.6], [8.7], [42.0], [float("nan")]])
    assert objective.digits(output).tolist() == [0, 0, 4, 9, 9, 0]
    labels = torch.tensor([0, 0, 4, 9, 9, 0])
    loss = objective.loss(output[:5], labels[:5], NO_IMAGES)
    assert loss.item() == pytest.approx(9 + 0.16 + 0.16 + 0.09 + 33**2, rel=1e-5)
    assert objective.outputs == 1


def images_with_a_bar() -> torch.Tensor:
    """Return float32 [2, 1, 28, 28]: ink in x 7..20, y 14..20; and nothing."""
    images = torch.zeros(2, 1, 28, 28)
    images[0, 0, 14:21, 7:21] = 1
    return images


def test_a_box_costs_its_distance_from_the_ink_beside_cross_entropy() -> None:
    objective = objectives.build(Recipe(objective=ObjectiveConfig("cross-entropy-and-box")))
    assert objective.outputs == 14
    logits, labels = torch.randn(2, 10), torch.tensor([3, 4])
    truth = torch.tensor([7, 14, 14, 7]) / 28
    exact = torch.cat([logits, torch.stack([truth, torch.rand(4)])], 1)  # none where is no ink
    digits = objectives.CrossEntropy().loss(logits, labels, NO_IMAGES)
    loss = objective.loss(exact, labels, images_with_a_bar())
    assert torch.allclose(loss, digits)
    off = exact.clone()
    off[0, 10] += 3 / 28  # linear from one pixel on
    off[0, 13] -= 0.5 / 28  # quadratic below
    distance = 5 * (2.5 / 28 + 0.125 / 28)
    assert torch.allclose(
        objective.loss(off, labels, images_with_a_bar()), digits + distance, rtol=1e-5
    )
    assert objective.answers(exact).tolist() == logits.argmax(1).tolist()
    assert objective.digits(exact).tolist() == logits.argmax(1).tolist()


def test_a_box_is_named_in_pixels_and_measured_on_what_has_ink() -> None:
    objective = objectives.build(Recipe(objective=ObjectiveConfig("cross-entropy-and-box")))
    output = torch.zeros(2, 14)
    output[0, 10:] = torch.tensor([7, 14, 7, 7]) / 28  # half of the bar
    output[1, 10:] = 1
    named = objective.named(output)
    assert list(named) == ["logits", "box"]
    assert torch.equal(named["box"][0], torch.tensor([7.0, 14, 7, 7]))
    assert objective.figures(output, images_with_a_bar()) == {"mean_iou": pytest.approx(0.5)}
    assert objective.figures(output, torch.zeros(2, 28, 28)) == {"mean_iou": None}
    plain = objectives.build(Recipe(objective=ObjectiveConfig("cross-entropy")))
    assert plain.figures(output, images_with_a_bar()) == {}


class DoesNotFit(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 50), nn.ReLU())
        self.last = nn.Linear(60, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.last(self.layers(images))
        return output


class Normalised(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, outputs))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.layers(images + 1)
        return output


def test_the_check_moves_no_buffer_and_leaves_the_network_in_training() -> None:
    network = networks.build(f"{__name__}:Normalised", 10, 1)
    buffers = dict(network.named_buffers())
    assert not buffers["layers.1.running_mean"].any()
    assert int(buffers["layers.1.num_batches_tracked"]) == 0
    assert network.training


def test_the_layer_that_does_not_fit_is_named_in_one_line() -> None:
    with pytest.raises(ConfigError) as error:
        networks.build(f"{__name__}:DoesNotFit", 10, 1)
    message = str(error.value)
    line = DoesNotFit.forward.__code__.co_firstlineno + 1
    layer = "its layer last, Linear(in_features=60, out_features=10, bias=True)"
    assert f"{layer}, in {__file__}, line {line}: RuntimeError: mat1 and" in message
    assert "2x50 and 60x10" in message
    assert "\n" not in message
