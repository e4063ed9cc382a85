"""How fast the student is, against its teacher, on the same rows in the same run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from tabkd._pace import Predictor, alternate, pace


def speed(
    predictors: Mapping[str, Predictor],
    X: Any,
    *,
    batch_size: int = 256,
    seconds: float = 1.0,
    max_runs: int = 300,
) -> dict[str, dict[str, float]]:
    """Rows per second at a batch, and the latency of one row, of each predictor.

    The predictors take turns of a few hundredths of a second, so a busy machine slows all of them alike. A turn begins
    with a warm-up that is not counted, and the median is reported.

    Parameters
    ----------
    predictors : mapping of str to callable
        Each takes rows of `X` in the form of `X`.
    X : frame or array
        The rows to use; repeated if there are too few for a batch.
    batch_size : int
        Rows in a batch.
    seconds : float
        About how long to measure each predictor, for batches and again for single rows.
    max_runs : int
        At most this many runs each.

    Returns
    -------
    dict
        For each predictor: rows_per_second, batch_ms, one_row_p50_us, one_row_p99_us.
    """
    batch = _rows(X, np.resize(np.arange(len(X)), batch_size))
    singles = [_rows(X, slice(i, i + 1)) for i in range(min(len(X), max_runs))]
    at_batch = alternate(predictors, [batch], seconds, max_runs)
    at_row = alternate(predictors, singles, seconds, max_runs)
    return {name: pace(batch_size, at_batch[name], at_row[name]) for name in predictors}


def _rows(X: Any, rows: np.ndarray | slice) -> Any:
    """The rows of a frame or an array, in its own form."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def compare_speed(model: Any, exported: Any, X: Any, **options: Any) -> dict[str, Any]:
    """Speed of a distilled model's exported student and of its teacher, frame in and scores out.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        Its `teacher_` is measured by its own `predict_proba` or `predict`.
    exported : ExportedStudent
        The exported student, from `tabkd.load`.
    X : frame or array
        The rows to use.
    **options
        As :func:`speed`.

    Returns
    -------
    dict
        student, teacher: as :func:`speed`; batch_size; ratio: the student's rows per second over the
        teacher's; ratio_one_row: the teacher's median latency over the student's.
    """
    method = "predict_proba" if is_classifier(model) else "predict"
    found = speed({"student": getattr(exported, method), "teacher": getattr(model.teacher_, method)}, X, **options)
    student, teacher = found["student"], found["teacher"]
    return {
        **found,
        "batch_size": options.get("batch_size", 256),
        "ratio": student["rows_per_second"] / teacher["rows_per_second"],
        "ratio_one_row": teacher["one_row_p50_us"] / student["one_row_p50_us"],
    }
