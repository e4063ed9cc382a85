"""The error that an export raises if ONNX Runtime does not give the scores of Python."""


class ParityError(RuntimeError):
    """ONNX Runtime does not reproduce the scores of a student, so no file was written."""
