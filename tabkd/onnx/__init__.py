"""Students as ONNX graphs."""

from tabkd.onnx._parity_error import ParityError

__all__ = ["ParityError"]
