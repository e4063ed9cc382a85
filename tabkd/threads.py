"""How many threads are worth starting."""

from __future__ import annotations

# Below this many rows the threads of OpenMP wait for each other longer than they work.
_FEW_ROWS = 5_000


def lightgbm_threads(n_jobs: int | None, n_rows: int) -> int:
    """LightGBM's `num_threads`: one for few rows, 0 for all cores where `n_jobs` leaves it open."""
    if n_jobs is not None and n_jobs > 0:
        return n_jobs
    return 1 if n_rows < _FEW_ROWS else 0
