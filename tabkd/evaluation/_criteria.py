"""The measures by which contestants are compared, each as a loss of every row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from scipy.special import xlogy

from tabkd.evaluation import _metrics as measure
from tabkd.evaluation._rankings import auc_losses, average_precision_losses, balanced_errors
from tabkd.teachers._objective import Objective

# A deviance is not defined for predictions of zero or less; this share of the mean replaces them.
_LEAST_SHARE = 1e-6


@dataclass(frozen=True)
class Criterion:
    """A measure by which contestants are compared.

    Attributes
    ----------
    name : str
        The name of scikit-learn's scorer, followed by a colon and its parameter, if any.
    key : str
        Its name among the metrics of a report.
    label : str
        Its name in a sentence.
    losses : callable
        (truth, scores, weights) to a loss for each row, of shape (n,); lower is better. For classes the truth is
        codes (n,) and the scores are probabilities (n, K), for regression both are values of one shape.
    is_gain : bool
        Whether higher is better: the measure is then one minus the mean loss.
    constant : callable or None
        (y, weights) to the constant of the least loss; regression only.
    domain : {"real", "non-negative", "positive"}
        The values of y that it is defined for.
    """

    name: str
    key: str
    label: str
    losses: Callable[..., np.ndarray]
    is_gain: bool = False
    constant: Callable[..., np.ndarray] | None = None
    domain: Literal["real", "non-negative", "positive"] = "real"

    def shown(self, loss: float) -> float:
        """The measure that belongs to a mean loss.

        Parameters
        ----------
        loss : float
            The mean loss.
        """
        return 1 - loss if self.is_gain else loss

    def undefined(self, y: np.ndarray) -> str | None:
        """Why the measure is not defined for the values of a target; None if it is.

        Parameters
        ----------
        y : array of shape (n,) or (n, n_outputs)
            The values.
        """
        if self.domain == "real":
            return None
        lowest = float(np.min(y))
        if lowest < 0 or (lowest == 0 and self.domain == "positive"):
            return f"{self.label} needs {self.domain} values, and y_test has {lowest:g}"
        return None


def _ranking(losses: Callable[..., np.ndarray], codes: np.ndarray, P: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean over the classes, each against the rest; for two classes the loss of the second."""
    columns = measure.ranked_classes(codes, P.shape[1], weights)
    if not columns:
        return np.full(len(codes), np.nan)
    return np.mean([losses(codes == k, P[:, k], weights) for k in columns], axis=0)


def _over_outputs(
    losses: Callable[..., np.ndarray], y: np.ndarray, prediction: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The mean over the outputs, if there are several."""
    found = losses(y, prediction, weights)
    return found if found.ndim == 1 else found.mean(axis=1)


def _squared_errors(y: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (y - prediction) ** 2


def _root_squared_errors(y: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    squared = (y - prediction) ** 2
    # The root of a mean, with the influence of each row, as in `rankings`.
    mean = measure.mean(squared, weights)
    root = np.sqrt(mean)
    return root + np.divide(squared - mean, 2 * root, out=np.zeros_like(squared), where=root > 0)


def _absolute_errors(y: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.abs(y - prediction)


def _relative_errors(y: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.abs(y - prediction) / np.maximum(np.abs(y), np.finfo(np.float64).eps)


def _pinball_losses(level: float, y: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.maximum(level * (y - prediction), (level - 1) * (y - prediction))


def _deviances(power: float, y: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    least = _LEAST_SHARE * float(np.mean(measure.mean(np.abs(y), weights)))
    mu = np.maximum(prediction, least or np.finfo(np.float64).tiny)
    if power == 1:
        return 2 * (xlogy(y, y / mu) - y + mu)
    if power == 2:
        return 2 * (np.log(mu / y) + y / mu - 1)
    low = np.maximum(y, 0) ** (2 - power) / ((1 - power) * (2 - power))
    return 2 * (low - y * mu ** (1 - power) / (1 - power) + mu ** (2 - power) / (2 - power))


def _mean(y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return measure.mean(y, weights)


def _quantile(level: float, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted quantile of each output: the smallest value that reaches this share of the weight."""
    columns = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
    found = []
    for values in columns.T:
        order = np.argsort(values, kind="stable")
        reached = np.cumsum(weights[order])
        last = np.searchsorted(reached, level * reached[-1] * (1 - 1e-12))
        found.append(values[order[min(last, len(order) - 1)]])
    return np.array(found).reshape(np.shape(y)[1:])


def _relative_median(y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    least = np.finfo(np.float64).eps
    if np.ndim(y) == 1:
        return _quantile(0.5, y, weights / np.maximum(np.abs(y), least))
    return np.array([_relative_median(values, weights) for values in np.asarray(y).T])


def pinball(level: float) -> Criterion:
    """The pinball loss of a quantile.

    Parameters
    ----------
    level : float
        Which quantile, between 0 and 1.
    """
    return Criterion(
        f"neg_mean_pinball_loss:alpha={level:g}",
        "pinball_loss",
        f"pinball loss at {level:g}",
        partial(_over_outputs, partial(_pinball_losses, level)),
        constant=partial(_quantile, level),
    )


def deviance(power: float) -> Criterion:
    """The mean Tweedie deviance: the squared error at power 0, Poisson at 1, Gamma at 2.

    Parameters
    ----------
    power : float
        The power of the mean to which the variance is proportional.
    """
    if power == 0:
        return SQUARED_ERROR
    named = {1: "poisson", 2: "gamma"}.get(power)  # type: ignore[call-overload]
    return Criterion(
        f"neg_mean_{named}_deviance" if named else f"neg_mean_tweedie_deviance:power={power:g}",
        f"{named or 'tweedie'}_deviance",
        f"{named.capitalize()} deviance" if named else f"Tweedie deviance of power {power:g}",
        partial(_over_outputs, partial(_deviances, power)),
        constant=_mean,
        domain="real" if power < 0 else "non-negative" if power < 2 else "positive",
    )


LOG_LOSS = Criterion("neg_log_loss", "log_loss", "log-loss", lambda codes, P, weights: measure.log_losses(codes, P))
ROC_AUC = Criterion("roc_auc", "roc_auc", "ROC AUC", partial(_ranking, auc_losses), is_gain=True)
R2 = Criterion(
    "r2",
    "r2",
    "R²",
    lambda y, prediction, weights: measure.scaled_squared_errors(y, prediction, weights),
    is_gain=True,
    constant=_mean,
)
SQUARED_ERROR = Criterion(
    "neg_mean_squared_error", "mse", "squared error", partial(_over_outputs, _squared_errors), constant=_mean
)
ABSOLUTE_ERROR = Criterion(
    "neg_mean_absolute_error",
    "mae",
    "absolute error",
    partial(_over_outputs, _absolute_errors),
    constant=partial(_quantile, 0.5),
)

_CRITERIA: dict[str, tuple[Criterion, ...]] = {
    "classification": (
        LOG_LOSS,
        ROC_AUC,
        Criterion("roc_auc_ovr", "roc_auc", "ROC AUC", partial(_ranking, auc_losses), is_gain=True),
        Criterion(
            "average_precision",
            "average_precision",
            "average precision",
            partial(_ranking, average_precision_losses),
            is_gain=True,
        ),
        Criterion(
            "accuracy",
            "accuracy",
            "accuracy",
            lambda codes, P, weights: (P.argmax(axis=1) != codes).astype(np.float64),
            is_gain=True,
        ),
        Criterion(
            "balanced_accuracy",
            "balanced_accuracy",
            "balanced accuracy",
            lambda codes, P, weights: balanced_errors(codes, P.argmax(axis=1), weights),
            is_gain=True,
        ),
        Criterion("neg_brier_score", "brier", "Brier score", lambda codes, P, weights: measure.brier_losses(codes, P)),
    ),
    "regression": (
        R2,
        SQUARED_ERROR,
        Criterion(
            "neg_root_mean_squared_error", "rmse", "RMSE", partial(_over_outputs, _root_squared_errors), constant=_mean
        ),
        ABSOLUTE_ERROR,
        Criterion(
            "neg_mean_absolute_percentage_error",
            "mape",
            "absolute percentage error",
            partial(_over_outputs, _relative_errors),
            constant=_relative_median,
        ),
        deviance(1),
        deviance(2),
    ),
}
# Scorers with a parameter, as `name:parameter=value`: its default, and what it may be.
_WITH_PARAMETER: dict[str, tuple[str, float, Callable[[float], bool], Callable[[float], Criterion]]] = {
    "neg_mean_pinball_loss": ("alpha", 0.5, lambda level: 0 < level < 1, pinball),
    "neg_mean_tweedie_deviance": ("power", 1.5, lambda power: -np.inf < power <= 0 or 1 <= power < np.inf, deviance),
}


def named(name: str, task: str) -> Criterion:
    """The criterion with the name of a scikit-learn scorer.

    Parameters
    ----------
    name : str
        The name, followed by a colon and the parameter, if any.
    task : {"classification", "regression"}
        The task that it has to measure.

    Examples
    --------
    >>> named("roc_auc", "classification").label
    'ROC AUC'
    >>> named("neg_mean_pinball_loss:alpha=0.9", "regression").label
    'pinball loss at 0.9'

    Raises
    ------
    ValueError
        If the task has no criterion with this name.
    """
    for criterion in _CRITERIA[task]:
        if criterion.name == name:
            return criterion
    plain, _, option = str(name).partition(":")
    if task == "regression" and plain in _WITH_PARAMETER:
        parameter, value, allowed, make = _WITH_PARAMETER[plain]
        if option:
            key, _, text = option.partition("=")
            try:
                value = float(text) if key == parameter else float("nan")
            except ValueError:
                value = float("nan")
        if allowed(value):
            return make(value)
    known = [criterion.name for criterion in _CRITERIA[task]]
    if task == "regression":
        known += [f"{plain}:{parameter}={value:g}" for plain, (parameter, value, *_) in _WITH_PARAMETER.items()]
    raise ValueError(f"metric={name!r} is not known for {task}; use 'auto' or one of {', '.join(known)}.")


def of_objective(objective: Objective) -> Criterion:
    """The criterion that a regressor was fitted for; R² for the squared error and for Huber's.

    Parameters
    ----------
    objective : Objective
        The loss that it was fitted for.
    """
    if objective.name == "quantile":
        return pinball(0.5 if objective.parameter is None else objective.parameter)
    if objective.name == "tweedie":
        return deviance(1.5 if objective.parameter is None else objective.parameter)
    return {"absolute_error": ABSOLUTE_ERROR, "poisson": deviance(1), "gamma": deviance(2)}.get(objective.name, R2)
