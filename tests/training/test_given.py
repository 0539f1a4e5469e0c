"""What `digitlab.train` is handed over itself: data in memory, and a network's class."""

from __future__ import annotations

import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

import digitlab
from commands import Command, mistake
from digitlab import ConfigError, DataError, Dataset, Interrupted, RunError, Workers, load_dataset
from digitlab.events import Event
from digitlab.recipe_files import load_recipe, read_recorded
from digitlab.training.given import check_for_workers


class Own(nn.Module):
    """A network of the user's own."""

    def __init__(self, outputs: int, hidden: int = 0) -> None:
        super().__init__()
        sizes = [784, hidden, outputs] if hidden else [784, outputs]
        self.layers = nn.Sequential(
            nn.Flatten(), *(nn.Linear(before, after) for before, after in pairwise(sizes))
        )

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.layers(images)
        return result


def stop_soon(event: Event) -> None:
    if event.kind == "step" and event.facts["step"] == 3:
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def dataset(small_data: Path) -> Dataset:
    return load_dataset(small_data)


def weights(run: Path) -> Any:
    return read_recorded(run / "config.toml")["start_sha256"], (
        run / "model.safetensors"
    ).read_bytes()


def test_data_in_memory_train_as_their_file_does(
    small_recipe: Path, whole: Path, dataset: Dataset
) -> None:
    parts = [(part.images, part.labels) for part in dataset.splits.values()]
    for name, data in (("dataset", dataset), ("arrays", tuple(parts))):
        run = digitlab.train(small_recipe, data=data, run_dir=name)
        assert weights(run.path) == weights(whole)
    assert load_recipe("arrays/config.toml").data.sources == ("memory:arrays",)
    named = f"memory:{dataset.source}"
    assert load_recipe("dataset/config.toml").data.sources == (named,)


def test_a_run_of_data_in_memory_goes_on_with_the_same_data_alone(
    small_recipe: Path, small_data: Path, whole: Path, dataset: Dataset
) -> None:
    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, data=dataset, run_dir="run", reporter=stop_soon)
    with pytest.raises(DataError, match=r"memory:.*handed over in memory.*data=") as caught:
        digitlab.train(resume="run")
    assert "\n" not in str(caught.value)
    others = {name: part for name, part in dataset.splits.items() if name != "test"}
    with pytest.raises(RunError, match="the data are not those that the run began with"):
        digitlab.train(resume="run", data=Dataset(dataset.source, others))
    digitlab.train(resume="run", data=dataset)
    assert weights(Path("run")) == weights(whole)
    again = digitlab.train("run/config.toml", data=str(small_data), run_dir="again")
    assert weights(again.path) == weights(whole)


def test_data_in_memory_stand_beside_named_ones(
    small_recipe: Path, small_data: Path, dataset: Dataset
) -> None:
    split = dataset.splits["train"]
    pair = (split.images[:90], split.labels[:90])
    run = digitlab.train(
        small_recipe, data=[small_data, pair, pair], epochs=0.1, run_dir="run", train_on="all"
    )
    assert [one["source"] for one in run.summary["sources"]] == [
        str(small_data),
        "memory:arrays",
        "memory:arrays-2",
    ]


def test_what_is_evaluated_may_be_in_memory(whole: Path, dataset: Dataset) -> None:
    run = digitlab.RunResult(whole, {})
    expected = digitlab.evaluate(whole)
    split = dataset.splits["test"]
    for data in (dataset, (split.images, split.labels), (split.images / 255, split.labels)):
        found = digitlab.evaluate(run, data=data)
        assert found.evaluation.to_json() == expected.evaluation.to_json()
        assert found.split == "test"
    with pytest.raises(DataError, match="holds no images"):
        digitlab.evaluate(run, data=(split.images[:0], split.labels[:0]))


def test_a_run_stands_where_its_path_may_stand(small_recipe: Path) -> None:
    run = digitlab.train(small_recipe, epochs=0.1, run_dir="run")
    assert digitlab.Recogniser(run).model.path == Path("run/model.onnx")
    assert digitlab.train(resume=run).summary == run.summary
    assert digitlab.train(small_recipe, start_from=run, epochs=0.1, run_dir="b").path == Path("b")
    assert Path(digitlab.export(run, "copy.onnx").path).is_file()


def test_a_class_trains_as_its_name_does(small_recipe: Path) -> None:
    name = f"{__name__}:Own"
    by_name = digitlab.train(small_recipe, network=name, epochs=0.2, run_dir="name")
    by_class = digitlab.train(small_recipe, network=Own, epochs=0.2, run_dir="class")
    assert weights(by_name.path) == weights(by_class.path)
    ours, theirs = (Path(run, "config.toml").read_text() for run in ("name", "class"))
    assert ours == theirs
    assert read_recorded(Path("class/config.toml"))["network_flag"] == name


def test_a_class_of_a_notebook_is_given_again_to_go_on(
    small_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Notebook(Own):
        pass

    monkeypatch.setattr(Notebook, "__module__", "__main__")
    whole = digitlab.train(small_recipe, network=Notebook, run_dir="whole")
    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, network=Notebook, run_dir="run", reporter=stop_soon)
    with pytest.raises(ConfigError, match=r"__main__:Notebook.*network=Notebook, in Python"):
        digitlab.train(resume="run")
    with pytest.raises(ConfigError, match="is not the one of run; expected"):
        digitlab.train(resume="run", network=Own)
    digitlab.train(resume="run", network=Notebook)
    assert weights(Path("run")) == weights(whole.path)


def test_a_class_that_was_changed_since_is_one_line(small_recipe: Path) -> None:
    with pytest.raises(Interrupted):
        digitlab.train(small_recipe, network=Own, run_dir="run", reporter=stop_soon)

    class Changed(Own):
        def __init__(self, outputs: int) -> None:
            super().__init__(outputs, hidden=5)

    Changed.__name__ = "Own"
    with pytest.raises(digitlab.DigitlabError, match="network") as caught:
        digitlab.train(resume="run", network=Changed)
    assert "\n" not in str(caught.value)


def test_a_function_that_makes_a_network_is_taken(small_recipe: Path) -> None:
    def narrow(outputs: int) -> nn.Module:
        return Own(outputs, hidden=3)

    run = digitlab.train(small_recipe, network=narrow, epochs=0.1, run_dir="run")
    assert run.summary["parameters"] == 784 * 3 + 3 + 3 * 10 + 10


class Wrong(Own):
    def forward(self, images: Tensor) -> Tensor:
        return images.view(3, 3)


def test_what_a_network_raises_is_one_line_and_for_python_its_cause(
    small_recipe: Path, command: Command
) -> None:
    line = Wrong.forward.__code__.co_firstlineno + 1
    with pytest.raises(
        ConfigError, match=rf"Wrong: its forward fails, in .*, line {line}: "
    ) as one:
        digitlab.train(small_recipe, network=Wrong, run_dir="run")
    assert isinstance(one.value.__cause__, RuntimeError)
    done = command(
        "train", "--recipe", small_recipe, "--network", f"{__name__}:Wrong", "--run-dir", "run"
    )
    assert mistake(done) == f"digitlab: {one.value}"
    assert not Path("run").exists()


@pytest.mark.parametrize("network", [Own(10), lambda outputs: Own(outputs), 3, nn.Sequential()])
def test_what_makes_no_network_is_a_type_error(small_recipe: Path, network: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a name, or a class or function .*outputs=N"):
        digitlab.train(small_recipe, network=network)


def test_workers_are_refused_a_class_that_they_cannot_import(
    small_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Inner(Own):
        pass

    check_for_workers(Own)
    check_for_workers(None)
    for network in (Inner, type("Own", (Own,), {"__module__": __name__})):
        with pytest.raises(ConfigError, match=r"workers are others: write it into a file"):
            digitlab.train(small_recipe, network=network, workers=Workers(2), run_dir="run")
    monkeypatch.setattr(Own, "__module__", "__main__")
    with pytest.raises(ConfigError, match="workers are others"):
        check_for_workers(Own)
    assert not Path("run").exists()


@pytest.mark.process
def test_workers_get_data_in_memory_and_an_importable_class(
    small_recipe: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("own_of_workers.py").write_text(
        "from torch import nn\n"
        "class Softmax(nn.Sequential):\n"
        "    def __init__(self, outputs):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(784, outputs))\n"
    )
    monkeypatch.syspath_prepend(str(Path.cwd()))
    import own_of_workers  # type: ignore[import-not-found]

    options: dict[str, Any] = {"network": own_of_workers.Softmax, "data": dataset, "epochs": 0.2}
    alone = digitlab.train(small_recipe, run_dir="alone", **options)
    two = digitlab.train(small_recipe, run_dir="two", workers=2, **options)
    assert weights(two.path) == weights(alone.path)
    ours, theirs = (Path(run, "config.toml").read_text() for run in ("alone", "two"))
    assert ours == theirs.replace("workers = 2", "workers = 1")
