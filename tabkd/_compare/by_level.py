"""Alerts and scores by the levels of a segment column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tabkd._compare.alerts import Alerts
from tabkd._compare.score_shift import Stability
from tabkd._compare.segments import Levels
from tabkd._reference import N_BINS, stability_index


def by_level(levels: Levels, alerts: Sequence[Alerts], moved: Stability | None) -> list[dict[str, Any]]:
    """The rows, stability index and alerts of each level of a segment column."""
    names, codes = levels.found()
    rows = np.bincount(codes, minlength=len(names))
    by_budget = [of_budget.by_level(codes, len(names)) for of_budget in alerts]
    index: list[float | None] = [None] * len(names)
    if moved is not None:
        bins = (moved.old, moved.new)
        crossed = (np.bincount(codes * N_BINS + of_model, minlength=len(names) * N_BINS) for of_model in bins)
        old, new = (times.reshape(len(names), N_BINS) for times in crossed)
        index = [stability_index(old[k], new[k]) for k in range(len(names))]
    return [
        {"level": name, "rows": int(rows[k]), "psi": index[k], "review": [of_budget[k] for of_budget in by_budget]}
        for k, name in enumerate(names)
    ]
