"""What else breaks in old lessons on today's libraries, mended while one runs.

Names that NumPy and Pillow had; files of the course that are not there; pictures that would be
shown on a screen where there is none.
"""

from __future__ import annotations

import builtins
import gzip
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from digitlab.errors import ConfigError
from digitlab.paddle import course_lists
from digitlab.paddle.notices import tell
from digitlab.paddle.patches import Patches

# What NumPy had before 1.24 and before 2, and what does the same.
_NUMPY: dict[str, Any] = {
    "bool": bool, "int": int, "float": float, "complex": complex, "object": object, "str": str,
    "long": int, "unicode": str,
    "bool8": np.bool_, "int0": np.intp, "uint0": np.uintp, "float_": np.float64,
    "complex_": np.complex128, "string_": np.bytes_, "unicode_": np.str_,
    "NaN": np.nan, "Inf": np.inf, "Infinity": np.inf, "infty": np.inf,
    "alltrue": np.all, "sometrue": np.any, "product": np.prod, "cumproduct": np.cumprod,
    "round_": np.round, "row_stack": np.vstack,
    "in1d": lambda one, two, **options: np.isin(np.ravel(one), two, **options),
    "trapz": getattr(np, "trapezoid", None) or getattr(np, "trapz", None),
    "asscalar": lambda array: array.item(),
    "asfarray": lambda array, dtype=np.float64: np.asarray(array, dtype),
}  # fmt: skip
# What Pillow had before 10.
_PILLOW = {
    "ANTIALIAS": Image.Resampling.LANCZOS,
    "CUBIC": Image.Resampling.BICUBIC,
    "LINEAR": Image.Resampling.BILINEAR,
}
_MNIST = ("mnist.json", "mnist.json.gz")
_IDX = re.compile(r"(?:train|t10k)-(?:images-idx3|labels-idx1)-ubyte\.gz")
_PICTURE = re.compile(r"(?:example|infer)_([0-9])\.(?:jpe?g|png|bmp)", re.I)
_READS = ("r", "rb", "rt")


@contextmanager
def mended(pictures: Path | None = None) -> Iterator[None]:
    """Mend what an old lesson uses of Python's and others' modules, in this process.

    Args:
        pictures: the folder of what would be shown; if not given, one beside all other temporary
            ones. The folder of the lesson is its own.
    """
    with Patches() as patches:
        for name, value in _NUMPY.items():
            if name not in vars(np):
                patches.set(np, name, value)
        for name, value in _PILLOW.items():
            if name not in vars(Image):
                patches.set(Image, name, value)
        temporary = patches.enter_context(tempfile.TemporaryDirectory(prefix="digitlab-lesson-"))
        _mend_files(patches, _StandIns(Path(temporary)))
        _mend_screens(patches, _Shown(pictures))
        yield


class _StandIns:
    """Files of the course that the embedded data can replace, known by their names alone.

    Their folder is another wherever the course was taught: `work`, `data`, a home's.
    """

    def __init__(self, folder: Path) -> None:
        """Make what has to be made in a folder."""
        self._folder = folder
        self._told: set[str] = set()

    def is_course(self, path: Any) -> bool:
        """Return whether a path is the course's data, and there is no such file."""
        return _name(path) in _MNIST and not os.path.exists(path)

    def path(self, path: Any) -> Path | None:
        """Return the path of what replaces a file that is not there; None where nothing does."""
        name = _name(path)
        if _IDX.fullmatch(name):
            found = Path(str(files("digitlab.data").joinpath("mnist", name)))
            self._tell(path, "the embedded MNIST is read instead")
            return found
        made = self._folder / name
        if digit := _PICTURE.fullmatch(name):
            number = int(digit[1])
            self._tell(path, f"a {number} of the embedded test images is read instead")
            if not made.exists():
                Image.fromarray(course_lists.digit_picture(number)).save(made, quality=95)
            return made
        if name == "mnist.json.gz":  # who opens it by `open` wants its bytes as they would be
            self._tell(path, "the embedded MNIST is read instead")
            if not made.exists():
                with gzip.open(made, "wb", compresslevel=1) as file:
                    file.writelines(course_lists.course_text())
            return made
        return None

    def course(self, path: Any, mode: str, options: dict[str, Any]) -> Any:
        """Return a file with the text of the course's data."""
        self._tell(path, "the embedded MNIST is read instead")
        file = io.BufferedReader(course_lists.CourseFile(os.fsdecode(path)))
        return file if "b" in mode else io.TextIOWrapper(file, **options)

    def _tell(self, path: Any, line: str) -> None:
        shown = os.fsdecode(path)
        if shown not in self._told:
            self._told.add(shown)
            tell(f"{shown} is not there; {line}")


def _name(path: Any) -> str:
    """Return the last part of a path, whichever system's; "" for what is no path."""
    if not isinstance(path, str | bytes | os.PathLike):
        return ""
    return os.fsdecode(path).replace("\\", "/").rpartition("/")[2]


def _mend_files(patches: Patches, stand_ins: _StandIns) -> None:
    """Have the course's files be there, and its lists be small."""
    real_open, real_gzip = io.open, gzip.open

    def open_file(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        try:
            return real_open(file, mode, *arguments, **options)
        except FileNotFoundError:
            if mode not in _READS:
                raise
            if _name(file) == "mnist.json":
                return stand_ins.course(file, "b" if "b" in mode else "t", {})
            if (found := stand_ins.path(file)) is None:
                raise
        return real_open(found, mode, *arguments, **options)

    def open_gzip(
        filename: Any, mode: str = "rb", compresslevel: int = 9, *text: Any, **options: Any
    ) -> Any:
        if mode in _READS and stand_ins.is_course(filename):
            names = dict(zip(("encoding", "errors", "newline"), text, strict=False))
            return stand_ins.course(filename, "t" if "t" in mode else "b", {**names, **options})
        return real_gzip(filename, mode, compresslevel, *text, **options)

    patches.set(builtins, "open", open_file)
    patches.set(io, "open", open_file)
    patches.set(gzip, "open", open_gzip)
    patches.set(json, "load", course_lists.load)
    patches.set(json, "loads", course_lists.loads)

    def mend_cv2(cv2: Any) -> None:
        real = cv2.imread

        def imread(filename: Any, *arguments: Any, **options: Any) -> Any:
            found = None if os.path.exists(filename) else stand_ins.path(filename)
            return real(filename if found is None else str(found), *arguments, **options)

        patches.set(cv2, "imread", imread)

    patches.after_import("cv2", mend_cv2)


class _Shown:
    """The pictures that would be shown on a screen, as files."""

    def __init__(self, folder: Path | None) -> None:
        """Put them into a folder, which is made once there is one."""
        self._folder = folder
        self._count = 0

    def save(self, by: str, write: Callable[[Path], Any]) -> None:
        """Have a picture written, and say where."""
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="digitlab-shown-"))
            self._folder.mkdir(parents=True, exist_ok=True)
            self._count += 1
            path = self._folder / f"{self._count}.png"
            write(path)
        except OSError as error:
            raise ConfigError(
                f"{error.filename or self._folder}: cannot be written: {error.strerror}"
            ) from None
        tell(f"{by} has no screen here; the picture is saved as {path}")


def has_screen() -> bool:
    """Return whether windows can be opened, as far as the environment tells."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _mend_screens(patches: Patches, shown: _Shown) -> None:
    """Have what would be shown saved where there is no screen."""

    def mend_pyplot(plt: Any) -> None:
        real_show, real_pause = plt.show, plt.pause

        def show(*arguments: Any, **options: Any) -> None:
            figures = [plt.figure(number) for number in plt.get_fignums()]
            if any(map(_has_window, figures)):
                real_show(*arguments, **options)
                return
            for figure in figures:
                shown.save("plt.show()", figure.savefig)
            if options.get("block", True) is not False:  # else as if all windows were closed
                plt.close("all")

        def pause(interval: float) -> None:
            if any(_has_window(plt.figure(number)) for number in plt.get_fignums()):
                real_pause(interval)

        patches.set(plt, "show", show)
        patches.set(plt, "pause", pause)

    def mend_figure(figure: Any) -> None:
        real = figure.Figure.show

        def show(self: Any, *arguments: Any, **options: Any) -> None:
            if _has_window(self):
                real(self, *arguments, **options)
            else:
                shown.save("Figure.show()", self.savefig)

        patches.set(figure.Figure, "show", show)

    def mend_matplotlib(matplotlib: Any) -> None:
        real = matplotlib.use

        def use(backend: str, **options: Any) -> None:
            real(backend if has_screen() or not _opens_windows(backend) else "agg", **options)

        patches.set(matplotlib, "use", use)

    def mend_cv2(cv2: Any) -> None:
        def imshow(name: str, picture: Any) -> None:
            shown.save("cv2.imshow()", lambda path: cv2.imwrite(str(path), picture))

        patches.set(cv2, "imshow", imshow)
        patches.set(cv2, "waitKey", lambda delay=0: -1)
        for name in ("namedWindow", "destroyWindow", "destroyAllWindows"):
            patches.set(cv2, name, lambda *arguments, **options: None)

    patches.after_import("matplotlib.pyplot", mend_pyplot)
    patches.after_import("matplotlib.figure", mend_figure)
    patches.after_import("matplotlib", mend_matplotlib)
    if not has_screen():
        patches.after_import("cv2", mend_cv2)

        def show_image(image: Image.Image, *arguments: Any, **options: Any) -> None:
            shown.save("Image.show()", image.save)

        patches.set(Image.Image, "show", show_image)


def _has_window(figure: Any) -> bool:
    """Return whether a figure of matplotlib is drawn by what opens windows."""
    return getattr(figure.canvas, "required_interactive_framework", None) is not None


def _opens_windows(backend: str) -> bool:
    from matplotlib.backends import registry

    kind: Any = registry.BackendFilter.INTERACTIVE
    names: list[str] = registry.backend_registry.list_builtin(kind)  # type: ignore[no-untyped-call]
    return backend.lower() in {name.lower() for name in names}
