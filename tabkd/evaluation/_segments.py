"""Where student and teacher disagree most: ranges and levels of each column, and single rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabkd._tables.schema import TableSchema
from tabkd.evaluation import _metrics as measure
from tabkd.evaluation._scores import Scores
from tabkd.evaluation._single_score import SingleScore

# Parts of a numeric column, levels of a categorical one, and the fewest rows of a part.
_PARTS, _LEVELS, _LEAST_ROWS = 4, 6, 30
_MOST_SEGMENTS, _MOST_ROWS = 12, 8


def segments(schema: TableSchema, codes: np.ndarray, found: SingleScore, scores: Scores) -> list[dict[str, Any]]:
    """The ranges and levels in which the student is farthest from the teacher, the farthest first.

    Parameters
    ----------
    schema : TableSchema
        The columns.
    codes : ndarray of shape (n, d), float64
        The test rows.
    found : SingleScore
        The scores of teacher and student.
    scores : Scores
        The same ones, with the truth.

    Returns
    -------
    list of dict
        column; segment, as readable text; rows; difference, the mean distance of student and teacher there; times, its
        multiple of the mean over all rows; teacher_loss and student_loss, the mean log-loss or squared error.
    """
    gap = np.abs(found.student - found.teacher)
    losses = {name: _losses(scores, name) for name in ("teacher", "student")}
    overall = float(np.average(gap, weights=found.weights))
    parts: list[dict[str, Any]] = []
    for i, title in enumerate(schema.titles):
        for label, rows in _parts(schema, i, codes[:, i]):
            weights = found.weights[rows]
            if len(rows) < _LEAST_ROWS or len(rows) == len(codes) or not weights.sum() > 0:
                continue
            mean = float(np.average(gap[rows], weights=weights))
            part = {"column": title, "segment": label, "rows": len(rows), "difference": mean}
            part["times"] = mean / overall if overall > 0 else 1.0
            for name, loss in losses.items():
                part[f"{name}_loss"] = float(np.average(loss[rows], weights=weights))
            parts.append(part)
    return sorted(parts, key=lambda part: -part["difference"])[:_MOST_SEGMENTS]


def worst_rows(schema: TableSchema, codes: np.ndarray, found: SingleScore) -> list[dict[str, Any]]:
    """The rows in which student and teacher are farthest apart.

    Returns
    -------
    list of dict
        row, its position; teacher, student and outcome; values, by the names of the columns.
    """
    order = np.argsort(-np.abs(found.student - found.teacher), kind="stable")[:_MOST_ROWS]
    return [
        {
            "row": int(k),
            "teacher": float(found.teacher[k]),
            "student": float(found.student[k]),
            "outcome": float(found.outcome[k]),
            "values": readable_row(schema, codes[k]),
        }
        for k in order
    ]


def readable_row(schema: TableSchema, codes: np.ndarray) -> dict[str, Any]:
    """A row as JSON values, by the names of its columns; None for missing and unseen values."""
    values: dict[str, Any] = {}
    for column, title, code in zip(schema.columns, schema.titles, codes.tolist(), strict=True):
        if np.isnan(code) or (column.kind == "categorical" and code >= len(column.categories)):
            values[title] = None
        elif column.kind == "categorical":
            level = column.categories[int(code)]
            values[title] = level.item() if isinstance(level, np.generic) else level
        else:
            values[title] = bool(code) if column.boolean else int(code) if column.integer else code
    return values


def _losses(scores: Scores, name: str) -> np.ndarray:
    if scores.task == "classification":
        return measure.log_losses(scores.truth, measure.normalised(scores[name]))
    return (scores[name].reshape(-1) - scores.truth.reshape(-1)) ** 2


def _parts(schema: TableSchema, i: int, codes: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The parts of a column, each with its rows."""
    column = schema.columns[i]
    missing = np.isnan(codes)
    parts = [("missing", np.flatnonzero(missing))]
    if column.kind == "categorical":
        times = np.bincount(codes[~missing].astype(np.int64), minlength=len(column.categories))
        known = np.argsort(-times[: len(column.categories)], kind="stable")[:_LEVELS]
        parts += [(f"{column.categories[k]}", np.flatnonzero(codes == k)) for k in known]
        rest = ~missing & ~np.isin(codes, known)
        return [*parts, ("another category", np.flatnonzero(rest))]
    present = codes[~missing]
    if not len(present):
        return parts
    if column.boolean:
        return [*parts, ("false", np.flatnonzero(codes == 0)), ("true", np.flatnonzero(codes == 1))]
    edges = np.unique(np.quantile(present, np.linspace(0, 1, _PARTS + 1)[1:-1], method="lower"))
    edges = edges[edges < present.max()]
    places = np.where(missing, -1, np.searchsorted(edges, codes, side="left"))
    for k in range(len(edges) + 1):
        low = f"over {edges[k - 1]:.4g}" if k else ""
        high = f"up to {edges[k]:.4g}" if k < len(edges) else ""
        parts.append((" ".join(filter(None, [low, high])), np.flatnonzero(places == k)))
    return parts
