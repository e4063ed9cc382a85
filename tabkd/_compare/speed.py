"""How fast both models are on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabkd._compare.models import Model, Student
from tabkd._compare.one_pass import ScoredRows
from tabkd._pace import alternate, pace

# Seconds that each model is timed, for batches and again for single rows.
_SECONDS, _MOST_RUNS = 0.5, 300


def speed(old: Model, new: Student, scored_rows: ScoredRows) -> dict[str, Any]:
    """Rows per second of a batch and the latency of one row, of each model that can be timed."""
    given: Mapping[str, Any] = {"old": old.timed(scored_rows.sample), "new": new.timed(scored_rows.sample)}
    models = {name: of_model for name, of_model in given.items() if of_model is not None}
    n_rows = scored_rows.sample.num_rows
    batches = {name: (lambda _, m=model: m.predict(m.batch)) for name, model in models.items()}
    rows = {name: (lambda i, m=model: m.predict(m.rows[i])) for name, model in models.items()}
    at_batch = alternate(batches, [0], _SECONDS, _MOST_RUNS)
    at_row = alternate(rows, range(n_rows), _SECONDS, _MOST_RUNS)
    return {"batch_size": n_rows} | {name: pace(n_rows, at_batch[name], at_row[name]) for name in models}
