"""Small ONNX models and pictures of drawn digits, for the tests of reading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

WriteModel = Callable[..., Path]


def picture_of(digit: int, size: int = 160, thickness: int = 9) -> npt.NDArray[np.uint8]:
    """Return uint8 [size, size]: a digit in dark ink on white, off centre."""
    picture = np.full((size, size), 255, np.uint8)
    place = (int(0.15 * size), int(0.75 * size))
    cv2.putText(picture, str(digit), place, cv2.FONT_HERSHEY_SIMPLEX, size / 55, 20, thickness)
    return picture


def written(*rows: str, width: int = 70, height: int = 100) -> npt.NDArray[np.uint8]:
    """Return a page, uint8 [H, W, 3], of rows of digits, numbers apart by blanks."""
    across = max(map(len, rows))
    page = np.full((height * len(rows) + 100, width * across + 100), 250, np.uint8)
    for down, row in enumerate(rows):
        for at, digit in enumerate(row):
            place = (50 + width * at, 120 + height * down)
            if digit != " ":
                cv2.putText(page, digit, place, cv2.FONT_HERSHEY_SIMPLEX, 2, 30, 5)
    return np.repeat(page[..., None], 3, axis=2)


def onnx_model(
    weights: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
    metadata: dict[str, str],
    output: str = "logits",
    input_name: str = "images",
    input_shape: tuple[int | str, ...] = ("N", 1, 28, 28),
) -> bytes:
    """Return the bytes of a linear model: flatten, then weights [784, K] and bias [K]."""
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", [input_name], ["flat"], axis=1),
            helper.make_node("Gemm", ["flat", "weights", "bias"], [output]),
        ],
        "digits",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", len(bias)])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.helper.set_model_props(model, metadata)
    return model.SerializeToString()
