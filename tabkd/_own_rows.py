"""What a student learns of the rows that its teacher was fitted on.

A forest grown full, or a booster that was never stopped, repeats the labels of its own rows. A student that learns
these answers learns the noise of the labels. Right beside its own rows such a teacher answers otherwise, which shows
that it knows them by heart, without any label and also where the teacher is frozen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from tabkd._tables.schema import TableSchema
from tabkd.augment._neighbours import distinct_neighbours
from tabkd.teachers._out_of_bag import out_of_bag_targets
from tabkd.teachers._out_of_fold import out_of_fold_targets
from tabkd.teachers._teacher import is_frozen

Ask = Callable[[np.ndarray], np.ndarray]

# Largest number of rows that the teacher is asked about to see whether it knows its own by heart.
_MOST_ROWS = 4000
# Fewer rows show nothing.
_LEAST_ROWS = 50
# A teacher knows its rows by heart if its answers change by more than this factor as much between a row of its own
# and one beside it as between two that are beside, and by so many standard errors. Forests and boosters that were not
# stopped have 1.2 to 3.9 and 3 to 19 on their own rows; teachers of all kinds at most 1.3 and 3.6 on others.
_LEAST_RATIO, _LEAST_ERRORS = 1.2, 3.0
# Answers beside a row whose mean stands for the row.
_BESIDE = 8
_FOLDS = 5
# Longest time that the fits of the folds may take, in seconds, by that of the teacher itself.
_MOST_SECONDS = 300.0


class OwnRows(NamedTuple):
    """How the answers to the labelled rows were found.

    Attributes
    ----------
    source : {"teacher", "out-of-bag", "out-of-fold", "beside"}
        The fitted teacher; those of its members that were not fitted on a row; copies that were not fitted on it; or
        the mean of the teacher's answers right beside the row.
    ratio : float or None
        The mean squared change of the teacher's answers from a row to one beside it, over that between two beside.
        None if it was not measured.
    """

    source: str
    ratio: float | None = None


class Refit(NamedTuple):
    """What fitting the teacher again takes.

    Attributes
    ----------
    teacher : estimator
        The unfitted teacher, or the frozen one.
    X : frame or array of shape (n, d)
        The rows.
    y : array of shape (n,) or (n, K)
        Labels or values.
    params : dict
        Arguments of its fit.
    classes : array of shape (K,) or None
        The order of the columns.
    seconds : float
        The time that the fit took.
    """

    teacher: Any
    X: Any
    y: np.ndarray
    params: dict[str, Any]
    classes: np.ndarray | None
    seconds: float

    def is_reasonable(self) -> bool:
        """Whether copies can be fitted on folds: in time, and with rows of each class in every fold."""
        rarest = len(self.y) if self.classes is None else np.unique(self.y, return_counts=True)[1].min()
        return not is_frozen(self.teacher) and _FOLDS * self.seconds <= _MOST_SECONDS and rarest >= _FOLDS

    def out_of_fold(self, cv: Any, n_jobs: int | None, split_params: dict[str, Any] | None = None) -> np.ndarray:
        """The answers (n, K) of copies that were not fitted on the row."""
        return out_of_fold_targets(self.teacher, self.X, self.y, cv, self.params, self.classes, n_jobs, split_params)


def unlearnt_answers(
    fitted: Any,
    again: Refit,
    schema: TableSchema,
    codes: np.ndarray,
    answers: np.ndarray,
    ask: Ask,
    seed: int,
    n_jobs: int | None,
) -> tuple[np.ndarray, OwnRows]:
    """What a student learns of the labelled rows: the teacher's answers, but those that it knows by heart.

    Parameters
    ----------
    fitted : fitted estimator
        The teacher.
    again : Refit
        The same before its fit.
    schema : TableSchema
        The columns of the table.
    codes : array of shape (n, d)
        The labelled rows.
    answers : array of shape (n, K)
        The fitted teacher's answers to them.
    ask : callable
        Gives the fitted teacher's answers (n, K) to codes.
    seed : int
        Of the rows beside and of the folds.
    n_jobs : int or None
        Threads of the neighbour search, and folds that are fitted at a time.

    Returns
    -------
    answers : array of shape (n, K)
    found : OwnRows
    """
    out_of_bag = out_of_bag_targets(fitted, again.X, again.classes)
    if out_of_bag is not None:
        return out_of_bag, OwnRows("out-of-bag")
    if len(codes) < _LEAST_ROWS:
        return answers, OwnRows("teacher")
    neighbours = distinct_neighbours(schema, codes, _BESIDE, n_jobs)
    rng = np.random.RandomState(seed)
    ratio, errors = spikes(ask, codes, codes[neighbours[:, 0]], answers, rng)
    if ratio <= _LEAST_RATIO or errors <= _LEAST_ERRORS:
        return answers, OwnRows("teacher", ratio)
    if again.is_reasonable():
        folds = KFold if again.classes is None else StratifiedKFold
        cv = folds(_FOLDS, shuffle=True, random_state=seed)
        return again.out_of_fold(cv, n_jobs), OwnRows("out-of-fold", ratio)
    return answers_beside(ask, codes, neighbours, rng), OwnRows("beside", ratio)


def spikes(
    ask: Ask, rows: np.ndarray, near: np.ndarray, answers: np.ndarray, rng: np.random.RandomState
) -> tuple[float, float]:
    """How much more a teacher's answers change next to given rows than between rows beside these.

    Parameters
    ----------
    ask : callable
        Gives the teacher's answers (n, K) to codes.
    rows, near : array of shape (n, d)
        The rows, and a near one of each.
    answers : array of shape (n, K)
        The teacher's answers to the rows.
    rng : RandomState

    Returns
    -------
    ratio, errors : float
        The mean squared change from a row to one beside it over that between two beside, and the difference in
        standard errors. Both pairs differ in half of the columns, where the near row is another.

    Examples
    --------
    >>> rows = np.arange(800.0).reshape(400, 2)
    >>> smooth, _ = spikes(lambda codes: codes, rows, rows + 0.5, rows, np.random.RandomState(0))
    >>> knows = lambda codes: (codes == np.floor(codes)).all(axis=1, keepdims=True).astype(float)
    >>> spiked, errors = spikes(knows, rows, rows + 0.5, knows(rows), np.random.RandomState(0))
    >>> smooth < 1.2 < spiked, errors > 3
    (True, True)
    """
    some = rng.permutation(len(rows))[:_MOST_ROWS]
    rows, near, said = rows[some], near[some], answers[some]
    one, other = (rng.random_sample(rows.shape) < 0.5 for _ in range(2))
    beside, further = ask(np.where(one, near, rows)), ask(np.where(one ^ other, near, rows))
    change, usual = ((said - beside) ** 2).sum(axis=1), ((beside - further) ** 2).sum(axis=1)
    if not usual.any():
        return (np.inf, np.inf) if change.any() else (1.0, 0.0)
    error = (change - usual).std() / np.sqrt(len(rows))
    return float(change.mean() / usual.mean()), float((change - usual).mean() / error) if error else 0.0


def answers_beside(ask: Ask, codes: np.ndarray, neighbours: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """The mean answer to rows that have about half of their values from a near row, one for each neighbour.

    Parameters
    ----------
    ask : callable
        Gives the teacher's answers (n, K) to codes.
    codes : array of shape (n, d)
        The rows.
    neighbours : array of int of shape (n, k)
        The positions of near rows.
    rng : RandomState

    Returns
    -------
    array of shape (n, K)
    """
    beside = [np.where(rng.random_sample(codes.shape) < 0.5, codes[near], codes) for near in neighbours.T]
    return np.mean([ask(rows) for rows in beside], axis=0)


def timed(fit: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a call, and the seconds that it took."""
    start = time.perf_counter()
    return fit(), time.perf_counter() - start
