"""The error that an export raises if a monotone constraint cannot be proved."""


class MonotoneError(RuntimeError):
    """A monotone constraint of a student could not be proved from its parameters, so no file was written."""
