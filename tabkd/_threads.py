"""How many threads are worth starting."""

from __future__ import annotations

from joblib import effective_n_jobs

# Below this many rows the threads of OpenMP wait for each other longer than they work.
_FEW_ROWS = 5_000


def n_threads(n_jobs: int | None) -> int:
    """How many threads `n_jobs` means, None for all cores; 1 in a worker of joblib, for the others use the rest."""
    return effective_n_jobs(-1 if n_jobs is None else n_jobs)


def lightgbm_threads(n_jobs: int | None, n_rows: int) -> int:
    """LightGBM's `num_threads`: one for few rows, 0 for all cores where `n_jobs` leaves it open."""
    if n_jobs is not None:
        return n_threads(n_jobs)
    return 1 if n_rows < _FEW_ROWS else 0
