"""The contestants compared by the criterion that decides: mean losses, and the shares of a gain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tabkd.evaluation._criteria import Criterion
from tabkd.evaluation._intervals import Interval, Resampled, difference, resample, share
from tabkd.evaluation._scores import Scores

#: Share of the teacher's gain over a constant that makes no difference in practice.
MARGIN = 0.01

_UNBOUNDED = "too few test rows to tell the teacher's gain from zero, so the interval is unbounded"


@dataclass(frozen=True)
class Comparison:
    """The mean loss of each contestant, on the test rows and on their bootstrap resamples.

    Attributes
    ----------
    criterion : Criterion
        The criterion of the losses.
    drawn : mapping of str to Resampled
        The losses of each contestant, and of the reference that skill is measured from.
    """

    criterion: Criterion
    drawn: Mapping[str, Resampled]

    @property
    def values(self) -> dict[str, float]:
        """The measure itself, for the same names."""
        return {name: self.criterion.shown(losses.value) for name, losses in self.drawn.items()}


def compare(scores: Scores, criterion: Criterion, n_resamples: int = 999, random_state: int = 0) -> Comparison:
    """Compare the contestants by a criterion.

    Parameters
    ----------
    scores : Scores
        The scores of the contestants.
    criterion : Criterion
        The criterion that decides.
    n_resamples : int
        The number of bootstrap resamples of the test rows.
    random_state : int
        The seed of the resamples.
    """
    losses = losses_of(scores, criterion)
    return Comparison(
        criterion, resample(losses, scores.sample_weight, n_resamples=n_resamples, random_state=random_state)
    )


def losses_of(scores: Scores, criterion: Criterion) -> dict[str, np.ndarray]:
    """The loss of each test row for each contestant, and for the reference that skill is measured from.

    For classes the reference is the prior. For values it is the best constant of the test rows, as in R² and D².

    Parameters
    ----------
    scores : Scores
        The scores of the contestants.
    criterion : Criterion
        The criterion of the losses.

    Returns
    -------
    dict of str to array of shape (n,)
        The losses by name.
    """
    truth, weights = scores.truth, scores.weights
    losses = {name: criterion.losses(truth, score, weights) for name, score in scores.items()}
    if criterion.constant is None:
        return losses | {"reference": losses["prior"]}
    constant = np.broadcast_to(criterion.constant(truth, weights), truth.shape)
    return losses | {"reference": criterion.losses(truth, constant, weights)}


def skill_kept(comparison: Comparison, undefined: str | None = None) -> tuple[Interval, dict[str, str]]:
    """The share of the teacher's skill that the student has, and why it or its interval is not defined.

    Parameters
    ----------
    comparison : Comparison
        The losses of teacher, student and reference.
    undefined : str, optional
        Why the criterion is not defined on the test rows, if that is known.

    Returns
    -------
    tuple of Interval and dict
        The reasons have the same names as in a report: skill_kept, skill_kept_interval.
    """
    criterion, drawn, values = comparison.criterion, comparison.drawn, comparison.values
    kept = share(drawn["reference"], drawn["student"], drawn["teacher"])
    if math.isfinite(kept.value):
        return kept, {} if math.isfinite(kept.low) else {"skill_kept_interval": _UNBOUNDED}
    if undefined is None and math.isfinite(values["teacher"]) and math.isfinite(values["reference"]):
        numbers = against(values["teacher"], values["reference"])
        undefined = f"the teacher is no better than a constant by {criterion.label} ({numbers})"
    return kept, {"skill_kept": undefined or f"{criterion.label} is not defined on the test rows"}


def recovered_gap(comparison: Comparison) -> tuple[Interval | None, dict[str, str]]:
    """The share of the teacher's lead over the student fitted on the labels that distilling recovered.

    Parameters
    ----------
    comparison : Comparison
        The losses of teacher, student and reference, and as `hard` those of the student fitted on the labels, if any.

    Returns
    -------
    tuple of Interval or None, and dict
        None if no student was fitted on the labels. NaN, with the reason as recovered_gap, if the teacher's lead is
        negligible or cannot be distinguished from zero: a share of such a lead has no meaning.
    """
    drawn, label, values = comparison.drawn, comparison.criterion.label, comparison.values
    if "hard" not in drawn:
        return None, {}
    lead = difference(drawn["hard"], drawn["teacher"])
    numbers = f"by {label} ({against(values['teacher'], values['hard'])})"
    reason = None
    if not np.isfinite(lead.value):
        reason = f"{label} is not defined on the test rows"
    elif lead.value <= 0:
        reason = f"the teacher is no better than the same student on the labels {numbers}"
    elif lead.low <= 0:
        reason = f"the teacher's lead over the same student on the labels cannot be distinguished from zero {numbers}"
    elif lead.value < MARGIN * (drawn["reference"].value - drawn["teacher"].value):
        reason = f"the teacher's lead over the same student on the labels is negligible {numbers}"
    if reason is None:
        return share(drawn["hard"], drawn["student"], drawn["teacher"]), {}
    return Interval(np.nan, np.nan, np.nan), {"recovered_gap": reason}


def against(value: float, other: float) -> str:
    """Two values with as many digits as distinguish them, but at most six.

    Parameters
    ----------
    value, other : float
        The values, in the order in which they are mentioned.

    Examples
    --------
    >>> against(0.5, 0.25)
    '0.5 against 0.25'
    >>> against(0.62351, 0.62352)
    '0.62351 against 0.62352'
    """
    digits = next((d for d in (4, 5, 6) if f"{value:.{d}g}" != f"{other:.{d}g}"), 4)
    return f"{value:.{digits}g} against {other:.{digits}g}"
