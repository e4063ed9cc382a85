"""What can go wrong between Python and ONNX."""


class ParityError(RuntimeError):
    """ONNX Runtime does not reproduce the student, so nothing was written."""
