"""How fast the student is, against its teacher, on the same rows in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

Predictor = Callable[[object], object]


def speed(
    predictors: Mapping[str, Predictor],
    X,
    *,
    batch_size: int = 256,
    seconds: float = 1.0,
    max_runs: int = 300,
) -> dict[str, dict[str, float]]:
    """Rows per second at a batch, and the latency of one row, of each predictor.

    The predictors take turns, run by run, so that a busy machine slows all of them alike; what is reported
    is the median.

    Parameters
    ----------
    predictors : mapping of str to callable
        Each takes rows of `X` in the form of `X`.
    X : frame or array
        Where the rows come from; repeated where there are too few for a batch.
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
    at_batch = _alternate(predictors, [batch], seconds, max_runs)
    at_row = _alternate(predictors, singles, seconds, max_runs)
    return {
        name: {
            "rows_per_second": batch_size / float(np.median(at_batch[name])),
            "batch_ms": 1e3 * float(np.median(at_batch[name])),
            "one_row_p50_us": 1e6 * float(np.quantile(at_row[name], 0.5)),
            "one_row_p99_us": 1e6 * float(np.quantile(at_row[name], 0.99)),
        }
        for name in predictors
    }


def _rows(X, rows):
    """The rows of a frame or an array, in its own form."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _alternate(predictors: Mapping[str, Predictor], inputs: list, seconds: float, max_runs: int) -> dict:
    """Seconds of each run of each predictor, in turns; at least three runs after a warm-up."""
    for predict in predictors.values():
        predict(inputs[0])
    times: dict[str, list[float]] = {name: [] for name in predictors}
    end = time.perf_counter() + seconds * len(predictors)
    for run in range(max_runs):
        for name, predict in predictors.items():
            start = time.perf_counter()
            predict(inputs[run % len(inputs)])
            times[name].append(time.perf_counter() - start)
        if run >= 2 and time.perf_counter() > end:
            break
    return times


def compare_speed(model, scorer, X, **options) -> dict:
    """Speed of a distilled model's exported student and of its teacher, frame in and scores out.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        Its `teacher_` is measured by its own `predict_proba` or `predict`.
    scorer : Scorer
        What `tabkd.load` gave for the exported student.
    X : frame or array
    **options
        As :func:`speed`.

    Returns
    -------
    dict
        student, teacher: as :func:`speed`; batch_size; ratio: the student's rows per second over the
        teacher's; ratio_one_row: the teacher's median latency over the student's.
    """
    method = "predict_proba" if hasattr(model.teacher_, "predict_proba") else "predict"
    if not hasattr(model, "classes_"):
        method = "predict"
    found = speed({"student": getattr(scorer, method), "teacher": getattr(model.teacher_, method)}, X, **options)
    student, teacher = found["student"], found["teacher"]
    return {
        **found,
        "batch_size": options.get("batch_size", 256),
        "ratio": student["rows_per_second"] / teacher["rows_per_second"],
        "ratio_one_row": teacher["one_row_p50_us"] / student["one_row_p50_us"],
    }
