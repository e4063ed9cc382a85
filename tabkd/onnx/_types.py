"""The types of tensors, without importing onnx, which fitting does not need."""

from __future__ import annotations

from enum import IntEnum


class TensorType(IntEnum):
    """The types that students' graphs have, numbered as in `onnx.TensorProto`."""

    FLOAT = 1
    INT64 = 7
    STRING = 8
    BOOL = 9
    DOUBLE = 11
