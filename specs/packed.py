"""Arrays inside JSON: {dtype, shape, data} with base64 of little-endian numbers."""

import base64
import binascii
from typing import Any

import numpy as np

from specs.checks import SpecError

MAX_BYTES = 32 * 2**20
MAX_POINTS = 2_000


def pack(array: np.ndarray, dtype: str) -> dict[str, Any]:
    """The document of an array, as `dtype`."""
    little = np.ascontiguousarray(array, dtype=np.dtype(dtype).newbyteorder("<"))
    return {"dtype": dtype, "shape": list(little.shape), "data": base64.b64encode(little.tobytes()).decode()}


def unpack(document: Any, name: str, dtype: str, ndim: int) -> np.ndarray:
    """The array of a document from a stranger: finite, of this dtype and number of dimensions; raises SpecError for whatever is wrong."""
    if not isinstance(document, dict) or set(document) != {"dtype", "shape", "data"} or document["dtype"] != dtype:
        raise SpecError("wrong-array", f"{name} must be {{dtype: {dtype}, shape, data}}.")
    shape, data = document["shape"], document["data"]
    if not (isinstance(shape, list) and len(shape) == ndim and all(type(n) is int and n >= 1 for n in shape)):
        raise SpecError("wrong-array", f"The shape of {name} must be {ndim} whole numbers of at least 1; got {shape!r}.")
    if shape[0] > MAX_POINTS:
        raise SpecError("too-many-points", f"A specification has at most {MAX_POINTS:,} points; it claims {shape[0]:,}.")
    size = np.dtype(dtype).itemsize
    for n in shape:
        size *= n
    if size > MAX_BYTES or not isinstance(data, str) or len(data) != 4 * -(-size // 3):
        raise SpecError("wrong-array", f"The data of {name} do not have the length that its shape {shape!r} asks for.")
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise SpecError("wrong-array", f"The data of {name} must be base64; they are not.") from None
    if len(raw) != size:
        raise SpecError("wrong-array", f"The data of {name} do not have the length that its shape {shape!r} asks for.")
    array = np.frombuffer(raw, dtype=np.dtype(dtype).newbyteorder("<")).reshape(shape).astype(dtype)
    if not np.isfinite(array).all():
        raise SpecError("not-finite", f"{name} must be finite; some numbers are not.")
    return array
