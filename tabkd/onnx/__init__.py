"""Students as ONNX: the hooks of skl2onnx, one converter per part, the parity gate."""

from tabkd.onnx._parity_error import ParityError

__all__ = ["ParityError"]
