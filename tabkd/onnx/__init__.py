"""Students as ONNX: the hooks of skl2onnx, one converter per part, and the proof that the model scores the same."""

from tabkd.onnx.errors import ParityError

__all__ = ["ParityError"]
