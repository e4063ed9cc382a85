"""How much the test rows can tell: losses resampled by rows, and intervals of their differences and ratios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import bootstrap

_MAX_BOOTSTRAP_ROWS = 20_000


@dataclass(frozen=True)
class Interval:
    """A measure with its bootstrap confidence interval.

    Attributes
    ----------
    value : float
        The measure on the test rows.
    low, high : float
        The ends of the interval; infinite where it is unbounded.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Resampled:
    """The mean loss of one contestant, and its means on resampled test rows.

    Two contestants of one :func:`resample` share their rows, so the difference of their `draws` is a paired bootstrap
    of the difference.

    Attributes
    ----------
    value : float
        The mean on the test rows.
    draws : array of shape (n_resamples,)
        The mean on each resample.
    """

    value: float
    draws: np.ndarray


def resample(
    losses: Mapping[str, ArrayLike],
    sample_weight: ArrayLike | None = None,
    *,
    n_resamples: int = 999,
    random_state: int = 0,
) -> dict[str, Resampled]:
    """Mean losses on the test rows and on their bootstrap resamples, which are the same for every contestant.

    Parameters
    ----------
    losses : mapping of str to array of shape (n,)
        The loss of each row, for each contestant.
    sample_weight : array of shape (n,), optional
        Rows are resampled together with their weights.
    n_resamples : int
        Bootstrap resamples.
    random_state : int
        Their seed.

    Returns
    -------
    dict of str to Resampled
        Without draws for fewer than two rows; NaN, without draws, for losses that are not all finite.
    """
    matrix = np.stack([np.asarray(values, dtype=np.float64) for values in losses.values()])
    if not np.isfinite(matrix).all():
        return {name: Resampled(np.nan, np.empty(0)) for name in losses}
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    values = matrix.mean(axis=1) if weights is None else matrix @ weights / weights.sum()
    draws = np.empty((len(matrix), 0))
    if matrix.shape[1] > 1:
        grouped, of_groups = _grouped(matrix, weights, random_state)
        draws = _drawn_means(grouped, of_groups, n_resamples, random_state)
    return {name: Resampled(float(values[i]), draws[i]) for i, name in enumerate(losses)}


def difference(a: Resampled, b: Resampled, confidence: float = 0.95) -> Interval:
    """The mean of a - b with its interval, which is unbounded for fewer than two rows.

    Parameters
    ----------
    a, b : Resampled
        Of one :func:`resample`.
    confidence : float
        The level of the interval.
    """
    value = a.value - b.value
    if not len(a.draws):
        return Interval(value, -np.inf, np.inf)
    tail = (1 - confidence) / 2
    low, high = np.quantile(a.draws - b.draws, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def share(reference: Resampled, student: Resampled, teacher: Resampled, confidence: float = 0.95) -> Interval:
    """The share of the teacher's gain over the reference that the student has; see :func:`kept_share`.

    Parameters
    ----------
    reference, student, teacher : Resampled
        Of one :func:`resample`.
    confidence : float
        The level of the interval.
    """
    value = float(_kept(reference.value, student.value, teacher.value))
    if not np.isfinite(value) or not len(reference.draws):
        return Interval(value, np.nan, np.nan)
    tail = (1 - confidence) / 2
    if np.mean(reference.draws <= teacher.draws) > tail:
        return Interval(value, -np.inf, np.inf)
    shares = _kept(reference.draws, student.draws, teacher.draws)
    low, high = np.nanquantile(shares, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def kept_share(
    reference: ArrayLike,
    student: ArrayLike,
    teacher: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    n_resamples: int = 999,
    confidence: float = 0.95,
    random_state: int = 0,
) -> Interval:
    """The share of the teacher's gain over a reference that the student has, with its interval.

    (mean(reference) - mean(student)) / (mean(reference) - mean(teacher)), all three the losses of the same
    rows. With the prior as the reference it is the *skill kept*, with the hard-label student as the
    reference the *recovered gap*.

    Parameters
    ----------
    reference, student, teacher : array of shape (n,)
        Losses of the test rows, lower is better.
    sample_weight : array of shape (n,), optional
        How much each row counts; equally without it.
    n_resamples : int
        Bootstrap resamples of the test rows, the same rows for all three.
    confidence : float
        The level of the interval.
    random_state : int
        The seed of the resamples.

    Returns
    -------
    Interval
        All NaN if the teacher gains nothing over the reference. The ends are infinite where the gain cannot be
        distinguished from zero at this confidence: a ratio is then unbounded (Fieller, 1954).
    """
    losses = {"reference": reference, "student": student, "teacher": teacher}
    drawn = resample(losses, sample_weight, n_resamples=n_resamples, random_state=random_state)
    return share(**drawn, confidence=confidence)


def mean_difference(
    a: ArrayLike,
    b: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    n_resamples: int = 999,
    confidence: float = 0.95,
    random_state: int = 0,
) -> Interval:
    """The mean of a - b over the test rows, with its bootstrap interval.

    Parameters
    ----------
    a, b : array of shape (n,)
        Losses of the same rows.
    sample_weight, n_resamples, confidence, random_state
        As :func:`kept_share`.
    """
    drawn = resample({"a": a, "b": b}, sample_weight, n_resamples=n_resamples, random_state=random_state)
    return difference(drawn["a"], drawn["b"], confidence)


def _drawn_means(losses: np.ndarray, weights: np.ndarray | None, n_resamples: int, random_state: int) -> np.ndarray:
    """Means of each row of `losses` (C, n) over resampled columns, of shape (C, n_resamples)."""
    columns = losses if weights is None else np.vstack([losses * weights, weights])

    def means(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.stack([sample.mean(axis) for sample in samples])

    drawn = bootstrap(
        tuple(columns),
        means,
        n_resamples=n_resamples,
        batch=25,
        vectorized=True,
        paired=True,
        method="percentile",
        rng=np.random.default_rng(random_state),
    ).bootstrap_distribution
    if weights is None:
        return drawn
    # A resample in which no row has a weight says nothing: it gets the mean of the others.
    total = np.where(drawn[-1] > 0, drawn[-1], np.nan)
    found = drawn[:-1] / total
    return np.where(np.isnan(total), np.nanmean(found, axis=1, keepdims=True), found)


def _kept(reference: float | np.ndarray, student: float | np.ndarray, teacher: float | np.ndarray) -> np.ndarray:
    gain = reference - teacher
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gain > 0, (reference - student) / gain, np.nan)


def _grouped(losses: np.ndarray, weights: np.ndarray | None, random_state: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Means of random groups of rows, so that a large test set costs no more than a moderate one."""
    size = losses.shape[1] // _MAX_BOOTSTRAP_ROWS
    if size < 2:
        return losses, weights
    order = np.random.default_rng(random_state).permutation(losses.shape[1])[: size * _MAX_BOOTSTRAP_ROWS]
    groups = losses[:, order].reshape(len(losses), -1, size)
    if weights is None:
        return groups.mean(axis=2), None
    weights = weights[order].reshape(-1, size)
    total = weights.sum(axis=1)
    return (groups * weights).sum(axis=2) / np.where(total > 0, total, 1), total
