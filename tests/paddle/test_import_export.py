"""Parameters of Paddle become a run that does what runs do, and a run becomes a file of Paddle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import digitlab
from commands import Command, mistake
from digitlab import networks
from digitlab.errors import ModelError
from digitlab.paddle.import_run import import_parameters
from digitlab.paddle.matching import DoesNotFitError, fitted, named
from digitlab.paddle.parameter_files import load, save

DATA = Path(__file__).parent / "data"
# What the course's class saves, in the order in which it makes its layers.
CNN = {
    "conv1.weight": (20, 1, 5, 5),
    "conv1.bias": (20,),
    "conv2.weight": (20, 20, 5, 5),
    "conv2.bias": (20,),
    "fc.weight": (980, 10),
    "fc.bias": (10,),
}
MLP = {
    "fc1.weight": (784, 10),
    "fc1.bias": (10,),
    "fc2.weight": (10, 10),
    "fc2.bias": (10,),
    "fc3.weight": (10, 10),
    "fc3.bias": (10,),
}


def _state(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    chance = np.random.default_rng(1)
    return {n: chance.normal(0, 0.1, shape).astype(np.float32) for n, shape in shapes.items()}


def _outputs_as_paddle(state: Mapping[str, Any], images: Any) -> Any:
    """Return what the course's fully connected network gives, by Paddle's x @ weight + bias."""
    values = images.reshape(len(images), -1)
    for name in ("fc1", "fc2", "fc3"):
        values = values @ state[f"{name}.weight"] + state[f"{name}.bias"]
        values = values if name == "fc3" else 1 / (1 + np.exp(-values))
    return values


def test_a_weight_of_linear_is_turned_even_where_it_is_square() -> None:
    state = _state(MLP)
    network = networks.build("mlp", 10, seed=1)
    weights, origins = fitted(network, state, {})
    network.load_state_dict(weights)
    assert origins["3.weight"] == "fc2.weight"
    images = np.random.default_rng(2).random((5, 1, 28, 28), np.float32)
    given = network(torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(given, _outputs_as_paddle(state, images), atol=1e-5)


def test_a_convolution_stays_as_it_is() -> None:
    weights, _ = fitted(networks.build("cnn", 10, seed=1), _state(CNN), {})
    np.testing.assert_array_equal(weights["3.weight"].numpy(), _state(CNN)["conv2.weight"])


def test_layers_of_one_shape_are_told_apart_by_the_numbers_of_paddle() -> None:
    # Python 2 kept no order in a dict.
    state = _state(MLP)
    shuffled = {name: state[name] for name in sorted(state, reverse=True)}
    table = {f"fc{n + 1}.{k}": f"linear_{n}.{k[0]}_0" for n in range(3) for k in ("weight", "bias")}
    _, origins = fitted(networks.build("mlp", 10, seed=1), shuffled, table)
    assert [origins[f"{n}.weight"] for n in (1, 3, 5)] == ["fc1.weight", "fc2.weight", "fc3.weight"]


def test_paddles_own_names_and_those_of_1_6_do_as_well() -> None:
    state = list(_state(CNN).values())
    own = ("conv2d_0.w_0", "conv2d_0.b_0", "conv2d_1.w_0", "conv2d_1.b_0", "fc_0.w_0", "fc_0.b_0")
    old = [f"conv{n}.{name}" for n in (1, 2) for name in ("_filter_param", "_bias_param")]
    for names in (own, (*old, "fc._w0", "fc._b")):
        _, origins = fitted(networks.build("cnn", 10, 1), dict(zip(names, state, strict=True)), {})
        assert tuple(origins.values()) == names


class Normed(nn.Module):
    """The network of tests/paddle/data."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.fc = nn.Linear(8, 3)


@pytest.mark.parametrize("name", ["state-2.pdparams", "nested-4.pdparams"])
def test_running_statistics_are_found(name: str) -> None:
    state = load(DATA / name)
    state = state.get("model", state)
    weights, _ = fitted(Normed(), state, {})
    Normed().load_state_dict(weights)
    np.testing.assert_array_equal(weights["norm.running_var"].numpy(), state["norm._variance"])
    arrays, own_names, _ = named(Normed())
    assert {name: array.shape for name, array in arrays.items()} == {
        name: array.shape for name, array in state.items()
    }
    assert own_names["norm._variance"] == "batch_norm2d_0.w_2"


def test_halves_are_widened() -> None:
    state = _state(CNN)
    bits = state["fc.weight"].view(np.uint32) >> 16
    half = {**state, "fc.weight": bits.astype(np.uint16), "fc.bias": state["fc.bias"].astype("f2")}
    weights, _ = fitted(networks.build("cnn", 10, seed=1), half, {})
    np.testing.assert_allclose(weights["7.weight"].t(), state["fc.weight"], rtol=2**-7)
    assert weights["7.bias"].dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fc.weight": np.zeros((10, 980), np.float32)}, r"nearest is fc\.weight \[10, 980\]"),
        ({"fc.weight": None}, r"no layer for the network's 7 \(Linear: weight \[980, 10\]"),
        ({"fc2.bias": np.zeros(3, np.float32)}, r"has fc2\.bias \[3\] besides"),
        ({"fc.bias": np.zeros(10, np.int64)}, r"fc\.bias is int64"),
        ({"fc.bias": np.full(10, np.nan, np.float32)}, r"fc\.bias holds what is not finite"),
        ({"fc.bias": np.full(10, 1e300)}, r"fc\.bias holds what is not finite"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(DoesNotFitError, match=reason):
        fitted(networks.build("cnn", 10, seed=1), {**_state(CNN), **change}, {})


def test_what_would_fit_is_said(command: Command, tmp_path: Path) -> None:
    save({"model": _state(CNN)}, tmp_path / "a.pdparams")
    give = ("paddle", "import", tmp_path / "a.pdparams", "--run-dir", tmp_path / "run")
    line = mistake(command(*give, "--network", "cnn", "--objective", "square-error"))
    assert line.endswith("; it fits --network cnn --objective cross-entropy")
    assert "a.pdparams: " in line
    save({"a": np.zeros(3)}, tmp_path / "a.pdparams")
    assert mistake(command(*give, "--network", "mlp")).endswith("it has a [3]")
    save({"a": 1}, tmp_path / "a.pdparams")
    assert mistake(command(*give, "--network", "mlp")).endswith("holds no arrays")
    assert not (tmp_path / "run").exists()


def test_a_run_goes_to_paddle_and_back(
    command: Command, whole: Path, small_data: Path, tmp_path: Path
) -> None:
    network = json.loads((whole / "model.json").read_text())["network"]
    for format in (1, 2):
        file, run = tmp_path / "a.pdparams", tmp_path / f"run-{format}"
        done = command("paddle", "export", whole, "--to", file, "--format", format, "--json")
        assert json.loads(done.stdout)["shapes"].keys() == load(file).keys()
        give = ("--network", network, "--data", small_data, "--run-dir", run, "--json")
        made = json.loads(command("paddle", "import", file, *give).stdout)
        assert made["path"] == str(run)
        for name in ("model.safetensors",):
            assert (run / name).read_bytes() == (whole / name).read_bytes()
        before, after = digitlab.evaluate(whole, small_data), digitlab.evaluate(run)
        assert after.evaluation.accuracy == before.evaluation.accuracy == made["test_accuracy"]


def test_what_is_imported_is_a_run(command: Command, small_data: Path, tmp_path: Path) -> None:
    file, run = tmp_path / "lesson.pdparams", tmp_path / "run"
    save(_state(CNN), file)
    give = ("--data", small_data, "--run-dir", run)
    done = command("paddle", "import", file, "--network", "cnn", *give)
    assert done.returncode == 0
    assert "conv1.weight → 0.weight" in done.stdout
    assert "it hardly reads digits" in done.stderr
    assert command("paddle", "import", file, "--network", "cnn", *give).returncode == 2
    assert json.loads((run / "summary.json").read_text())["calibrated_on"] == "validation images"
    listed = command("runs", tmp_path, "--json").stdout.splitlines()
    assert json.loads(listed[0])["state"] == "finished"
    assert digitlab.export(run, tmp_path / "a.onnx").path
    onwards = digitlab.train(
        network="cnn", start_from=run, data=str(small_data), epochs=0.1, run_dir=tmp_path / "on"
    )
    assert onwards.summary["steps"] > 0
    again = digitlab.train(resume=run)
    assert again.summary["steps"] == 0


def test_square_error_has_one_output(small_data: Path, tmp_path: Path) -> None:
    shapes = {**CNN, "fc.weight": (980, 1), "fc.bias": (1,)}
    save(_state(shapes), tmp_path / "a.pdparams")
    made = import_parameters(
        tmp_path / "a.pdparams", "cnn", "square-error", [str(small_data)], tmp_path / "run"
    )
    assert digitlab.Recogniser(made.path).model.output == "value"


def test_a_box_beside_the_digit_goes_to_paddle_and_back(
    command: Command, small_data: Path, tmp_path: Path
) -> None:
    file, run, back = tmp_path / "a.pdparams", tmp_path / "run", tmp_path / "back"
    digitlab.train("two-heads", data=str(small_data), epochs=0.1, run_dir=run, reporter=None)
    assert command("paddle", "export", run, "--to", file).returncode == 0
    give = ("--network", "two-heads", "--data", small_data, "--run-dir", back)
    assert "it goes with" in mistake(command("paddle", "import", file, *give))
    box = ("--objective", "cross-entropy-and-box")
    assert command("paddle", "import", file, *give, *box).returncode == 0
    before, after = (json.loads((one / "summary.json").read_text()) for one in (run, back))
    assert after["weights_sha256"] == before["weights_sha256"]
    for figure in ("test_accuracy", "test_mean_iou", "valid_mean_iou"):
        assert after[figure] == pytest.approx(before[figure], rel=1e-3)
    assert digitlab.Recogniser(back).boxes(np.zeros((1, 28, 28), np.uint8)).shape == (1, 4)


def test_mistakes_of_the_command_are_one_line(
    command: Command, whole: Path, tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere"
    save(_state(CNN), tmp_path / "a.pdparams")
    give = ("paddle", "import", tmp_path / "a.pdparams", "--network")
    assert "there is no such network" in mistake(command(*give, "resnet"))
    assert mistake(command(*give, "cn")).endswith("; did you mean cnn?")
    line = mistake(command(*give, "cnn", "--objective", "mse"))
    assert "no such objective" in line
    assert line.endswith("; did you mean square-error?")
    assert "there is no such file" in mistake(
        command("paddle", "import", nowhere, *give[3:], "cnn")
    )
    export = ("paddle", "export", whole, "--to")
    assert "no such run" in mistake(command("paddle", "export", nowhere, "--to", "a.pdparams"))
    assert "is a folder" in mistake(command(*export, tmp_path))
    assert "no format 3" in mistake(command(*export, tmp_path / "b", "--format", "3"))
    assert "not cnn" in mistake(command(*export, tmp_path / "b", "--network", "cnn"))


def test_a_damaged_run_is_not_exported(command: Command, whole: Path, tmp_path: Path) -> None:
    for name in ("config.toml", "model.json", "model.safetensors"):
        content = (whole / name).read_bytes()
        changed = content[:-1] + bytes([content[-1] ^ 1]) if name.endswith("s") else content
        (tmp_path / name).write_bytes(changed)
    line = mistake(command("paddle", "export", tmp_path, "--to", tmp_path / "a.pdparams"))
    assert line.endswith("cannot export it: model.safetensors is damaged")
    assert not (tmp_path / "a.pdparams").exists()


def test_code_of_a_users_own_runs_only_where_it_is_named(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    (tmp_path / "own_network.py").write_text(
        "from torch import nn\n"
        "class Small(nn.Sequential):\n"
        "    def __init__(self, outputs):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(784, outputs))\n"
    )
    monkeypatch.chdir(tmp_path)
    save(_state({"fc.weight": (784, 10), "fc.bias": (10,)}), "a.pdparams")
    own = "own_network:Small"
    made = import_parameters("a.pdparams", own, data=[str(small_data)], run_dir="run")
    line = mistake(command("paddle", "export", made.path, "--to", "b.pdparams"))
    assert f"give --network {own}" in line
    assert (
        command("paddle", "export", made.path, "--to", "b.pdparams", "--network", own).returncode
        == 0
    )
    np.testing.assert_array_equal(load("a.pdparams")["fc.weight"], load("b.pdparams")["fc.weight"])
    with pytest.raises(ModelError, match="is a folder"):
        import_parameters(tmp_path, own)
