"""Contributions over test rows: which columns count most, and in which direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tabkd._distilled import Distilled

_ROWS, _POINTS, _COLUMNS = 400, 120, 10


def importance(model: Distilled, codes: np.ndarray, random_state: int) -> dict[str, Any] | None:
    """How much each column contributes to the scores of some test rows.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The fitted model.
    codes : ndarray of shape (n, d), float64
        The test rows.
    random_state : int
        Draws the rows.

    Returns
    -------
    dict or None
        rows: how many; columns: the mean of the absolute contribution of each column, over all scores, the largest
        first; points: for one score and the first columns, the contribution in some rows, and the rank of the value in
        its column, from 0 to 1 (None for a category or a missing value). None for a student without contributions.
    """
    rows = np.random.default_rng(random_state).permutation(len(codes))[:_ROWS]
    try:
        values = model._explain_codes(codes[rows])
    except NotImplementedError:
        return None
    size = np.abs(values).mean(axis=(0, 1))
    order = np.argsort(-size, kind="stable")
    titles = model.schema_.titles
    found: dict[str, Any] = {"rows": len(rows), "columns": {titles[i]: float(size[i]) for i in order.tolist()}}
    if values.shape[1] == 1:
        shown = order[:_COLUMNS].tolist()
        found["points"] = {titles[i]: _points(model, codes[rows, i], values[:, 0, i], i) for i in shown}
    return found


def _points(model: Distilled, codes: np.ndarray, values: np.ndarray, i: int) -> list[list[float | None]]:
    ranks = np.full(len(codes), np.nan)
    if model.schema_.columns[i].kind == "numeric":
        present = np.sort(codes[~np.isnan(codes)])
        middle = (np.searchsorted(present, codes, "left") + np.searchsorted(present, codes, "right")) / 2
        ranks = np.where(np.isnan(codes), np.nan, middle / max(len(present), 1))
    pairs = zip(values[:_POINTS].tolist(), ranks[:_POINTS].tolist(), strict=True)
    return [[float(f"{value:.4g}"), None if np.isnan(rank) else round(rank, 3)] for value, rank in pairs]
