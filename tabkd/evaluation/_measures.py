"""The measures from the scores: every measure of every contestant, and why one is not defined."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tabkd.evaluation import _metrics as measure
from tabkd.evaluation._comparison import Comparison, recovered_gap, skill_kept
from tabkd.evaluation._fidelity import classification_fidelity, regression_fidelity
from tabkd.evaluation._intervals import Interval
from tabkd.evaluation._scores import Scores


@dataclass(frozen=True)
class Measures:
    """The numbers of a report, which describes them.

    Attributes
    ----------
    metrics, fidelity, per_class : dict
        As in a report.
    skill_kept : Interval
        With NaN where it is not defined.
    recovered_gap : Interval or None
        Likewise; None if no student was fitted on the labels.
    undefined : dict of str to str
        The reason for each value that is not defined.
    """

    metrics: dict[str, dict[str, float]]
    fidelity: dict[str, float]
    per_class: dict[Any, dict[str, float]]
    skill_kept: Interval
    recovered_gap: Interval | None
    undefined: dict[str, str]


def measured(scores: Scores, comparison: Comparison) -> Measures:
    """Every measure of the contestants.

    Parameters
    ----------
    scores : Scores
        Of the contestants.
    comparison : Comparison
        The same contestants by the deciding measure.
    """
    metrics, fidelity = _metrics(scores), _fidelity(scores)
    key, values = comparison.criterion.key, comparison.values
    for name, found in metrics.items():
        found.setdefault(key, values[name])
    measures = {**metrics["teacher"], **fidelity}
    undefined = {name: _reason(name, scores) for name, value in measures.items() if not math.isfinite(value)}
    skill, no_skill = skill_kept(comparison, undefined.get(key))
    gap, no_gap = recovered_gap(comparison)
    return Measures(metrics, fidelity, _per_class(scores), skill, gap, undefined | no_skill | no_gap)


def _metrics(scores: Scores) -> dict[str, dict[str, float]]:
    of_task = measure.classification_metrics if scores.task == "classification" else measure.regression_metrics
    return {name: of_task(scores.truth, score, sample_weight=scores.sample_weight) for name, score in scores.items()}


def _fidelity(scores: Scores) -> dict[str, float]:
    of_task = classification_fidelity if scores.task == "classification" else regression_fidelity
    return of_task(scores["teacher"], scores["student"], scores.sample_weight)


def _per_class(scores: Scores) -> dict[Any, dict[str, float]]:
    if scores.task == "regression":
        return {}
    pair = {name: scores[name] for name in ("teacher", "student")}
    recalls = measure.per_class_recall(scores.truth, pair, len(scores.classes), scores.sample_weight)
    return dict(zip(scores.classes.tolist(), recalls, strict=True))


def _reason(name: str, scores: Scores) -> str:
    """Why a measure is not defined."""
    if name.startswith("recall_at_"):
        return f"no test row has class {scores.classes[1].item()!r}"
    if name in ("roc_auc", "average_precision"):
        return "the test rows have one class only"
    if "correlation" in name or name == "r2_to_teacher":
        return "the scores of the teacher or of the student are all equal"
    return "the test rows have one value only"
