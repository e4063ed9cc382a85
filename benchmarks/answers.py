"""What a contestant answers for the test rows of a split, and how that is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.problems import Split
from tabkd.evaluation import _intervals as intervals
from tabkd.evaluation import _metrics as metrics
from tabkd.evaluation._fidelity import classification_fidelity

#: The measures of rare positives whose distance from the teacher's has an interval.
LEADS: dict[str, Callable] = {
    "recall_lead": lambda codes, P: metrics.at_budget(codes == 1, P[:, 1], 0.005)[0],
    "ece_lead": metrics.expected_calibration_error,
}
_RESAMPLES = 200


@dataclass(frozen=True)
class Answer:
    """The scores of one contestant.

    Attributes
    ----------
    scores : array of shape (n_test, K) or (n_test,)
        Probabilities of `Split.classes`, or predicted values.
    n_bytes : int or None
        What it weighs when it is shipped.
    seconds : float or None
        What it took to fit.
    """

    scores: np.ndarray
    n_bytes: int | None = None
    seconds: float | None = None


def prior(split: Split) -> np.ndarray:
    """The losses of the training rows' class frequencies, or of the test rows' mean, which R² is measured by."""
    if split.task == "regression":
        return metrics.scaled_squared_errors(split.y_test, np.full(len(split.y_test), split.y_test.mean()))
    codes = metrics.class_codes(split.y_train, split.classes)
    frequencies = np.bincount(codes) / len(codes)
    return losses(split, np.tile(frequencies, (len(split.y_test), 1)))


def losses(split: Split, scores) -> np.ndarray:
    """The loss of each test row: log-loss, or the squared error over the variance."""
    if split.task == "regression":
        return metrics.scaled_squared_errors(split.y_test, np.asarray(scores, dtype=np.float64).ravel())
    codes = metrics.class_codes(split.y_test, split.classes)
    return metrics.log_losses(codes, metrics.normalised(scores))


def measures(split: Split, scores, teacher) -> dict[str, float]:
    """Every measure of a contestant, among them its skill kept against the scores of the teacher."""
    found, nothing = losses(split, scores), prior(split)
    kept = intervals.kept_share(nothing, found, losses(split, teacher))
    result = {"loss": float(found.mean()), "prior_loss": float(nothing.mean())}
    result |= {"kept": kept.value, "kept_low": kept.low, "kept_high": kept.high}
    if split.task == "regression":
        return result | metrics.regression_metrics(split.y_test, scores)
    codes = metrics.class_codes(split.y_test, split.classes)
    P, Q = metrics.normalised(scores), metrics.normalised(teacher)
    result |= metrics.classification_metrics(codes, P) | classification_fidelity(Q, P)
    return result | (_leads(codes, P, Q) if P.shape[1] == 2 else {})


def _leads(codes, P, Q) -> dict[str, float]:
    """How far the measures of rare positives are above the teacher's: the ends of paired bootstrap intervals."""
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {name: [] for name in LEADS}
    for _ in range(_RESAMPLES):
        rows = rng.integers(0, len(codes), len(codes))
        for name, measure in LEADS.items():
            found[name].append(measure(codes[rows], P[rows]) - measure(codes[rows], Q[rows]))
    ends = {name: np.quantile(values, [0.025, 0.975]) for name, values in found.items()}
    return {f"{name}_{end}": float(ends[name][i]) for name in LEADS for i, end in enumerate(("low", "high"))}
