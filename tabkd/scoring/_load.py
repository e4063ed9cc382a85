"""An exported student from its file."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from tabkd.scoring._exported import ExportedStudent

# ONNX is stored as a Protocol Buffers message, which cannot be larger.
_MOST_BYTES = 2**31


def load(path: str | os.PathLike, n_jobs: int | None = None) -> ExportedStudent:
    """Load a student that `to_onnx` wrote.

    Parameters
    ----------
    path : str or path-like
        The ONNX file.
    n_jobs : int, optional
        Threads that share the rows of a large batch: None and -1 for all cores, -2 for all but one, and so on.

    Returns
    -------
    ExportedStudent
        With `predict`, `predict_proba` and `classes_`, for frames and arrays.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the path is a folder, a pipe or a device, or the file was not written by tabkd.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from tabkd import DistilledClassifier, load
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> teacher = DecisionTreeClassifier(max_depth=3, random_state=0)
    >>> model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     proto = model.to_onnx(Path(folder) / "student.onnx")
    ...     exported = load(Path(folder) / "student.onnx")
    >>> bool((exported.predict(X) == model.predict(X)).all())
    True
    """
    path = Path(path)
    try:
        _check_kind(path)
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            errno.ENOENT, "There is no such file; write one with model.to_onnx(path)", str(path)
        ) from None
    return ExportedStudent(content, n_jobs, source=repr(str(path)))


def _check_kind(path: Path) -> None:
    """Refuse a file that is endless, or too large for memory, before it is read."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise ValueError(f"{str(path)!r} is a folder; give the .onnx file in it.")
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{str(path)!r} is a pipe, socket or device; give an .onnx file.")
    if found.st_size > _MOST_BYTES:
        raise ValueError(
            f"{str(path)!r} has {found.st_size:,} bytes, more than any ONNX file can have; give a file that "
            "model.to_onnx(path) wrote."
        )
