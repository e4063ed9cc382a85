"""Arrays as JSON: the bytes of their values, little-endian, in base 64."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np

#: The types of values in JavaScript, by the kind of NumPy's dtype and its size.
_TYPES = {("f", 4): "f4", ("f", 8): "f8", ("i", 8): "i4", ("i", 4): "i4", ("i", 1): "i4", ("b", 1): "b1"}
_LEAST, _MOST = -(2**31), 2**31 - 1


def packed(values: np.ndarray) -> dict[str, Any]:
    """An array as a JSON object with its type, shape and bytes.

    Whole numbers are stored in as few bytes as they need, and ends of slices are clipped to the range of int32.

    Raises
    ------
    NotImplementedError
        For values other than float32, float64, int8, int32, int64 and bool.

    Examples
    --------
    >>> packed(np.array([[1, 2, 300]]))
    {'type': 'i4', 'shape': [1, 3], 'stored': 'i2', 'data': 'AQACACwB'}
    """
    kind = _TYPES.get((values.dtype.kind, values.dtype.itemsize))
    if kind is None:
        raise NotImplementedError(f"JavaScript cannot hold a constant of type {values.dtype}.")
    out: dict[str, Any] = {"type": kind, "shape": list(values.shape)}
    if kind == "i4":
        # From int64, because NumPy 2.0 refuses bounds that int8 cannot hold.
        values = np.clip(values.astype(np.int64), _LEAST, _MOST).astype(np.int32)
        width = next(n for n in (1, 2, 4) if (values == values.astype(f"i{n}")).all())
        values = values.astype(f"<i{width}")
        out |= {"stored": f"i{width}"} if width < 4 else {}
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return out | {"data": b64encode(little.tobytes()).decode()}


def packed_list(values: np.ndarray) -> dict[str, Any]:
    """A one-dimensional array, which JavaScript reads as an array of numbers and not as a tensor."""
    out = packed(values)
    del out["shape"]
    return out
