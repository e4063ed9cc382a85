"""The scores of every contestant on the test rows: made once, and kept for everything that needs them later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np


@dataclass(frozen=True, eq=False, repr=False)
class Scores(Mapping[str, np.ndarray]):
    """What every contestant predicts for the test rows, next to the truth.

    A mapping from the name of a contestant ("teacher", "student", "hard", "small", "prior") to its scores: float64 of
    shape (n, K) for classes, of the shape of `truth` for real values. Two of these are equal only if they are the same
    object.

    Attributes
    ----------
    by_contestant : dict of str to array
        The scores, in the order of the report.
    truth : array of shape (n,) or (n, n_outputs)
        For classes the position of each row's label in `classes`, otherwise the real values.
    sample_weight : array of shape (n,) or None
        How much each row counts; None if no weights were given.
    classes : array of shape (K,)
        The labels, in the order of the columns of the scores; empty for a regression.

    Examples
    --------
    >>> student, classes = np.array([[0.9, 0.1], [0.4, 0.6]]), np.array(["no", "yes"])
    >>> scores = Scores({"student": student}, truth=np.array([0, 1]), classes=classes)
    >>> scores
    <Scores of student on 2 rows>
    >>> scores.classes[scores["student"].argmax(axis=1)].tolist()
    ['no', 'yes']
    """

    by_contestant: Mapping[str, np.ndarray]
    truth: np.ndarray
    sample_weight: np.ndarray | None = None
    classes: np.ndarray = field(default_factory=lambda: np.array([]))

    def __getitem__(self, contestant: str) -> np.ndarray:
        return self.by_contestant[contestant]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_contestant)

    def __len__(self) -> int:
        return len(self.by_contestant)

    # Those of a mapping would compare arrays, which does not give a single truth value.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<Scores of {', '.join(self)} on {len(self.truth):,} rows>"

    @property
    def task(self) -> Literal["classification", "regression"]:
        """What the scores are: probabilities of classes, or real values."""
        return "classification" if len(self.classes) else "regression"

    @property
    def weights(self) -> np.ndarray:
        """The weights of the rows, of shape (n,): ones if none were given."""
        return np.ones(len(self.truth)) if self.sample_weight is None else self.sample_weight

    def joined_by(self, contestant: str, scores: np.ndarray) -> Scores:
        """These scores and those of one more contestant.

        Parameters
        ----------
        contestant : str
            Its name.
        scores : array
            What it predicts for the same rows.
        """
        return replace(self, by_contestant={**self.by_contestant, contestant: scores})
