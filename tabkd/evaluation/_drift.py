"""How far the test rows are from the training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd._bins import Bins
from tabkd._reference import counts, ranked, stability_index

if TYPE_CHECKING:
    from tabkd._distilled import Distilled


def drift(model: Distilled, codes: np.ndarray, student: np.ndarray) -> dict[str, Any]:
    """The stability index of each column and of the scores, and the missing values of each column.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The fitted model; its `reference_` describes the training rows.
    codes : ndarray of shape (n, d), float64
        The test rows.
    student : ndarray of shape (n, K)
        The student's scores.

    Returns
    -------
    dict
        score_stability_index, and columns: for each its stability_index, missing and missing_in_training; the
        summary of `tabkd score` has the same numbers.
    """
    known = model.reference_
    columns = {}
    for i, title in enumerate(model.schema_.titles):
        values, part = codes[:, i], known["columns"][i]
        missing = np.isnan(values)
        index = None
        if part is not None and not missing.all():
            index = round(stability_index(np.array(part["shares"]), _counts(part, values)), 6)
        columns[title] = {
            "stability_index": index,
            "missing": round(float(missing.mean()), 6),
            "missing_in_training": known["missing"][i],
        }
    of_scores = counts(ranked(student, model._task.name), known["edges"])
    return {
        "score_stability_index": round(stability_index(np.array(known["shares"]), of_scores), 6),
        "columns": columns,
    }


def _counts(part: dict[str, list], values: np.ndarray) -> np.ndarray:
    if "edges" in part:
        return Bins(part["edges"]).counts_of_numbers(values, int(np.isnan(values).sum()))
    levels, times = np.unique(values[~np.isnan(values)].astype(np.int64), return_counts=True)
    return Bins(None, part["levels"]).counts_of_categories(levels.tolist(), times)
