"""How much memory a process needs to load a model and score rows: measured in a new process for each of them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

# Rows that are scored, and seconds that a process may take.
_ROWS, _SECONDS = 10_000, 120
_STATUS = Path("/proc/self/status")
_PEAK = """
with open("/proc/self/status") as status:
    print("peak", next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""
_STUDENT = """
import sys
import tabkd
from tabkd._arrow_alone import use_arrow_alone
use_arrow_alone()  # a host that scores needs no pandas
exported = tabkd.load("student.onnx")
if sys.argv[2] == "array":
    import numpy
    X = numpy.load("rows.npy")
else:
    import pyarrow
    X = pyarrow.ipc.open_file("rows.arrow").read_all()
getattr(exported, sys.argv[1])(X)
"""
_TEACHER = """
import pickle, sys
teacher, X = pickle.load(sys.stdin.buffer)
getattr(teacher, sys.argv[1])(X)
"""


class NotMeasuredError(Exception):
    """Why the memory of a model is not known."""


def memory(teacher: Any, content: bytes, X: Any, method: str) -> dict[str, dict[str, Any]]:
    """The peak memory of a process that loads a model and scores some rows at once.

    It includes all that the process needs: the interpreter, the packages, the model and the rows. A student reads rows
    from Arrow or an array, a teacher the frame or array that it was fitted on.

    Parameters
    ----------
    teacher : estimator
        The fitted teacher.
    content : bytes
        The exported student.
    X : frame or array
        Test rows.
    method : str
        The name of the method that scores them.

    Returns
    -------
    dict
        For teacher and student: memory in bytes, None where it could not be measured, and then the memory_reason.
    """
    rows = X[:_ROWS]
    found = {}
    for name in ("teacher", "student"):
        with TemporaryDirectory() as folder:
            try:
                if not _STATUS.exists():
                    raise NotMeasuredError("this system does not report the peak memory of a process in /proc")
                if name == "student":
                    peak = _run(Path(folder), _STUDENT, method, _write_student(Path(folder), content, rows))
                else:
                    peak = _run(Path(folder), _TEACHER, method, given=_pickled(teacher, rows))
                found[name] = {"memory": peak, "memory_reason": None}
            except NotMeasuredError as error:
                found[name] = not_measured(str(error))
    return found


def not_measured(reason: str) -> dict[str, Any]:
    """The entries for a model whose memory is not known."""
    return {"memory": None, "memory_reason": reason}


def _write_student(folder: Path, content: bytes, rows: Any) -> str:
    """Write the model and the rows, and say in which form the rows are."""
    (folder / "student.onnx").write_bytes(content)
    if isinstance(rows, np.ndarray):
        np.save(folder / "rows.npy", rows, allow_pickle=False)
        return "array"
    try:
        table = pa.Table.from_pandas(rows, preserve_index=False) if hasattr(rows, "iloc") else rows.to_arrow()
    except (pa.ArrowException, AttributeError) as error:
        raise NotMeasuredError("the rows cannot be written as Arrow") from error
    with pa.ipc.new_file(str(folder / "rows.arrow"), table.schema) as writer:
        writer.write_table(table)
    return "table"


def _pickled(teacher: Any, rows: Any) -> bytes:
    try:
        return pickle.dumps((teacher, rows), protocol=5)
    except Exception as error:  # objects of other libraries may raise any error here
        raise NotMeasuredError("it cannot be pickled") from error


def _run(folder: Path, program: str, *arguments: str, given: bytes = b"") -> int:
    """The peak of a process in bytes; it reads what is given from its standard input."""
    path = os.pathsep.join(str(Path(part).resolve()) for part in sys.path)
    try:
        done = subprocess.run(
            [sys.executable, "-c", program + _PEAK, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            input=given,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotMeasuredError(f"it took more than {_SECONDS} s") from error
    lines = done.stdout.split()
    if done.returncode or lines[-2:-1] != [b"peak"]:
        raise NotMeasuredError("it does not run in a separate process")
    return int(lines[-1]) * 1024
