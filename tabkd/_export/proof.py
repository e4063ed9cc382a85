"""The proof of monotone constraints: all of them hold for every row, or nothing is written."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabkd._options import option
from tabkd.onnx import MonotoneError
from tabkd.students import Student


def proved_monotone(model: Any) -> dict[str, list[int]] | None:
    """The constrained columns of a distilled estimator, all of them proved.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The fitted estimator.

    Returns
    -------
    dict or None
        Positions of the columns: "increasing" and "decreasing"; None without constraints.

    Raises
    ------
    MonotoneError
        If the student does not prove each constraint; the message has the columns.
    """
    student = model._student
    wanted = student.monotonic_cst_
    if not wanted.any():
        return None
    proved = student.proved_monotone()
    unproved = np.flatnonzero(wanted != proved)
    if len(unproved):
        raise MonotoneError(_message(model, [model.schema_.titles[i] for i in unproved]))
    return {"increasing": np.flatnonzero(wanted > 0).tolist(), "decreasing": np.flatnonzero(wanted < 0).tolist()}


def _message(model: Any, names: list) -> str:
    student = type(model.student_).__name__
    remedy = "Fit it again, and do not change its parameters afterwards."
    if type(model._student).proved_monotone is Student.proved_monotone:
        remedy = f"Define proved_monotone in {student}, or leave {option('monotonic_cst')} out."
    return (
        f"The student {student} does not prove that it is monotone in {', '.join(map(repr, names[:10]))}"
        f"{', …' if len(names) > 10 else ''}, as {option('monotonic_cst')} asks, so nothing was written. {remedy}"
    )
