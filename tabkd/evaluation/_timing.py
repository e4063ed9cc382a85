"""How fast the student is, against its teacher, on the same rows in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.base import is_classifier

Predictor = Callable[[object], object]
# Seconds of a turn that are not counted, and that are.
_WARM_UP, _MEASURED = 0.02, 0.03


def speed(
    predictors: Mapping[str, Predictor],
    X: Any,
    *,
    batch_size: int = 256,
    seconds: float = 1.0,
    max_runs: int = 300,
) -> dict[str, dict[str, float]]:
    """Rows per second at a batch, and the latency of one row, of each predictor.

    The predictors take turns of a few hundredths of a second, so that a busy machine slows all of them alike; a turn
    begins with a warm-up that is not counted, and what is reported is the median.

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


def _rows(X: Any, rows: np.ndarray | slice) -> Any:
    """The rows of a frame or an array, in its own form."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _alternate(predictors: Mapping[str, Predictor], inputs: list, seconds: float, max_runs: int) -> dict:
    """Seconds of each run of each predictor, which take turns; at least three runs of each."""
    times: dict[str, list[float]] = {name: [] for name in predictors}
    end = time.perf_counter() + seconds * len(predictors)
    while min(map(len, times.values())) < 3 or time.perf_counter() < end:
        for name, predict in predictors.items():
            times[name] += _turn(predict, inputs, len(times[name]))
        if min(map(len, times.values())) >= max_runs:
            break
    return {name: found[:max_runs] for name, found in times.items()}


def _turn(predict: Predictor, inputs: list, first: int) -> list[float]:
    """Seconds of the runs of one turn, once the threads that the others left spinning have gone to sleep."""
    start = time.perf_counter()
    times: list[float] = []
    while not times or time.perf_counter() - start < _WARM_UP + _MEASURED:
        began = time.perf_counter()
        predict(inputs[(first + len(times)) % len(inputs)])
        ended = time.perf_counter()
        if began - start >= _WARM_UP:
            times.append(ended - began)
    return times


def compare_speed(model: Any, exported: Any, X: Any, **options: Any) -> dict[str, Any]:
    """Speed of a distilled model's exported student and of its teacher, frame in and scores out.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        Its `teacher_` is measured by its own `predict_proba` or `predict`.
    exported : ExportedStudent
        What `tabkd.load` gave for the exported student.
    X : frame or array
        Where the rows come from.
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
