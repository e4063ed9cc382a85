"""How many threads are worth starting."""

from __future__ import annotations

import os
import sys
from numbers import Integral

# Below so many values LightGBM, and below so many rows XGBoost, gains little from threads. They meet many times for
# each tree and spin while they wait; if another program keeps a core busy, each meeting takes milliseconds.
_FEW_VALUES, _FEW_ROWS = 500_000, 5_000


def check_n_jobs(n_jobs: int | None) -> None:
    """Refuse anything but a number of threads.

    Raises
    ------
    ValueError
        If `n_jobs` is neither a whole number other than 0 nor None.
    """
    if n_jobs is None or (isinstance(n_jobs, Integral) and not isinstance(n_jobs, bool) and n_jobs):
        return
    raise ValueError(
        f"n_jobs is {n_jobs!r}; expected a number of threads such as 2, or -1 for all cores, -2 for all but one and so "
        "on, or None for all cores."
    )


def n_threads(n_jobs: int | None) -> int:
    """The number of threads that `n_jobs` means, None for all cores; 1 inside a joblib worker, as all cores are busy.

    Examples
    --------
    >>> n_threads(3), n_threads(-1) == n_threads(None)
    (3, True)
    """
    check_n_jobs(n_jobs)
    n_jobs = -1 if n_jobs is None else int(n_jobs)
    if "joblib" in sys.modules:  # it is imported in each of its workers
        return sys.modules["joblib"].effective_n_jobs(n_jobs)
    return n_jobs if n_jobs > 0 else max(_n_cores() + 1 + n_jobs, 1)


def _n_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lightgbm_threads(n_jobs: int | None, n_values: int) -> int:
    """LightGBM's `num_threads`: if `n_jobs` is None, one for few values (rows × columns), otherwise all cores."""
    return n_threads(1 if n_jobs is None and n_values < _FEW_VALUES else n_jobs)


def xgboost_threads(n_jobs: int | None, n_rows: int) -> int:
    """XGBoost's `nthread`: if `n_jobs` is None, one for few rows, otherwise all cores."""
    return n_threads(1 if n_jobs is None and n_rows < _FEW_ROWS else n_jobs)
