"""The types of tensors, without importing onnx, which fitting does not need."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class TensorType(IntEnum):
    """The types that students' graphs have, numbered as in `onnx.TensorProto`."""

    FLOAT = 1
    INT8 = 3
    INT64 = 7
    STRING = 8
    BOOL = 9
    DOUBLE = 11


def tensor_types() -> dict[str, Any]:
    """The types of skl2onnx, by the names of `TensorType`."""
    from skl2onnx.common import data_types

    return {
        "FLOAT": data_types.FloatTensorType,
        "DOUBLE": data_types.DoubleTensorType,
        "INT64": data_types.Int64TensorType,
        "STRING": data_types.StringTensorType,
    }
