# ruff: noqa: SIM115  # as lessons open files
from __future__ import annotations

import builtins
import gzip
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from digitlab.data import load_dataset
from digitlab.paddle import course_lists
from digitlab.paddle.mending import mended


@pytest.fixture(autouse=True)
def _no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")


def test_names_that_numpy_and_pillow_had_are_back_and_go_again() -> None:
    names = ("float", "int", "object", "float_", "asscalar", "in1d", "NaN", "product")
    gone = [name for name in names if name not in vars(np)]
    assert {"float", "int", "object"} <= set(gone)
    boolean = np.bool
    with mended():
        assert np.zeros(2, np.float).dtype == np.float64  # type: ignore[attr-defined]
        assert np.zeros(2, np.int).dtype == np.int64  # type: ignore[attr-defined]
        assert np.asscalar(np.array([3])) == 3  # type: ignore[attr-defined]
        assert np.in1d([1, 2], [2]).tolist() == [False, True]  # type: ignore[attr-defined]
        assert np.bool is boolean  # there is one
        picture = Image.new("L", (9, 9)).resize((28, 28), Image.ANTIALIAS)  # type: ignore[attr-defined]
        assert picture.size == (28, 28)
    assert [name for name in gone if name in vars(np)] == []
    assert not hasattr(Image, "ANTIALIAS")


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("folder", ["./work", "data/1", "/home/aistudio/work", "."])
def test_the_courses_data_are_there_where_the_lesson_looks(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = course_lists.embedded_lists()
    path = f"{folder}/mnist.json.gz"
    with mended():
        with gzip.open(path) as file:
            assert json.load(file) == lists
        assert json.load(gzip.open(path, "rt", encoding="utf-8")) == lists
        assert json.loads(gzip.open(path, "rb").read()) == lists
        assert json.loads(gzip.open(Path(path)).read().decode()) == lists
        assert json.load(gzip.GzipFile(path)) == lists
        with open(path, "rb") as file:
            assert json.loads(gzip.decompress(file.read())) == lists
        with open(f"{folder}/mnist.json") as file:
            assert json.load(file) == lists
        with open(f"{folder}/mnist.json", "rb") as file:
            assert json.load(file) == lists
        assert json.loads(Path(f"{folder}/mnist.json").read_text()) == lists
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"digitlab: {path} is not there; the embedded MNIST is read instead"
    assert len(told) == len({*told}) <= 4  # once for each way of writing the path
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.usefixtures("few_digits")
def test_a_file_that_is_there_is_the_lessons_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mnist.json.gz").write_bytes(gzip.compress(b"[[[[0.5], [1]], [2]]]"))
    Image.new("L", (5, 7), 9).save(tmp_path / "example_0.png")
    with mended():
        assert json.load(gzip.open("mnist.json.gz")) == [[[[0.5], [1]], [2]]]
        assert Image.open("example_0.png").size == (5, 7)
        assert cv2.imread("example_0.png").shape == (7, 5, 3)
    assert capsys.readouterr().err == ""


def test_what_is_not_there_otherwise_is_an_error_as_ever() -> None:
    with mended():
        for path in ("work/other.json.gz", "example_10.jpg", "example.jpg"):
            with pytest.raises(FileNotFoundError):
                open(path)
            with pytest.raises(FileNotFoundError):
                gzip.open(path)
        with pytest.raises(FileNotFoundError):
            open("nowhere/mnist.json.gz", "wb")
        with pytest.raises(FileNotFoundError):
            gzip.open("nowhere/mnist.json.gz", "wb")
        assert cv2.imread("nowhere.jpg") is None
        with gzip.open("mnist.json.gz", "wb") as file:
            file.write(b"[1]")
        assert json.load(gzip.open("mnist.json.gz")) == [1]


@pytest.mark.parametrize("name", ["example_0.jpg", "example_7.png", "infer_3.png"])
def test_a_picture_of_the_course_is_a_digit_in_dark_ink_on_white(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import matplotlib.pyplot as plt

    digit = int(name.partition("_")[2][0])
    with mended():
        opened = Image.open(f"./work/{name}")
        pixels = np.array(opened.convert("L")).astype(int)
        assert cv2.imread(f"./work/{name}").shape == (28, 28, 3)
        assert plt.imread(f"work/{name}").shape[:2] == (28, 28)
        with open(f"./work/{name}", "rb") as file:
            assert file.read() == Path(opened.filename).read_bytes()
    test = load_dataset("mnist").splits["test"]
    alike = test.labels[np.argmin(((255 - test.images.astype(int) - pixels) ** 2).sum(axis=(1, 2)))]
    assert alike == digit
    assert pixels[0, 0] > 240
    told = capsys.readouterr().err.splitlines()
    assert told[0] == (
        f"digitlab: ./work/{name} is not there; a {digit} of the embedded test images is read "
        "instead"
    )
    assert list(Path.cwd().iterdir()) == []


def test_idx_files_of_mnist_are_there_too() -> None:
    with mended(), gzip.open("MNIST/raw/t10k-labels-idx1-ubyte.gz") as file:
        content = file.read()
    labels = np.frombuffer(content[8:], np.uint8)
    assert np.array_equal(labels, load_dataset("mnist").splits["test"].labels)


@pytest.fixture
def figures() -> Iterator[None]:
    import matplotlib
    import matplotlib.pyplot as plt

    before = matplotlib.get_backend()
    matplotlib.use("agg")
    yield
    plt.close("all")
    matplotlib.use(before)


@pytest.mark.usefixtures("figures")
def test_what_would_be_shown_is_saved_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import matplotlib
    import matplotlib.pyplot as plt

    with mended(tmp_path / "shown"):
        matplotlib.use("TkAgg")
        for _ in range(2):
            plt.figure()
            plt.plot([1, 2])
        plt.pause(0.01)
        plt.show()
        plt.show()  # nothing is left to be shown
        plt.figure().show()
        plt.show(block=False)
        assert plt.get_fignums() != []
        Image.new("L", (5, 7)).show()
        Image.new("L", (5, 7)).show(title="x", command="y")
        cv2.namedWindow("x")
        cv2.imshow("x", np.zeros([4, 6], np.uint8))
        assert cv2.waitKey(0) == -1
        cv2.destroyAllWindows()
    told = capsys.readouterr().err.splitlines()
    by = [line.split()[1] for line in told]
    assert by == [
        *["plt.show()"] * 2, "Figure.show()", "plt.show()", *["Image.show()"] * 2, "cv2.imshow()"
    ]  # fmt: skip
    saved = [Path(line.rpartition(" saved as ")[2]) for line in told]
    assert saved == [tmp_path / "shown" / f"{number}.png" for number in range(1, 8)]
    assert [Image.open(path).size for path in saved[-3:]] == [(5, 7), (5, 7), (6, 4)]
    assert all(Image.open(path).format == "PNG" for path in saved)


def test_without_a_folder_pictures_go_beside_other_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with mended():
        Image.new("L", (5, 7)).show()
    (saved,) = folder.glob("*/*.png")
    assert str(saved) in capsys.readouterr().err
    assert [path for path in tmp_path.iterdir() if path != folder] == []


@pytest.mark.usefixtures("figures")
def test_with_a_screen_they_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(Image.Image, "show", lambda image: shown.append(image))
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt))
    with mended():
        image = Image.new("L", (5, 7))
        image.show()
        figure = plt.figure()
        monkeypatch.setattr(type(figure.canvas), "required_interactive_framework", "qt")
        plt.show()
    assert shown == [image, plt]


def test_nothing_is_left_of_the_mending() -> None:
    before = builtins.open, io.open, gzip.open, json.load, json.loads, cv2.imread, Image.Image.show
    with mended():
        assert builtins.open is not before[0]
    assert before == (
        builtins.open, io.open, gzip.open, json.load, json.loads, cv2.imread, Image.Image.show
    )  # fmt: skip
