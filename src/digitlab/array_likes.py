"""What programs hand over as arrays: numpy's, tensors of any library, lists; no PyTorch is needed.

Used by decoding.py (pictures), reading (images of single digits) and data (datasets in memory).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

NOT_FINITE = "values that are NaN (not a number) or infinite"


def is_array_like(value: object) -> bool:
    """Return whether a value is an array, or says that it can become one; lists do not say it."""
    return hasattr(value, "__array__") or hasattr(value, "__array_interface__") or _is_tensor(value)


def as_array(value: Any, name: str, expected: str, kinds: str = "biuf") -> Array:
    """Return a value as an array of numbers, without a copy where there is no need of one.

    Args:
        value: an array, a tensor on any device, whatever else has `__array__`, or a list of these.
        name: what to call it in the error.
        expected: what should be there, for the error.
        kinds: of numpy's dtypes; numbers and truth values if not given.

    Raises:
        TypeError: where it makes no array, or one of other kinds.
    """
    try:
        array = np.asarray(_on_this_side(value))
    except Exception as error:  # the libraries of others raise what they like
        reason = " ".join(str(error).split())[:120]
        raise TypeError(
            f"{name}: no array can be made of this {type(value).__name__} ({reason}); "
            f"expected {expected}"
        ) from error
    if array.dtype.kind not in kinds:
        kind = type(value).__name__
        held = "" if array.ndim == 0 else f" of {array.dtype}"
        raise TypeError(f"{name}: found {kind}{held}; expected {expected}")
    return array


def levels(values: Array) -> npt.NDArray[np.uint8]:
    """Return pixels as uint8, of the same shape.

    Args:
        values: uint8, which is given back itself; other integers 0..255; truth values, of which
            true is 255; or floats from 0 to 1, which become round(255 value).

    Raises:
        ValueError: for other values; says which are there and what was expected.
    """
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    if values.dtype == np.bool_ or not values.size:
        return values.astype(np.uint8) * np.uint8(255)
    whole = np.issubdtype(values.dtype, np.integer)
    low, high = float(values.min()), float(values.max())  # both are not finite if one value is not
    if not 0 <= low <= high <= (255 if whole else 1):
        finite = math.isfinite(low) and math.isfinite(high)
        problem = f"values from {low:g} to {high:g}" if finite else NOT_FINITE
        raise ValueError(f"{problem}; expected integers 0..255 or floats in [0, 1]")
    if whole:
        return values.astype(np.uint8)
    return np.rint(values.astype(np.float64) * 255).astype(np.uint8)


def _is_tensor(value: object) -> bool:
    return hasattr(value, "detach") and hasattr(value, "cpu")


def _on_this_side(value: Any) -> Any:
    """Return a tensor of PyTorch where numpy can see it; a list of them likewise."""
    if isinstance(value, (list, tuple)):
        return [_on_this_side(one) for one in value]
    if not _is_tensor(value):
        return value
    tensor = value.detach().cpu()
    try:
        return np.asarray(tensor)
    except TypeError:  # bfloat16, which numpy does not have
        return np.asarray(tensor.float())
