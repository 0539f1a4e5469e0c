"""Int8 copies of model files, by onnxruntime's static quantiser; used by copies.py.

Weights and activations become integers of 8 bits between pairs of QuantizeLinear and
DequantizeLinear (QDQ). It needs the package `onnx`, which is in the extra `train`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from digitlab.errors import MissingExtraError, ModelError
from digitlab.reading.model_file import reopened, seal

Floats = npt.NDArray[np.float32]

PRECISION = "precision"  # the property that says int8
SOURCE = "source_sha256"  # the property that names the model that an int8 model was made of
BATCH = 100  # images a call while ranges are measured
# The layers of digit recognisers for which onnxruntime has integer kernels. The rest stays fp32.
_LAYERS = ["Add", "AveragePool", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "MatMul"]
_LAYERS += ["MaxPool", "Mul", "Relu", "Reshape", "Sigmoid"]
_BYTES_OF_INT8 = b"QuantizeLinear"


def quantise(model_bytes: bytes, properties: Mapping[str, str], inputs: Floats) -> bytes:
    """Return a sealed int8 copy of a model; the same input gives the same bytes.

    Each output channel of a weight has a scale of its own; activations have the range that they
    took on `inputs`. Weights use 7 bits, so that processors without VNNI, which add products in
    16 bits, never overflow; what linear layers give stays fp32, for confidences are made of it.

    Args:
        model_bytes: a sealed model file.
        properties: what the copy says besides all that the model says.
        inputs: float32 [N, 1, 28, 28] as the model wants them, from training.

    Raises:
        MissingExtraError: where `onnx` is not installed.
        ModelError: where the quantiser cannot do it.
    """
    try:
        from onnxruntime import quantization
        from onnxruntime.quantization.preprocess import quant_pre_process
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"--int8 needs {error.name}, which is not installed; pip install 'digitlab[train]'"
        ) from None
    with TemporaryDirectory(prefix="digitlab-") as folder, _silent_root_logger():
        given, simplified, made = (Path(folder) / f"{at}.onnx" for at in range(3))
        given.write_bytes(model_bytes)
        try:
            quant_pre_process(given, simplified, skip_symbolic_shape=True)
            quantization.quantize_static(
                simplified,
                made,
                _Batches(inputs),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=_LAYERS,
                per_channel=True,
                reduce_range=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
                extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
            )
        except Exception as error:  # onnxruntime's errors share no base but Exception
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            raise ModelError(f"the model cannot be made int8: {reason}") from error
        content = _without_unused_operators(made.read_bytes())
    if _BYTES_OF_INT8 not in content:
        raise ModelError("the model cannot be made int8: it has no layer with integer kernels")
    return seal(reopened(content, properties))


def _without_unused_operators(content: bytes) -> bytes:
    """Return a model that imports no set of operators but those of its nodes.

    The quantiser names all that it knows, which older versions of onnxruntime refuse.
    """
    import onnx

    model = onnx.load_from_string(content)
    used = {node.domain for node in model.graph.node}
    kept = [one for one in model.opset_import if one.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return bytes(model.SerializeToString())


class _Batches:
    """What the quantiser reads inputs from: a dictionary a call, then None."""

    def __init__(self, inputs: Floats) -> None:
        firsts = range(0, len(inputs), BATCH)
        self._batches = iter([inputs[first : first + BATCH] for first in firsts])

    def get_next(self) -> dict[str, Floats] | None:
        """Return the next batch by the name of the model's input."""
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


@contextmanager
def _silent_root_logger() -> Iterator[None]:
    """Keep the quantiser's advice from the root logger, and its handler from staying there."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:], root.level = [logging.NullHandler()], logging.CRITICAL
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
