"""What a student learns of the rows that its teacher was fitted on.

A fully grown forest, or a booster without early stopping, repeats the labels of its own rows. A student that learns
these answers learns the noise in the labels. A copy that is fitted without some rows shows how much better the teacher
is on them than it ought to be. The answers of a frozen teacher close to its own rows, for which no labels are needed,
show whether it has memorized these. Labels with little noise mislead little, so then the student learns the teacher's
answers as they are.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from tabkd._tables.schema import TableSchema
from tabkd._task import Task
from tabkd.augment._neighbours import distinct_neighbours
from tabkd.teachers._out_of_bag import out_of_bag_targets
from tabkd.teachers._out_of_fold import fold_targets, out_of_fold_targets
from tabkd.teachers._teacher import is_frozen, teacher_name

Ask = Callable[[np.ndarray], np.ndarray]

# Fewer rows show nothing.
_LEAST_ROWS = 50
_FOLDS = 5
# By how much a teacher's squared error on a row may be smaller for having been fitted on it.
_MOST_OPTIMISM = 0.25
# Labels with less noise mislead less than answers of copies that lack the row.
_LEAST_NOISE = 0.35
# Own rows at which a teacher's answers are compared with those to rows close to them.
_MOST_ROWS = 4000
# Rows among which those near to these are looked for.
_MOST_NEAR = 20_000
# A frozen teacher has memorized its rows if its answers change more than this many times as much between one of its own
# rows and a close row as between two close rows, and the difference is this many standard errors. On other rows
# teachers of all kinds have at most 1.32.
_LEAST_RATIO, _LEAST_ERRORS = 1.35, 4.0
# The mean of this many answers close to a row replaces its answer; of fewer if that would be more than this in total.
_BESIDE, _MOST_BESIDE = 8, 100_000


class OwnRows(NamedTuple):
    """How the answers to the labelled rows were found.

    Attributes
    ----------
    source : {"teacher", "out-of-bag", "out-of-fold", "beside"}
        The fitted teacher; those of its members that were not fitted on a row; copies that were not fitted on it; or
        the mean of the teacher's answers close to the row.
    optimism : float or None
        By how much the teacher's squared error on rows is smaller than that of a copy that was not fitted on them, as
        a share. None if no copy was fitted.
    spikes : float or None
        The mean squared change of the teacher's answers from one of its own rows to a row close to it, divided by that
        between two such close rows. None if it was not measured.
    noise : float or None
        How far labels are from the answers of members or copies that were not fitted on them, or from those close to
        the rows; see `label_noise`. If it is small, the source is the teacher. None if it was not measured.
    """

    source: str
    optimism: float | None = None
    spikes: float | None = None
    noise: float | None = None

    @property
    def is_noisy(self) -> bool:
        """Whether a student that learns the labels would learn much noise."""
        return self.noise is None or self.noise >= _LEAST_NOISE


class Refit(NamedTuple):
    """Everything that is needed to fit the teacher again.

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
    task : Task
        The classes, or that there are none.
    """

    teacher: Any
    X: Any
    y: np.ndarray
    params: dict[str, Any]
    task: Task

    def folds(self, seed: int) -> list[tuple[np.ndarray, np.ndarray]] | None:
        """The rows of five folds, or None for a frozen teacher, and where a class is missing from a fold."""
        stratified = self.task.classes is not None
        rarest = np.unique(self.y, return_counts=True)[1].min() if stratified else len(self.y)
        if is_frozen(self.teacher) or rarest < _FOLDS:
            return None
        folds = StratifiedKFold if stratified else KFold
        return list(folds(_FOLDS, shuffle=True, random_state=seed).split(np.zeros(len(self.y)), self.y))

    def out_of_fold(
        self,
        cv: Any,
        n_jobs: int | None,
        split_params: dict[str, Any] | None = None,
        first: np.ndarray | None = None,
    ) -> np.ndarray:
        """The answers (n, K) of copies that were not fitted on the row; those to the first fold may be known."""
        return out_of_fold_targets(
            self.teacher, self.X, self.y, cv, self.params, self.task.classes, n_jobs, split_params, first
        )

    def answers_unseen(self, answers: np.ndarray, seed: int, n_jobs: int | None) -> tuple[np.ndarray, OwnRows] | None:
        """The answers (n, K), or out-of-fold ones if the first fold shows too much optimism; None without folds."""
        folds = self.folds(seed)
        if folds is None:
            return None
        train, test = folds[0]
        first = fold_targets(self.teacher, self.X, self.y, train, test, self.params, self.task.classes)
        optimism = _optimism(answers[test], first, self.task.targets(self.y[test]))
        found = OwnRows("out-of-fold", optimism, noise=self.noise(first, test))
        if optimism <= _MOST_OPTIMISM or not found.is_noisy:
            return answers, found._replace(source="teacher")
        return self.out_of_fold(folds, n_jobs, first=first), found

    def noise(self, answers: np.ndarray, rows: slice | np.ndarray = slice(None)) -> float | None:
        """How far the labels of some rows are from answers (n, K) to them; None if all answers are equal."""
        right = self.task.targets(self.y[rows])
        noise = label_noise(answers, right, np.ones(len(right)), is_scaled=self.task.classes is None)
        return noise if math.isfinite(noise) else None


def label_noise(answers: np.ndarray, targets: np.ndarray, weights: np.ndarray, is_scaled: bool) -> float:
    """How far labels are from the answers to their rows, as a share of the spread of the answers.

    Parameters
    ----------
    answers, targets : array of shape (n, K)
        The teacher's answers, and the targets that the labels alone give.
    weights : array of shape (n,)
        The weights of the rows.
    is_scaled : bool
        Whether each output is scaled by its own spread, as for values, or all have one unit, as for probabilities.

    Returns
    -------
    float
        A mean squared distance over the mean squared distance from the mean answer; infinite if all answers are equal,
        or no row has a weight.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd._own_rows import label_noise
    >>> label_noise(np.array([[1.0], [3.0]]), np.array([[1.5], [2.5]]), np.ones(2), is_scaled=True)
    0.25
    """
    if not weights.any():
        return math.inf
    mean = np.average(answers, axis=0, weights=weights)
    errors, spreads = (np.average((answers - from_) ** 2, axis=0, weights=weights) for from_ in (targets, mean))
    if not spreads.all() if is_scaled else not spreads.any():
        return math.inf
    return float((errors / spreads).mean() if is_scaled else errors.sum() / spreads.sum())


def _optimism(answers: np.ndarray, unseen: np.ndarray, right: np.ndarray) -> float:
    """By how much answers have a smaller squared error than those of a copy that was not fitted on the rows."""
    usual = ((unseen - right) ** 2).sum()
    return float(1 - ((answers - right) ** 2).sum() / usual) if usual else 0.0


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
    """The answers to the labelled rows that a student learns: the teacher's, without what it has memorized.

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
        The seed of the close rows and of the folds.
    n_jobs : int or None
        Threads of the neighbour search, and folds that are fitted at a time.

    Returns
    -------
    answers : array of shape (n, K)
    found : OwnRows
    """
    out_of_bag = out_of_bag_targets(fitted, again.X, again.task.classes)
    if out_of_bag is not None:
        return _less_noisy(answers, out_of_bag, OwnRows("out-of-bag", noise=again.noise(out_of_bag)))
    if len(codes) < _LEAST_ROWS:
        return answers, OwnRows("teacher")
    try:
        unseen = again.answers_unseen(answers, seed, n_jobs)
    except Exception as error:  # a copy may raise any error, as for a category that only the rows of one fold have
        warnings.warn(
            f"A copy of teacher {teacher_name(again.teacher)} without a fifth of the rows failed with "
            f"{type(error).__name__}: {shorten(str(error), 200)} So its answers close to its rows decide whether it "
            "has memorized them. Pass cv=None to learn its answers as they are.",
            UserWarning,
            stacklevel=4,
        )
        unseen = None
    if unseen is not None:
        return unseen
    rng = np.random.RandomState(seed)
    order = rng.permutation(len(codes))
    some, among = order[:_MOST_ROWS], order[:_MOST_NEAR]
    neighbours = among[distinct_neighbours(schema, codes[among], _BESIDE, n_jobs, np.arange(len(some)))]
    ratio, errors = spikes(ask, codes, some, neighbours, answers, rng)
    if ratio <= _LEAST_RATIO or errors <= _LEAST_ERRORS:
        return answers, OwnRows("teacher", spikes=ratio)
    neighbours = distinct_neighbours(schema, codes, max(1, min(_BESIDE, _MOST_BESIDE // len(codes))), n_jobs)
    beside = answers_beside(ask, codes, neighbours, rng)
    return _less_noisy(answers, beside, OwnRows("beside", spikes=ratio, noise=again.noise(beside)))


def _less_noisy(answers: np.ndarray, unseen: np.ndarray, found: OwnRows) -> tuple[np.ndarray, OwnRows]:
    """The answers (n, K) that the teacher has not memorized; but its own answers if labels have little noise."""
    return (unseen, found) if found.is_noisy else (answers, found._replace(source="teacher"))


def spikes(
    ask: Ask,
    codes: np.ndarray,
    some: np.ndarray,
    neighbours: np.ndarray,
    answers: np.ndarray,
    rng: np.random.RandomState,
) -> tuple[float, float]:
    """How much more a teacher's answers change next to its own rows than between rows close to these.

    Parameters
    ----------
    ask : callable
        Gives the teacher's answers (n, K) to codes.
    codes : array of shape (n, d)
        Its own rows.
    some : array of int of shape (m,)
        The positions of the rows that are looked at.
    neighbours : array of int of shape (m, k)
        The positions of rows near these.
    answers : array of shape (n, K)
        The teacher's answers to its own rows.
    rng : RandomState

    Returns
    -------
    ratio, errors : float
        The mean squared change from a row to a close one divided by that between two close rows, and the difference in
        standard errors. Both pairs differ in half of the columns.

    Examples
    --------
    >>> rows = np.arange(2400.0).reshape(400, 6)
    >>> every, near = np.arange(400), np.roll(np.arange(400), 1)[:, None]
    >>> smooth, _ = spikes(lambda codes: codes, rows, every, near, rows, np.random.RandomState(0))
    >>> knows = lambda codes: (np.ptp(codes - np.arange(6), axis=1, keepdims=True) == 0).astype(float)
    >>> spiked, errors = spikes(knows, rows, every, near, knows(rows), np.random.RandomState(0))
    >>> smooth < 1.4 < spiked, errors > 3
    (True, True)
    """
    change, usual = np.zeros(len(some)), np.zeros(len(some))
    # Few rows are looked at from several sides.
    for k in range(-(-_MOST_ROWS // len(some))):
        rows, near = codes[some], codes[neighbours[:, k % neighbours.shape[1]]]
        one, other = (rng.random_sample(rows.shape) < 0.5 for _ in range(2))
        beside, further = ask(np.where(one, near, rows)), ask(np.where(one ^ other, near, rows))
        change += ((answers[some] - beside) ** 2).sum(axis=1)
        usual += ((beside - further) ** 2).sum(axis=1)
    if not usual.any():
        return (np.inf, np.inf) if change.any() else (1.0, 0.0)
    error = (change - usual).std() / np.sqrt(len(some))
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
