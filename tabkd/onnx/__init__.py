"""Students as ONNX: the hooks of skl2onnx, one converter per part, the parity gate."""

from tabkd.onnx.errors import ParityError

__all__ = ["ParityError"]
