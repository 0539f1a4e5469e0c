"""The errors that a user can cause; the command line prints each as one line.

Every message says what is wrong, where, what was expected and, where there is one, what to try.
Anything that is not a `DigitlabError` is a bug of ours and keeps its traceback.
"""

from collections.abc import Iterable
from importlib.util import find_spec


class DigitlabError(Exception):
    """Base of all errors that a user's input, files or machine can cause (exit status 2)."""


class ConfigError(DigitlabError):
    """A recipe, flag or value that is not allowed; names the key and what is."""


class DataError(DigitlabError):
    """A data source that cannot be read; names the file and what is wrong with it."""


class PictureError(DigitlabError):
    """A picture that cannot be read.

    Attributes:
        code: a stable word for programs.
        page: from 1 where it is a page of a document; else None.
    """

    def __init__(self, message: str, code: str = "not-a-picture", page: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.page = page


class PagesWarning(UserWarning):
    """A file has pages that are not read; names it, and says how many there are."""


class CalibrationWarning(UserWarning):
    """A number to refuse by is given to a model that was not calibrated on photographs."""


class ModelError(DigitlabError):
    """A model file that is missing, damaged or not one of ours."""


class RunError(DigitlabError):
    """A run folder that is missing, damaged, in use or not fit for what was asked."""


class TrainingError(DigitlabError):
    """Training that cannot go on, such as a loss that stays not finite."""


class MissingExtraError(DigitlabError):
    """A command that needs a part of digitlab that is not installed; says what to install."""


_TRAIN_EXTRA = ("torch", "safetensors", "onnx", "matplotlib", "tensorboard", "jinja2")


def check_training_extra() -> None:
    """Say before long work what is missing of what training needs.

    Raises:
        MissingExtraError: names the first, and what to install.
    """
    check_installed("training", _TRAIN_EXTRA)


def check_installed(what: str, packages: Iterable[str]) -> None:
    """Check that packages of the extra `train` are there, without importing them.

    Raises:
        MissingExtraError: says what needs the first that is missing, and what to install.
    """
    for name in packages:
        try:
            found = find_spec(name) is not None
        except ModuleNotFoundError:
            found = False
        if not found:
            raise MissingExtraError(
                f"{what} needs {name}, which is not installed; pip install 'digitlab[train]'"
            )
