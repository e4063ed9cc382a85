"""What a distillation kept and what it gained, on rows that nobody was fitted on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import is_classifier

from tabkd._sklearn import check_sample_weight
from tabkd._validation import as_labels, as_targets
from tabkd._weights import check_weights
from tabkd.evaluation import _advice as advice
from tabkd.evaluation import _choice as choice
from tabkd.evaluation import _metrics as measure
from tabkd.evaluation import _show as show
from tabkd.evaluation._contest import Contest, Training, hold
from tabkd.evaluation._criteria import Criterion
from tabkd.evaluation._intervals import Resampled, resample, share
from tabkd.evaluation._timing import compare_speed
from tabkd.teachers._teacher import teacher_name

if TYPE_CHECKING:
    from rich.table import Table


_UNBOUNDED = "too few test rows to tell the teacher's gain from zero, so the interval is unbounded"


@dataclass(frozen=True, repr=False)
class Report:
    """The measures of a distillation and the verdict on it, made by :func:`evaluate`.

    Attributes
    ----------
    task : {"classification", "regression"}
    teacher, student : str
        The names of their classes.
    n_test : int
        Rows that the measures were taken on.
    metrics : dict of str to dict
        For each contestant (teacher, student, hard, small, prior) its measures. `hard` is the student fitted on
        the labels alone, `small` a LightGBM of the student's bytes on the labels alone, `prior` the best constant
        of the training rows: the class frequencies, or the mean, median or quantile that the teacher's loss calls for.
    fidelity : dict
        How alike student and teacher are.
    skill_kept : float
        The share of the teacher's skill that the student has, by `metric`; 1 is all of it, more is better than the
        teacher. Skill is the gain over the prior, for real values over the best constant of the test rows, and for
        ROC AUC over one half. NaN where the teacher has none.
    skill_kept_interval : tuple of float
        Its 95 % bootstrap interval.
    recovered_gap : float or None
        The share of the gap between the hard-label student and the teacher that distilling closed; None
        where no hard-label student was fitted, NaN where the gap is next to nothing or cannot be told from it.
    recovered_gap_interval : tuple of float or None
        Its 95 % bootstrap interval.
    verdict : {"distil", "do not distil", "cannot tell"}
        The table of cases is in :mod:`tabkd.evaluation._advice`.
    advice : str
        The verdict in a sentence, with what it follows from.
    warnings : list of str
        What else a user should know: classes that the student misses, a file that is not small.
    metric : str
        The measure that decided, as the scorers of scikit-learn are called.
    measure : str
        The same measure, as it is called in `metrics`.
    reasons : dict of str to str
        Why `metric` is not the usual one, and for each value that is not defined why it is not.
    per_class : dict
        For each class its support, teacher_recall and student_recall; empty for a regression.
    n_bytes : int or None
        The size of the ONNX file.
    speed : dict or None
        As :func:`tabkd.evaluation._timing.compare_speed`.
    parity : dict or None
        rows that ONNX Runtime and Python scored, and the max_difference between them.
    classes : list
    """

    task: Literal["classification", "regression"]
    teacher: str
    student: str
    n_test: int
    metrics: dict[str, dict[str, float]]
    fidelity: dict[str, float]
    skill_kept: float
    skill_kept_interval: tuple[float, float]
    recovered_gap: float | None
    recovered_gap_interval: tuple[float, float] | None
    verdict: advice.Verdict
    advice: str
    warnings: list[str]
    metric: str
    measure: str
    reasons: dict[str, str]
    per_class: dict[Any, dict[str, float]]
    n_bytes: int | None = None
    speed: dict | None = None
    parity: dict | None = None
    classes: list = field(default_factory=list)

    def __repr__(self) -> str:
        return show.text(self)

    def _repr_html_(self) -> str:
        return show.html(self)

    def to_dict(self) -> dict[str, Any]:
        """The report as what JSON can hold: plain types, None for what is not a finite number."""
        return {f.name: _json_safe(getattr(self, f.name)) for f in dataclasses.fields(self)}

    def to_table(self) -> Table:
        """The measures as a rich table, a row for each and a column for each contestant."""
        return show.table(self)

    def summary(self) -> list[tuple[str, str]]:
        """The headlines: what was kept, and what was gained."""
        return show.summary(self)


def evaluate(
    model,
    X_test,
    y_test,
    *,
    sample_weight=None,
    metric: str = "auto",
    X_train=None,
    y_train=None,
    sample_weight_train=None,
    exported=None,
    timing: bool = True,
    n_resamples: int = 999,
    random_state: int = 0,
) -> Report:
    """Measure a distilled model against its teacher, its hard-label twin, a LightGBM of its bytes and the prior.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        Fitted.
    X_test : frame or array of shape (n, d)
        Rows that neither teacher nor student was fitted on.
    y_test : array of shape (n,) or (n, n_outputs)
    sample_weight : array of shape (n,), optional
        How much each test row counts, such as its exposure; in every measure and interval.
    metric : str, default="auto"
        What skill is measured and the verdict decided by, as the scorers of scikit-learn are called: "neg_log_loss",
        "roc_auc", "average_precision", "accuracy", "balanced_accuracy", "neg_brier_score"; "r2",
        "neg_mean_squared_error", "neg_root_mean_squared_error", "neg_mean_absolute_error",
        "neg_mean_absolute_percentage_error", "neg_mean_poisson_deviance", "neg_mean_gamma_deviance",
        "neg_mean_tweedie_deviance:power=1.5", "neg_mean_pinball_loss:alpha=0.9". "auto" takes the loss that the teacher
        was fitted for: the log-loss; for real values R², the absolute error, the pinball loss, or the deviance of
        Poisson, Gamma or Tweedie. ROC AUC decides, for several classes the mean of one against the rest, where the
        teacher favours classes on purpose (`class_weight`, `scale_pos_weight` and their like) or its probabilities are
        far from the frequencies of the test rows.
    X_train, y_train : frame or array, optional
        The rows the model was fitted on. With both, a clone of the student is fitted on the labels alone,
        and with `exported` and one output a LightGBM of its bytes, with the loss and the class weights of the teacher:
        the verdict needs them. With `y_train`, the prior is the best constant of its rows, and of `y_test` without.
    sample_weight_train : array of shape (n_train,), optional
        The weights that the model was fitted with; these rivals and the prior get them, too.
    exported : ExportedStudent, optional
        What `tabkd.load` gave for the exported model: adds bytes, speed and parity.
    timing : bool
        Whether to measure speed; needs a `exported`.
    n_resamples : int
        Bootstrap resamples behind each interval.
    random_state : int
        Of the bootstrap.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        The test has no rows, labels that the model does not know, or weights that are negative or all zero; a metric
        that is not known for the task, or not defined for the values of the test rows.
    """
    if len(y_test) == 0:
        raise ValueError("X_test has 0 rows; give the rows to measure on.")
    as_target = as_labels if is_classifier(model) else as_targets
    y_test, y_train = as_target(y_test, model), None if y_train is None else as_target(y_train, model)
    weights = _test_weights(sample_weight, X_test)
    if sample_weight_train is not None:
        if y_train is None:
            raise ValueError("sample_weight_train weights the rows of X_train and y_train; pass these as well.")
        sample_weight_train = check_weights(sample_weight_train, y_train)
    training = Training(X_train, y_train, sample_weight_train)
    contest = hold(model, X_test, y_test, weights, training, getattr(exported, "n_bytes", None), random_state)
    criterion, why = _criterion(contest, metric, random_state)
    if contest.task == "regression":
        contest = contest.with_constant(criterion)
    drawn = resample(contest.losses(criterion), weights, n_resamples=n_resamples, random_state=random_state)
    reasons = {} if why is None else {"metric": why}
    report = _report(model, contest, criterion, drawn, reasons, getattr(exported, "n_bytes", None))
    return report if exported is None else add_cost(report, model, exported, X_test, timing=timing)


def add_cost(report: Report, model, exported, X, *, timing: bool = True, **options) -> Report:
    """The report with what the exported student costs: bytes, speed against the teacher, parity.

    Parameters
    ----------
    report : Report
    model : DistilledClassifier or DistilledRegressor
    exported : ExportedStudent
        What `tabkd.load` gave for the exported model.
    X : frame or array
        Rows to time on.
    timing : bool
        Whether to measure speed.
    **options
        As :func:`tabkd.evaluation._timing.speed`.
    """
    return dataclasses.replace(
        report,
        n_bytes=getattr(exported, "n_bytes", None),
        speed=compare_speed(model, exported, X, **options) if timing else None,
        parity=getattr(model, "parity_", None),
    )


def _test_weights(sample_weight, X_test) -> np.ndarray | None:
    """The weights of the test rows, checked; None where none were given."""
    if sample_weight is None:
        return None
    if not np.any(np.asarray(sample_weight)):
        raise ValueError("sample_weight is zero for every test row, so there is nothing to measure on.")
    return np.asarray(check_sample_weight(sample_weight, X_test, ensure_non_negative=True), dtype=np.float64)


def _criterion(contest: Contest, metric: str, random_state: int) -> choice.Choice:
    if contest.task == "regression":
        return choice.for_values(metric, contest.objective, contest.truth)
    teacher, prior = contest.scores["teacher"], contest.scores["prior"]
    return choice.for_classes(
        metric, contest.truth, teacher, prior, contest.weights, contest.favoured, contest.classes, random_state
    )


def _report(
    model, contest: Contest, criterion: Criterion, drawn: Mapping[str, Resampled], reasons: dict[str, str], n_bytes
) -> Report:
    """All that follows from the scores and from the resampled losses."""
    values = {name: criterion.shown(losses.value) for name, losses in drawn.items()}
    metrics, fidelity = _measures(contest)
    for name, found in metrics.items():
        found.setdefault(criterion.key, values[name])
    reasons = reasons | _undefined(metrics["teacher"], fidelity, contest)
    skill = share(drawn["reference"], drawn["student"], drawn["teacher"])
    if not math.isfinite(skill.value):
        reasons["skill_kept"] = _no_skill(criterion, values, reasons)
    elif not math.isfinite(skill.low):
        reasons["skill_kept_interval"] = _UNBOUNDED
    gap = None
    if "hard" in drawn:
        gap, no_gap = advice.recovered_gap(drawn, criterion)
        reasons |= {} if no_gap is None else {"recovered_gap": no_gap}
    classes = contest.classes.tolist()
    codes = contest.truth if classes else None
    too_few = advice.too_few_rows(codes, classes, contest.weights)
    facts = advice.facts(drawn, too_few is None)
    decision = advice.decide(facts)
    reason = too_few if decision.case == "few rows" else reasons.get(criterion.key)
    return Report(
        task=contest.task,
        teacher=teacher_name(model.teacher_),
        student=teacher_name(model.student_),
        n_test=len(contest.truth),
        metrics=metrics,
        fidelity=fidelity,
        skill_kept=skill.value,
        skill_kept_interval=(skill.low, skill.high),
        recovered_gap=gap.value if gap else None,
        recovered_gap_interval=(gap.low, gap.high) if gap else None,
        verdict=decision.verdict,
        advice=advice.sentence(decision, facts, criterion, values, len(contest.truth), contest.small_bytes, reason),
        warnings=_warnings(contest, criterion, n_bytes),
        metric=criterion.name,
        measure=criterion.key,
        reasons=reasons,
        per_class=_per_class(contest),
        classes=classes,
    )


def _measures(contest: Contest) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Every measure of every contestant, and how alike student and teacher are."""
    truth, scores, w = contest.truth, contest.scores, contest.sample_weight
    pair = scores["teacher"], scores["student"]
    if contest.task == "regression":
        metrics = {name: measure.regression_metrics(truth, score, w) for name, score in scores.items()}
        return metrics, measure.regression_fidelity(*pair, w)
    metrics = {name: measure.classification_metrics(truth, P, sample_weight=w) for name, P in scores.items()}
    return metrics, measure.classification_fidelity(*pair, w)


def _per_class(contest: Contest) -> dict[Any, dict[str, float]]:
    if contest.task == "regression":
        return {}
    pair = {name: contest.scores[name] for name in ("teacher", "student")}
    recalls = measure.per_class_recall(contest.truth, pair, len(contest.classes), contest.sample_weight)
    return dict(zip(contest.classes.tolist(), recalls, strict=True))


def _warnings(contest: Contest, criterion: Criterion, n_bytes: int | None) -> list[str]:
    teacher, student = contest.scores["teacher"], contest.scores["student"]
    lost, n_nonpositive = [], 0
    if contest.task == "classification":
        lost = advice.lost_classes(contest.truth, teacher, student, contest.classes.tolist())
    elif criterion.domain != "real":
        n_nonpositive = int((student.reshape(len(student), -1) <= 0).any(axis=1).sum())
    return advice.warnings(lost, n_bytes, n_nonpositive)


def _no_skill(criterion: Criterion, values: Mapping[str, float], reasons: Mapping[str, str]) -> str:
    if criterion.key in reasons:
        return reasons[criterion.key]
    if not math.isfinite(values["teacher"]) or not math.isfinite(values["reference"]):
        return f"{criterion.label} is not defined on the test rows"
    numbers = advice.against(values["teacher"], values["reference"])
    return f"the teacher is no better than a constant by {criterion.label} ({numbers})"


def _undefined(metrics: Mapping[str, float], fidelity: Mapping[str, float], contest: Contest) -> dict[str, str]:
    """Why a measure is not defined, for each that is not."""
    missing = [key for key, value in {**metrics, **fidelity}.items() if not math.isfinite(value)]
    return {key: _why_undefined(key, contest) for key in missing}


def _why_undefined(key: str, contest: Contest) -> str:
    if key.startswith("recall_at_"):
        return f"no test row has class {contest.classes[1].item()!r}"
    if key in ("roc_auc", "average_precision"):
        return "the test rows have one class only"
    if "correlation" in key or key == "r2_to_teacher":
        return "the scores of the teacher or of the student are all equal"
    return "the test rows have one value only"


def _json_safe(value: Any) -> Any:
    """`value` in types that JSON has; what is not finite becomes None."""
    if isinstance(value, dict):
        return {str(key): _json_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_json_safe(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
