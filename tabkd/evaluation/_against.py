"""How often the student moves against its teacher when one column of a row is moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tabkd._classifier import DistilledClassifier
    from tabkd._regressor import DistilledRegressor

# The most moves, and the most rows that are moved: the teacher is asked about as many rows again.
_MOST_MOVES, _MOST_ROWS = 2000, 200
# How far a value is moved up: past this share of the column's values.
_STEP = 0.1
# A change that counts, in standard deviations of the teacher's answers.
_TOLERANCE = 0.01


def against_teacher(
    model: DistilledClassifier | DistilledRegressor, codes: np.ndarray, random_state: int
) -> dict[str, Any] | None:
    """Count how often teacher and student respond to a move of one numeric column in opposite directions.

    In some rows each numeric column is moved up by a tenth of its values. A move counts against the student if its
    score and the teacher's change in opposite directions, each by more than a hundredth of the standard deviation of
    the teacher's scores. The score of two classes is the probability of the second.

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
        share: the share of moves that go against the teacher; moves: their number; columns: the share of each column
        with such moves, the largest first. None for more than two classes or several targets, and without a column to
        move.
    """
    rows, columns, values = moves(codes, model.schema_.positions("numeric"), np.random.default_rng(random_state))
    single = model._task.is_single(model._student.n_outputs_)
    if not single or not len(rows):
        return None
    base, row_of = np.unique(rows, return_inverse=True)
    moved = codes[rows]
    moved[np.arange(len(rows)), columns] = values
    asked = np.vstack([codes[base], moved])
    answers = model._asked(asked)[:, -1]
    scores = model._scores_of_codes(asked)[:, -1]
    changes = [score[len(base) :] - score[: len(base)][row_of] for score in (answers, scores)]
    least = _TOLERANCE * answers[: len(base)].std()
    against = (np.minimum(*np.abs(changes)) > least) & (changes[0] * changes[1] < 0)
    shares = {str(model.schema_.names[i]): float(against[columns == i].mean()) for i in np.unique(columns)}
    worst = dict(sorted(((name, share) for name, share in shares.items() if share), key=lambda item: -item[1]))
    return {"share": float(against.mean()), "moves": len(rows), "columns": worst}


def moves(
    codes: np.ndarray, numeric: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some rows, a column of each, and the larger value that the column is moved to there.

    Missing values, and the largest of a column, are not moved.

    Examples
    --------
    >>> rows, columns, values = moves(np.array([[1.0], [np.nan], [2.0]]), np.array([0]), np.random.default_rng(0))
    >>> rows.tolist(), columns.tolist(), values.tolist()
    ([0], [0], [2.0])
    """
    chosen = rng.permutation(numeric)[:_MOST_MOVES]
    rows = rng.permutation(len(codes))[: min(_MOST_ROWS, _MOST_MOVES // max(len(chosen), 1))]
    found = [(np.empty(0, int), np.empty(0, int), np.empty(0))]
    for i in chosen:
        some, values = _moved_up(codes[:, i], rows)
        found.append((some, np.full(len(some), i), values))
    rows, columns, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows, columns, values


def _moved_up(column: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows whose value can be moved up, and their new values: past equal ones, and a tenth of all."""
    present = np.sort(column[~np.isnan(column)])
    rows = rows[column[rows] < present.max(initial=-np.inf)]
    place = np.searchsorted(present, column[rows], side="right") + int(_STEP * len(present))
    return rows, present[np.minimum(place, len(present) - 1)]
