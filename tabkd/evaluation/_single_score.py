"""The one number by which teacher and student are compared row by row, and the outcome of the row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tabkd.evaluation._scores import Scores


class SingleScore(NamedTuple):
    """One score of each row.

    Attributes
    ----------
    teacher, student : ndarray of shape (n,)
        The scores.
    outcome : ndarray of shape (n,)
        Whether the event of which the score is the probability occurred, 0 or 1; or the true value.
    weights : ndarray of shape (n,)
        How much each row counts.
    name : str
        What the score is.
    """

    teacher: np.ndarray
    student: np.ndarray
    outcome: np.ndarray
    weights: np.ndarray
    name: str


def single_score(scores: Scores) -> SingleScore | None:
    """The probability of the second of two classes, or of the class that the teacher prefers, or the value.

    Parameters
    ----------
    scores : Scores
        Of teacher and student.

    Returns
    -------
    SingleScore or None
        None for several targets, which have no common unit.

    Examples
    --------
    >>> P = np.array([[0.8, 0.2], [0.4, 0.6]])
    >>> scores = Scores({"teacher": P, "student": P}, truth=np.array([0, 1]), classes=np.array(["no", "yes"]))
    >>> found = single_score(scores)
    >>> found.name, found.student.tolist(), found.outcome.tolist()
    ('probability of yes', [0.2, 0.6], [0.0, 1.0])
    """
    teacher, student = scores["teacher"], scores["student"]
    if scores.task == "regression":
        if teacher.ndim > 1 and teacher.shape[1] > 1:
            return None
        teacher, student, truth = (part.reshape(-1) for part in (teacher, student, scores.truth))
        return SingleScore(teacher, student, truth, scores.weights, "prediction")
    if len(scores.classes) == 2:
        hit = (scores.truth == 1).astype(np.float64)
        return SingleScore(teacher[:, 1], student[:, 1], hit, scores.weights, f"probability of {scores.classes[1]}")
    rows, top = np.arange(len(teacher)), teacher.argmax(axis=1)
    hit = (scores.truth == top).astype(np.float64)
    name = "probability of the class that the teacher prefers"
    return SingleScore(teacher[rows, top], student[rows, top], hit, scores.weights, name)
