"""How many threads are worth starting."""

from __future__ import annotations

import os
import sys
from numbers import Integral

# Below this many rows the threads of OpenMP wait for each other longer than they work.
_FEW_ROWS = 5_000


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


def lightgbm_threads(n_jobs: int | None, n_rows: int) -> int:
    """LightGBM's `num_threads`: if `n_jobs` is None, one for few rows, otherwise 0 for all cores."""
    if n_jobs is not None:
        return n_threads(n_jobs)
    return 1 if n_rows < _FEW_ROWS else 0
