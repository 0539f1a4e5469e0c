"""The model file: ONNX with a seal, and what its inputs, outputs and properties must be.

Used by the recogniser, which loads it, and by whatever writes model files, which seals them. The
contract stands in docs/design.md; the `onnx` package is not needed.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Set before the import: onnxruntime's own switch comes too late, and without either it keeps a
# record of every start in the user's home and looks up its maker's host.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from digitlab import __version__
from digitlab.boxes import MEANING as BOX_MEANING
from digitlab.boxes import NUMBERS
from digitlab.errors import ModelError
from digitlab.preparation import VERSIONS
from digitlab.wording import calibrated_on

SHIPPED_MODEL = Path(__file__).parent / "models" / "default.onnx"
SECOND_MODEL = SHIPPED_MODEL.with_name("in-number.onnx")  # of digits that touch their neighbours
NUMBER_MODEL = SHIPPED_MODEL.with_name("is-number.onnx")  # of what is a number, and what a word

UNSEALED = "0" * 64
_KEY = b"file_sha256"
# The bytes of a StringStringEntryProto (onnx.proto3): key is field 1, value is field 2, both are
# strings with their length before them. Protocol buffers write fields in this order.
_ENTRY = b"\x0a" + bytes([len(_KEY)]) + _KEY + b"\x12" + bytes([len(UNSEALED)])
# The same for the entry of a tensor that names another file for its weights: a seal over this
# file would say nothing about them.
_EXTERNAL = b"\x0a\x08location\x12"
_METADATA = b"\x72"  # the tag of ModelProto's metadata_props: field 14, with its length


@dataclass(frozen=True)
class Calibration:
    """What makes a model's probabilities honest.

    Attributes:
        temperature: above 0; logits are divided by it.
        on: what it was found on: "validation images" of the data that the model learned from, or
            "made pictures", as cameras take them.
    """

    temperature: float
    on: str


@dataclass(frozen=True)
class Model:
    """A model file whose seal and contract hold, ready to run.

    Attributes:
        path: where it was loaded from.
        session: takes `images` float32 [N, 1, 28, 28].
        recipe: the name of the recipe that trained it.
        preparation: a version of the preparation, or "none".
        temperature: logits are divided by it; None where the model is not calibrated.
        calibrated_on: what the temperature was found on, as of `Calibration`; None likewise, and
            with square error.
        version: of the digitlab that wrote it.
        output: "logits" or "value" (square error).
        width: 10 or 11 logits, or 1 value.
        boxes: whether it has a second output, `box`: where the ink lies.
        sha256: of the file, with those 64 characters as zeros; its identity.
        properties: all metadata of the file.
    """

    path: Path
    session: onnxruntime.InferenceSession
    recipe: str
    preparation: str
    temperature: float | None
    calibrated_on: str | None
    version: str
    output: str
    width: int
    boxes: bool
    sha256: str
    properties: Mapping[str, str]


def properties(
    recipe: str, preparation: str, calibration: Calibration | None = None, *, boxes: bool = False
) -> dict[str, str]:
    """Return the metadata that a model file must carry, ready to be sealed.

    Args:
        recipe: the name of the recipe that trained the model.
        preparation: "none" or a version of the preparation.
        calibration: None for a model that is not calibrated.
        boxes: whether it has the output `box`.
    """
    calibrated: dict[str, str] = {}
    if calibration is not None:
        calibrated["temperature"] = repr(float(calibration.temperature))
        calibrated["calibrated_on"] = calibration.on
    return {
        "recipe": recipe,
        "preparation": preparation,
        **calibrated,
        **({"box": BOX_MEANING} if boxes else {}),
        "digitlab_version": __version__,
        _KEY.decode(): UNSEALED,
    }


def seal(onnx_bytes: bytes) -> bytes:
    """Return a model with its property `file_sha256` filled in.

    The value is the SHA-256 of the whole file while these 64 characters are zeros.

    Raises:
        ModelError: where the property is missing, stands there more than once, or is not 64 zeros.
    """
    place = _place_of_seal(onnx_bytes, "the model")
    if onnx_bytes[place] != UNSEALED.encode():
        raise ModelError("the model's file_sha256 is not 64 zeros: expected an unsealed model")
    digest = hashlib.sha256(onnx_bytes).hexdigest().encode()
    return onnx_bytes[: place.start] + digest + onnx_bytes[place.stop :]


def reopened(onnx_bytes: bytes, added: Mapping[str, str]) -> bytes:
    """Return a sealed model without its seal and with more properties, ready to be sealed anew.

    Args:
        onnx_bytes: a model; what its seal says is not looked at, for it was changed on purpose.
        added: properties that the model does not have yet.

    Raises:
        ModelError: where the property file_sha256 is missing or stands there more than once.
    """
    place = _place_of_seal(onnx_bytes, "the model")
    # What is repeated may stand anywhere in a message of protocol buffers, also at its end.
    entries = b"".join(
        _with_length(
            _METADATA,
            _with_length(b"\x0a", key.encode()) + _with_length(b"\x12", value.encode()),
        )
        for key, value in added.items()
    )
    return onnx_bytes[: place.start] + UNSEALED.encode() + onnx_bytes[place.stop :] + entries


def _with_length(tag: bytes, content: bytes) -> bytes:
    """Return a field of protocol buffers; its length is a varint of 7 bits a byte."""
    length, left = b"", len(content)
    while left > 127:
        length += bytes([left & 127 | 128])
        left >>= 7
    return tag + length + bytes([left]) + content


def check_seal(onnx_bytes: bytes, name: str) -> str:
    """Return the SHA-256 in a model's seal; raise ModelError, naming `name`, where it is broken."""
    place = _place_of_seal(onnx_bytes, name)
    zeroed = onnx_bytes[: place.start] + UNSEALED.encode() + onnx_bytes[place.stop :]
    digest = hashlib.sha256(zeroed).hexdigest()
    if onnx_bytes[place] != digest.encode():
        raise ModelError(
            f"{name} was changed after it was written (file_sha256 does not match): "
            "copy or export it again"
        )
    return digest


def model_path(model: str | os.PathLike[str] | None) -> Path:
    """Return the file of a model: of a RUN, as it is named, or of None, the one that ships.

    Raises:
        ModelError: in one line, where a folder has none, or none ships.
    """
    if model is None:
        if not SHIPPED_MODEL.exists():
            raise ModelError(
                f"this digitlab ships without a model ({SHIPPED_MODEL} is missing): "
                "train one with `digitlab train` and name its RUN as the model"
            )
        return SHIPPED_MODEL
    path = Path(model)
    if not path.is_dir():
        return path
    if (path / "model.onnx").exists():
        return path / "model.onnx"
    if not (path / "config.toml").exists():
        raise ModelError(f"{path} is no run folder (no config.toml): name a RUN or an .onnx file")
    raise ModelError(
        f"{path} has no model.onnx: its training has not ended, or its network cannot be exported; "
        f"try `digitlab train --resume {path}`"
    )


def load_model(path: str | Path, threads: int = 1) -> Model:
    """Load a model file that is exactly as it was written and that keeps the contract.

    The seal is checked before any other program looks at the bytes.

    Args:
        path: an .onnx file.
        threads: of onnxruntime, at least 1.

    Raises:
        ModelError: in one line that names the file: it is missing, was changed, is no ONNX, or its
            inputs, outputs or properties are not those of a digit recogniser.
    """
    path = Path(path)
    return model_of_bytes(_bytes_of(path), path, threads)


def load_number_model() -> onnxruntime.InferenceSession:
    """Return what says which digits on a page are numbers; of `evidence` float32 [N, 24].

    Raises:
        ModelError: where it is missing, or was changed.
    """
    onnx_bytes = _bytes_of(NUMBER_MODEL)
    check_seal(onnx_bytes, str(NUMBER_MODEL))
    return _session(onnx_bytes, NUMBER_MODEL, 1)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such model file; name a RUN or an .onnx file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"{path} cannot be read: {reason}") from error


def model_of_bytes(onnx_bytes: bytes, path: Path, threads: int = 1) -> Model:
    """Check and load the content of a model file; `path` is for messages. See `load_model`."""
    digest = check_seal(onnx_bytes, str(path))
    if _EXTERNAL in onnx_bytes:
        raise ModelError(f"{path} keeps weights in other files: export it into one file")
    session = _session(onnx_bytes, path, threads)
    found = dict(session.get_modelmeta().custom_metadata_map)
    output, width, boxes = _checked_shapes(session, path)
    if boxes:
        _check_box(found, path)
    temperature = _checked_temperature(found, path)
    honest = None if output == "value" else temperature
    return Model(
        path=path,
        session=session,
        recipe=_property(found, "recipe", path),
        preparation=_checked_preparation(found, path),
        temperature=temperature,
        calibrated_on=calibrated_on(honest, found.get("calibrated_on")),
        version=_property(found, "digitlab_version", path),
        output=output,
        width=width,
        boxes=boxes,
        sha256=digest,
        properties=found,
    )


def _place_of_seal(onnx_bytes: bytes, name: str) -> slice:
    places = [match.end() for match in re.finditer(b"(?=" + re.escape(_ENTRY) + b")", onnx_bytes)]
    if len(places) != 1 or places[0] + len(_ENTRY) + 64 > len(onnx_bytes):
        found = "no" if not places else "a cut off" if len(places) == 1 else f"{len(places)}"
        raise ModelError(
            f"{name} is no model file of digitlab: expected one property file_sha256, "
            f"found {found}; export it with digitlab"
        )
    start = places[0] + len(_ENTRY)
    return slice(start, start + len(UNSEALED))


def _session(onnx_bytes: bytes, path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    # Threads that wait by spinning would take the processor from whoever prepares pictures.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base but Exception
        reason = " ".join(str(error).split())[:160]
        raise ModelError(f"{path} cannot be loaded by onnxruntime: {reason}") from error


def _checked_shapes(session: onnxruntime.InferenceSession, path: Path) -> tuple[str, int, bool]:
    """Return the name and the width of the output, and whether there is a box, too.

    Raises:
        ModelError: where inputs or outputs are others.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    takes = [(one.name, one.type, one.shape[1:], _is_free(one.shape)) for one in inputs]
    if takes != [("images", "tensor(float)", [1, 28, 28], True)]:
        raise ModelError(
            f"{path} takes {_said(inputs)}: expected one input, images float32 [N, 1, 28, 28]"
        )
    gives = [(one.name, one.type, one.shape[1:], _is_free(one.shape)) for one in outputs]
    box = ("box", "tensor(float)", [NUMBERS], True)
    for name, width in (("logits", 10), ("logits", 11), ("value", 1)):
        first = (name, "tensor(float)", [width], True)
        if gives == [first] or (gives == [first, box] and name == "logits"):
            return name, width, box in gives
    raise ModelError(
        f"{path} gives {_said(outputs)}: expected logits float32 [N, 10] or [N, 11], alone or with "
        "box float32 [N, 4], or value float32 [N, 1]"
    )


def _is_free(shape: list[int | str | None]) -> bool:
    return bool(shape) and not isinstance(shape[0], int)


def _said(arguments: list[onnxruntime.NodeArg]) -> str:
    return ", ".join(f"{one.name} {one.type} {one.shape}" for one in arguments)


def _property(found: Mapping[str, str], key: str, path: Path) -> str:
    if not found.get(key):
        raise ModelError(f"{path} has no property {key}: export it again with digitlab")
    return found[key]


def _check_box(found: Mapping[str, str], path: Path) -> None:
    meaning = _property(found, "box", path)
    if meaning != BOX_MEANING:
        raise ModelError(
            f"{path}: box = {meaning!r}, expected {BOX_MEANING!r}; install a newer digitlab"
        )


def _checked_preparation(found: Mapping[str, str], path: Path) -> str:
    version = _property(found, "preparation", path)
    if version not in VERSIONS:
        raise ModelError(
            f"{path}: preparation = {version!r}, expected one of {', '.join(VERSIONS)}; "
            "install a newer digitlab"
        )
    return version


def _checked_temperature(found: Mapping[str, str], path: Path) -> float | None:
    text = found.get("temperature")
    if text is None:
        return None
    try:
        temperature = float(text)
    except ValueError:
        temperature = math.nan
    if not (0 < temperature < math.inf):
        raise ModelError(f"{path}: temperature = {text!r}, expected a number above 0")
    return temperature
