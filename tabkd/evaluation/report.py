"""What a distillation kept and what it gained, on rows that nobody was fitted on."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import clone, is_classifier

from tabkd.evaluation import metrics as measure
from tabkd.evaluation.small_lightgbm import SmallLightGBM
from tabkd.evaluation.timing import compare_speed
from tabkd.teacher import soft_targets, teacher_name

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Report:
    """The measures of a distillation, made by :func:`evaluate`.

    Attributes
    ----------
    task : {"classification", "regression"}
    teacher, student : str
        The names of their classes.
    n_test : int
        Rows that the measures were taken on.
    metrics : dict of str to dict
        For each contestant (teacher, student, hard, small, prior) its measures. `hard` is the student fitted on
        the labels alone, `small` a LightGBM of the student's bytes on the labels alone, `prior` the class frequencies
        or the mean of the training rows.
    fidelity : dict
        How alike student and teacher are.
    skill_kept : float
        The share of the teacher's skill that the student has; 1 is all of it, more is better than the
        teacher. NaN where the teacher has none.
    skill_kept_interval : tuple of float
        Its 95 % bootstrap interval.
    recovered_gap : float or None
        The share of the gap between the hard-label student and the teacher that distilling closed; None
        where no hard-label student was fitted, NaN where the teacher is no better than it.
    recovered_gap_interval : tuple of float or None
        Its 95 % bootstrap interval, infinite where the gap cannot be told from zero.
    advice : str or None
        A sentence that says so where nothing is gained by distilling: where `small` is as good as the student,
        or better than the teacher.
    n_bytes : int or None
        The size of the ONNX file.
    speed : dict or None
        As :func:`tabkd.evaluation.timing.compare_speed`.
    parity : dict or None
        rows that ONNX Runtime and Python scored, and the max_difference between them.
    """

    task: Literal["classification", "regression"]
    teacher: str
    student: str
    n_test: int
    metrics: dict[str, dict[str, float]]
    fidelity: dict[str, float]
    skill_kept: float
    skill_kept_interval: tuple[float, float]
    recovered_gap: float | None = None
    recovered_gap_interval: tuple[float, float] | None = None
    advice: str | None = None
    n_bytes: int | None = None
    speed: dict | None = None
    parity: dict | None = None
    classes: list = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The report as what JSON can hold: plain types, None for what is not a finite number."""
        return {f.name: _json_safe(getattr(self, f.name)) for f in dataclasses.fields(self)}

    def to_table(self) -> Table:
        """The measures as a rich table, a row for each and a column for each contestant."""
        from rich.table import Table

        contestants = list(self.metrics)
        table = Table(title=f"{self.task}, {self.n_test:,} test rows", title_justify="left")
        table.add_column("measure")
        for name in contestants:
            table.add_column(_HEADINGS[name], justify="right")
        for key in self.metrics["teacher"]:
            table.add_row(_label(key), *(_number(self.metrics[name].get(key)) for name in contestants))
        return table

    def summary(self) -> list[tuple[str, str]]:
        """The headlines: what was kept, and what was gained."""
        lines = [("skill kept", _share(self.skill_kept, self.skill_kept_interval))]
        if self.recovered_gap is not None:
            lines.append(("recovered gap", _share(self.recovered_gap, self.recovered_gap_interval)))
        lines += [(_label(key), _number(value)) for key, value in self.fidelity.items()]
        if self.n_bytes is not None:
            lines.append(("ONNX file", f"{self.n_bytes / 1000:,.1f} KB"))
        if self.parity is not None:
            rows, difference = self.parity["rows"], self.parity["max_difference"]
            lines.append(("parity", f"{rows:,} rows, largest difference {difference:.1e}"))
        if self.speed is not None:
            lines += _speed_lines(self.speed)
        return lines


def evaluate(
    model,
    X_test,
    y_test,
    *,
    X_train=None,
    y_train=None,
    scorer=None,
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
    X_train, y_train : frame or array, optional
        The rows the model was fitted on. With both, a clone of the student is fitted on the labels alone,
        which the recovered gap needs, and with a `scorer` and one output a LightGBM of its bytes, which the advice
        needs; with `y_train`, the prior is its class frequencies or mean, and that of `y_test` without.
    scorer : Scorer, optional
        What `tabkd.load` gave for the exported model: adds bytes, speed and parity.
    timing : bool
        Whether to measure speed; needs a `scorer`.
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
        The test has no rows, or labels that the model does not know.
    """
    if len(y_test) == 0:
        raise ValueError("X_test has 0 rows; give the rows to measure on.")
    measured = _classification if is_classifier(model) else _regression
    small, n_bytes = None, getattr(scorer, "n_bytes", None)
    if n_bytes and X_train is not None and y_train is not None and np.ndim(y_train) == 1:
        small = _small(model, X_train, y_train, n_bytes, random_state)
    metrics, losses, fidelity = measured(model, X_test, y_test, X_train, y_train, small)
    options = {"n_resamples": n_resamples, "random_state": random_state}
    skill = measure.kept_share(losses["reference"], losses["student"], losses["teacher"], **options)
    gap = None
    if "hard" in losses:
        gap = measure.kept_share(losses["hard"], losses["student"], losses["teacher"], **options)
    report = Report(
        task="classification" if is_classifier(model) else "regression",
        teacher=teacher_name(model.teacher_),
        student=teacher_name(model.student_),
        n_test=len(y_test),
        metrics=metrics,
        fidelity=fidelity,
        skill_kept=skill.value,
        skill_kept_interval=(skill.low, skill.high),
        recovered_gap=gap.value if gap else None,
        recovered_gap_interval=(gap.low, gap.high) if gap else None,
        advice=_advice(small, losses, options) if small else None,
        classes=np.asarray(getattr(model, "classes_", [])).tolist(),
    )
    return report if scorer is None else add_cost(report, model, scorer, X_test, timing=timing)


def add_cost(report: Report, model, scorer, X, *, timing: bool = True, **options) -> Report:
    """The report with what the exported student costs: bytes, speed against the teacher, parity.

    Parameters
    ----------
    report : Report
    model : DistilledClassifier or DistilledRegressor
    scorer : Scorer
        What `tabkd.load` gave for the exported model.
    X : frame or array
        Rows to time on.
    timing : bool
        Whether to measure speed.
    **options
        As :func:`tabkd.evaluation.timing.speed`.
    """
    return dataclasses.replace(
        report,
        n_bytes=getattr(scorer, "n_bytes", None),
        speed=compare_speed(model, scorer, X, **options) if timing else None,
        parity=getattr(model, "parity_", None),
    )


def _small(model, X_train, y_train, n_bytes: int, random_state: int) -> SmallLightGBM:
    """A LightGBM of the bytes of the exported student, on the labels."""
    task = "classification" if is_classifier(model) else "regression"
    return SmallLightGBM(n_bytes, task=task, random_state=random_state).fit(X_train, y_train)


def _advice(small: SmallLightGBM, losses, options) -> str | None:
    """One sentence where a LightGBM of the same bytes does as well."""
    what = f"a LightGBM of {small.n_bytes_ / 1000:,.0f} KB, fitted on the labels alone,"
    if losses["small"].mean() < losses["teacher"].mean():
        return f"Do not distil: {what} is better than the teacher itself."
    lead = measure.mean_difference(losses["small"], losses["student"], **options)
    if lead.value <= 0:
        return f"Do not distil: {what} is as good as the student."
    if lead.low <= 0:
        return f"Do not distil: {what} cannot be told from the student on these {len(losses['small']):,} test rows."
    return None


def _classification(model, X_test, y_test, X_train, y_train, small):
    classes = np.asarray(model.classes_)
    codes = measure.class_codes(y_test, classes)
    train_codes = codes if y_train is None else measure.class_codes(y_train, classes)
    frequencies = np.bincount(train_codes, minlength=len(classes)) / len(train_codes)
    scores = {
        "teacher": measure.normalised(soft_targets(model.teacher_, X_test, classes)),
        "student": measure.normalised(model.predict_proba(X_test)),
    }
    if X_train is not None and y_train is not None:
        hard = clone(model.student_).fit(X_train, np.eye(len(classes))[train_codes])
        scores["hard"] = measure.normalised(hard.predict(X_test))
    if small is not None:
        scores["small"] = _of_classes(small, X_test, classes)
    scores["prior"] = np.tile(frequencies, (len(codes), 1))
    metrics = {name: measure.classification_metrics(codes, P) for name, P in scores.items()}
    losses = {name: measure.log_losses(codes, P) for name, P in scores.items()}
    fidelity = measure.classification_fidelity(scores["teacher"], scores["student"])
    return metrics, losses | {"reference": losses["prior"]}, fidelity


def _of_classes(small, X_test, classes) -> np.ndarray:
    """The probabilities of a model that may not have seen every class."""
    P = np.zeros((len(X_test), len(classes)))
    P[:, measure.class_codes(small.classes_, classes)] = small.predict(X_test)
    return measure.normalised(P)


def _regression(model, X_test, y_test, X_train, y_train, small):
    y = np.asarray(y_test, dtype=np.float64)
    mean = np.mean(y if y_train is None else np.asarray(y_train, dtype=np.float64), axis=0)
    scores = {"teacher": model.teacher_.predict(X_test), "student": model.predict(X_test)}
    if X_train is not None and y_train is not None:
        hard = clone(model.student_).fit(X_train, np.asarray(y_train, dtype=np.float64))
        scores["hard"] = hard.predict(X_test)
    if small is not None:
        scores["small"] = small.predict(X_test)
    scores["prior"] = np.broadcast_to(mean, y.shape)
    scores = {name: np.asarray(score, dtype=np.float64).reshape(y.shape) for name, score in scores.items()}
    metrics = {name: measure.regression_metrics(y, score) for name, score in scores.items()}
    losses = {name: measure.scaled_squared_errors(y, score) for name, score in scores.items()}
    # R² is measured against the mean of the test rows, and skill kept is a ratio of two R².
    losses["reference"] = measure.scaled_squared_errors(y, np.broadcast_to(y.mean(axis=0), y.shape))
    fidelity = measure.regression_fidelity(scores["teacher"], scores["student"])
    return metrics, losses, fidelity


_HEADINGS = {
    "teacher": "teacher",
    "student": "student",
    "hard": "hard-label",
    "small": "LightGBM",
    "prior": "prior",
}
_LABELS = {
    "log_loss": "log-loss",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "brier": "Brier",
    "ece": "ECE",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
    "agreement": "agreement with teacher",
    "kl": "mean KL from teacher",
    "logit_correlation": "correlation of logits",
    "r2_to_teacher": "R² to teacher",
    "rmse_to_teacher": "RMSE to teacher",
    "correlation": "correlation with teacher",
}


def _label(key: str) -> str:
    measured, at, budget = key.partition("_at_")
    return f"{measured} at {float(budget):.1%}" if at else _LABELS.get(key, key)


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4f}" if abs(value) < 100 else f"{value:.1f}"


def _share(value: float, interval: tuple[float, float] | None) -> str:
    if not math.isfinite(value):
        return "– (the teacher gains nothing here)"
    if interval is None or not all(map(math.isfinite, interval)):
        return f"{value:.1%} (the interval is unbounded: too few test rows to tell)"
    return f"{value:.1%} (95 % interval {interval[0]:.1%} to {interval[1]:.1%})"


def _speed_lines(speed: dict) -> list[tuple[str, str]]:
    student, teacher = speed["student"], speed["teacher"]

    def both(key: str) -> str:
        return f"{student[key]:,.0f} against the teacher's {teacher[key]:,.0f}"

    return [
        (f"rows/s, batch of {speed['batch_size']}", f"{both('rows_per_second')}: {speed['ratio']:,.1f} ×"),
        ("one row, median µs", f"{both('one_row_p50_us')}: {speed['ratio_one_row']:,.1f} ×"),
        ("one row, p99 µs", both("one_row_p99_us")),
    ]


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
