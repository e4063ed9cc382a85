"""The speed of predictors that take turns on one machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Predictor = Callable[[Any], object]
# Seconds of a turn that are not counted, and that are.
_WARM_UP, _MEASURED = 0.02, 0.03


def alternate(
    predictors: Mapping[str, Predictor], inputs: Sequence[Any], seconds: float, max_runs: int
) -> dict[str, list[float]]:
    """Seconds of each run of each predictor, which take turns; at least three runs of each.

    A turn takes a few hundredths of a second, so a busy machine slows all of them alike. It begins with a warm-up that
    is not counted.

    Parameters
    ----------
    predictors : mapping of str to callable
        Each takes one of the inputs.
    inputs : sequence
        The inputs that they get in turn.
    seconds : float
        About how long to measure each predictor.
    max_runs : int
        At most this many runs each.
    """
    times: dict[str, list[float]] = {name: [] for name in predictors}
    end = time.perf_counter() + seconds * len(predictors)
    while min(map(len, times.values())) < 3 or time.perf_counter() < end:
        for name, predict in predictors.items():
            times[name] += turn(predict, inputs, len(times[name]))
        if min(map(len, times.values())) >= max_runs:
            break
    return {name: found[:max_runs] for name, found in times.items()}


def turn(predict: Predictor, inputs: Sequence[Any], first: int) -> list[float]:
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


def pace(batch_size: int, of_batches: Sequence[float], of_rows: Sequence[float]) -> dict[str, float]:
    """Rows per second at a batch, and the latency of one row, from the seconds of runs.

    Parameters
    ----------
    batch_size : int
        Rows in a batch.
    of_batches, of_rows : sequence of float
        The seconds of runs on a batch, and of runs on one row.
    """
    return {
        "rows_per_second": batch_size / float(np.median(of_batches)),
        "batch_ms": 1e3 * float(np.median(of_batches)),
        "one_row_p50_us": 1e6 * float(np.quantile(of_rows, 0.5)),
        "one_row_p99_us": 1e6 * float(np.quantile(of_rows, 0.99)),
    }
