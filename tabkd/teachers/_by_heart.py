"""Rows that a frozen teacher has memorized: scores of students on them are too good.

A teacher that has seen the labels of rows is right about them far more often than its own probabilities say, and more
often than a student that learns from it; it is also more certain of them than of other rows. The first two properties
need labels and are checked when a student is fitted; the last one does not.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from tabkd._tables.schema import TableSchema
from tabkd.teachers._answers import soft_targets_of_codes
from tabkd.teachers._teacher import teacher_name

# The largest loss of such a teacher, as a share of the loss that its own probabilities of the likeliest class predict.
# Fully grown forests and boosters without early stopping have .03 to .5 on rows that they were fitted on. Teachers of
# all kinds have .54 and more on other rows, unless nearly every row is easy; but then a student is as good.
_SHARE = 0.5
# A teacher must be right more often than its student by this number of standard errors, and this share of the rows.
_ERRORS_OF_STUDENT, _LEAD = 3.0, 0.05
# Such teachers are less certain of other rows by 3.7 to 39 standard errors, and of their own rows by at most 2.7.
_ERRORS = 3.0
_LEAST_ROWS = 100
# Largest number of rows that the teacher is asked about.
_MOST_ROWS = 1000
_EPS = 1e-12


class KnownRows(NamedTuple):
    """How certain a teacher is of rows that it has memorized.

    Attributes
    ----------
    mean, variance : float
        The mean and the variance of the entropies of its probabilities, in nats.
    n : int
        The number of rows.
    """

    mean: float
    variance: float
    n: int

    def are_like(self, probabilities: np.ndarray) -> bool:
        """Whether the teacher is as certain of other rows, by its probabilities (n, K); False for a handful of rows."""
        entropies = _entropies(probabilities)
        error = np.sqrt(self.variance / self.n + entropies.var() / max(len(entropies), 1))
        return bool(len(entropies) >= _LEAST_ROWS and entropies.mean() - self.mean <= _ERRORS * error)


def known_rows(probabilities: np.ndarray, codes: np.ndarray, of_student: np.ndarray) -> KnownRows | None:
    """The rows, if the probabilities fit their labels better than they could fit those of new rows; otherwise None.

    Only the likeliest class is compared with the label: a forest that spreads the rest over many classes is less
    certain than it could be, of new rows too.

    Parameters
    ----------
    probabilities : array of shape (n, K)
        The teacher's answers to the rows.
    codes : array of int of shape (n,)
        The position of each row's label among the K classes.
    of_student : array of shape (n, K)
        The answers of a student of the teacher to the same rows.

    Examples
    --------
    >>> codes = np.arange(1000) % 2
    >>> said = np.where(codes[:, None] == [0, 1], 0.8, 0.2)
    >>> wrong = np.arange(1000) % 5 == 0
    >>> of_student = np.where(wrong[:, None], 1 - said, said)
    >>> known_rows(said, codes, of_student) is not None
    True
    >>> known_rows(said, codes, said) is None
    True
    >>> known_rows(said, np.where(wrong, 1 - codes, codes), of_student) is None
    True
    """
    if len(codes) < _LEAST_ROWS:
        return None
    right, likewise = probabilities.argmax(axis=1) == codes, of_student.argmax(axis=1) == codes
    certain = np.clip(probabilities.max(axis=1), _EPS, 1 - _EPS)
    loss = -np.log(np.where(right, certain, 1 - certain)).mean()
    # A teacher that is quite certain, and right about every row, has neither loss nor entropy.
    if loss >= max(_SHARE * _entropies(np.column_stack([certain, 1 - certain])).mean(), 1e-9):
        return None
    only_teacher, only_student = (right & ~likewise).sum(), (likewise & ~right).sum()
    error = np.sqrt(only_teacher + only_student)
    if only_teacher - only_student <= max(_ERRORS_OF_STUDENT * error, _LEAD * len(codes)):
        return None
    entropies = _entropies(probabilities)
    return KnownRows(float(entropies.mean()), float(entropies.var()), len(codes))


def warn_if_scored(known: KnownRows, teacher: Any, schema: TableSchema, X: Any, classes: np.ndarray | None) -> None:
    """Warn if scored rows, `X` of shape (n, d), are like those that a frozen teacher has memorized."""
    codes = schema.encode(X)
    some = codes[:: -(-len(codes) // _MOST_ROWS)]
    if known.are_like(soft_targets_of_codes(teacher, schema, some, classes)):
        warnings.warn(
            f"The frozen teacher {teacher_name(teacher)} seems to have memorized the rows that its student is scored "
            "on, so the scores are too good. Hold rows out of the teacher and score on these, for example with "
            "sklearn.model_selection.PredefinedSplit, or pass an unfitted teacher.",
            UserWarning,
            stacklevel=3,
        )


def _entropies(probabilities: np.ndarray) -> np.ndarray:
    P = np.clip(probabilities, _EPS, 1)
    return -(P * np.log(P)).sum(axis=1)
