"""The criterion that decides, and why: the teacher's own loss, or a ranking if its probabilities are not calibrated."""

from __future__ import annotations

import numpy as np

from tabkd.evaluation import _criteria as criteria
from tabkd.evaluation import _metrics as measure
from tabkd.evaluation._contest import Contest
from tabkd.evaluation._criteria import Criterion
from tabkd.evaluation._intervals import mean_difference
from tabkd.evaluation._scores import Scores
from tabkd.teachers._objective import Objective

# A teacher is uncalibrated if it loses this share of its skill because its mean probabilities differ from frequencies.
_LOST_SHARE = 0.25
_STEPS = 20

Choice = tuple[Criterion, str | None]


def choose(metric: str, contest: Contest, random_state: int = 0) -> Choice:
    """The criterion that decides, with the reason if it is not the usual one.

    Parameters
    ----------
    metric : str
        "auto", or the name of a criterion.
    contest : Contest
        The contestants that it will compare.
    random_state : int
        The seed of the resamples with which the teacher's calibration is judged.

    Raises
    ------
    ValueError
        If the metric is not known for the task, or not defined for the values of the test rows.
    """
    if contest.scores.task == "regression":
        return for_values(metric, contest.objective, contest.scores.truth)
    return for_classes(metric, contest.scores, contest.favoured, random_state)


def for_classes(metric: str, scores: Scores, favoured: str | None, random_state: int = 0) -> Choice:
    """The criterion for a classifier, with the reason if it is not the log-loss.

    Parameters
    ----------
    metric : str
        "auto", or the name of a criterion.
    scores : Scores
        Of the teacher and the prior.
    favoured : str or None
        The parameter by which the teacher favours classes on purpose.
    random_state : int
        As in :func:`choose`.
    """
    if metric != "auto":
        return criteria.named(metric, "classification"), None
    why = f"the teacher weights classes on purpose ({favoured})" if favoured else None
    why = why or uncalibrated(scores, random_state)
    if why is None:
        return criteria.LOG_LOSS, None
    if not measure.ranked_classes(scores.truth, len(scores.classes), scores.weights):
        return criteria.LOG_LOSS, f"{why}, but ROC AUC needs test rows of two classes, so log-loss decides"
    return criteria.ROC_AUC, f"{why}, so ROC AUC decides"


def for_values(metric: str, objective: Objective, y: np.ndarray) -> Choice:
    """The criterion for a regressor, with the reason if it is not the loss that the teacher was fitted for.

    Parameters
    ----------
    metric : str
        "auto", or the name of a criterion.
    objective : Objective
        The loss that the teacher was fitted for.
    y : array of shape (n,) or (n, n_outputs)
        The values of the test rows.

    Raises
    ------
    ValueError
        If the user's metric is not defined for these values.
    """
    if metric != "auto":
        criterion = criteria.named(metric, "regression")
        problem = criterion.undefined(y)
        if problem:
            raise ValueError(f"metric={metric!r}: {problem}. Use another metric.")
        return criterion, None
    criterion = criteria.of_objective(objective)
    problem = criterion.undefined(y)
    if problem:
        return criteria.R2, f"the teacher was fitted for {criterion.label}, but {problem}, so R² decides"
    if criterion is criteria.R2:
        return criterion, None
    return criterion, "the teacher was fitted for it"


def uncalibrated(scores: Scores, random_state: int = 0) -> str | None:
    """Why the teacher's probabilities cannot be read as frequencies; None if they can.

    Either they are not better than a constant by log-loss, or their means are so far from the frequencies of the test
    rows that this costs a quarter of the skill, and more than chance explains.

    Parameters
    ----------
    scores : Scores
        Of the teacher and the prior.
    random_state : int
        The seed of the resamples.
    """
    codes, teacher, prior, weights = scores.truth, scores["teacher"], scores["prior"], scores.weights
    losses = measure.log_losses(codes, teacher)
    loss, of_prior = (float(measure.mean(values, weights)) for values in (losses, measure.log_losses(codes, prior)))
    if loss >= of_prior:
        return f"the teacher's log-loss of {loss:.4g} is not better than that of a constant, {of_prior:.4g}"
    frequencies = np.bincount(codes, weights=weights, minlength=teacher.shape[1]) / weights.sum()
    shifted = measure.log_losses(codes, with_frequencies(teacher, frequencies, weights))
    constant = measure.log_losses(codes, np.tile(frequencies, (len(codes), 1)))
    skill = float(measure.mean(constant - shifted, weights))
    lost = mean_difference(losses, shifted, sample_weight=weights, random_state=random_state)
    # Offsets always gain something on the rows that they are fitted on: half a nat each, even if they are not needed.
    by_chance = (len(frequencies) - 1) / (2 * len(codes))
    if skill <= 0 or lost.low - by_chance <= _LOST_SHARE * skill:
        return None
    means = measure.mean(teacher, weights)
    k = int(np.argmax(np.abs(means - frequencies)))
    label = scores.classes[k].item()
    return (
        f"the teacher's mean probability of class {label!r} is {means[k]:.3g}, but its share of the test rows is "
        f"{frequencies[k]:.3g}"
    )


def with_frequencies(P: np.ndarray, frequencies: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Probabilities (n, K) with one offset for each class in the logarithms, so that their means are `frequencies`.

    The fixed point of Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities", 2002. Classes without a row keep their probabilities.

    Parameters
    ----------
    P : array of shape (n, K)
        Probabilities.
    frequencies : array of shape (K,)
        The means of the result.
    weights : array of shape (n,)
        The weights of the rows in the means.
    """
    factors, present = np.ones(P.shape[1]), frequencies > 0
    for _ in range(_STEPS):
        shifted = measure.normalised(P * factors)
        means = measure.mean(shifted, weights)
        ratio = np.divide(frequencies, means, out=np.ones_like(factors), where=present & (means > 0))
        factors *= ratio
        if np.abs(np.log(ratio)).max() < 1e-6:
            break
    return measure.normalised(P * factors)
