"""The results of a search: all candidates as columns, and the front of those that no other beats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tabkd._search.budget import Budget, front
from tabkd._search.candidates import Candidate


def as_columns(found: Sequence[Candidate], budget: Budget) -> dict[str, Any]:
    """The candidates as columns, as in `GridSearchCV.cv_results_`.

    Parameters
    ----------
    found : sequence of Candidate
        Measured.
    budget : Budget
        The budget.
    """
    results: dict[str, Any] = {"student": np.array([each.student for each in found], dtype=object)}
    for name in ("share", "n_bytes", "latency_us", "fidelity", "skill_kept"):
        results[name] = np.array([getattr(each.found, name) for each in found])
    results["mean_fit_time"] = np.array([each.found.fit_time for each in found])
    results["mean_test_score"] = results["fidelity"]
    results["meets_budget"] = np.array([budget.is_met(each.found) for each in found])
    order = np.lexsort((-results["fidelity"], -results["share"]))
    results["rank_test_score"] = np.empty(len(found), dtype=np.int32)
    results["rank_test_score"][order] = np.arange(1, len(found) + 1)
    for name in dict.fromkeys(name for each in found for name in each.params):
        column = np.ma.MaskedArray(np.empty(len(found), dtype=object), mask=True)
        for i, each in enumerate(found):
            if name in each.params:
                column[i] = each.params[name]
        results[f"param_{name}"] = column
    results["params"] = [each.params for each in found]
    return results


def as_front(candidates: Sequence[Candidate], chosen: Candidate) -> list[dict[str, Any]]:
    """The candidates that no other beats in both bytes and fidelity, and the chosen one, as plain values.

    Parameters
    ----------
    candidates : sequence of Candidate
        Measured.
    chosen : Candidate
        One of them.
    """
    line = front(candidates)
    shown = sorted(line if chosen in line else [*line, chosen], key=lambda each: each.found.n_bytes)
    return [
        {
            "student": each.student,
            "params": {name: _plain(value) for name, value in each.settings.items()},
            "n_bytes": each.found.n_bytes,
            "fidelity": each.found.fidelity,
            "skill_kept": each.found.skill_kept if math.isfinite(each.found.skill_kept) else None,
            "latency_us": each.found.latency_us,
            "share": each.found.share,
            "chosen": each is chosen,
        }
        for each in shown
    ]


def _plain(value: Any) -> Any:
    """A value for JSON; anything else as text."""
    return value if isinstance(value, (int, float, str)) else str(value)
