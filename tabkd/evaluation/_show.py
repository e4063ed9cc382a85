"""A report as text: tables on a terminal, and a few lines in a console."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tabkd.evaluation._findings import Findings

if TYPE_CHECKING:
    from rich.table import Table

HEADINGS = {
    "teacher": "teacher",
    "student": "student",
    "hard": "hard-label",
    "small": "LightGBM",
    "prior": "prior",
}
# The share of moves against the teacher that is shown.
_MATTERS = 0.05
_LABELS = {
    "log_loss": "log-loss",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "balanced_accuracy": "balanced accuracy",
    "brier": "Brier",
    "ece": "ECE",
    "r2": "R²",
    "rmse": "RMSE",
    "mse": "squared error",
    "mae": "MAE",
    "mape": "absolute percentage error",
    "poisson_deviance": "Poisson deviance",
    "gamma_deviance": "Gamma deviance",
    "tweedie_deviance": "Tweedie deviance",
    "pinball_loss": "pinball loss",
    "agreement": "agreement with teacher",
    "kl": "mean KL from teacher",
    "logit_correlation": "correlation of logits",
    "r2_to_teacher": "R² to teacher",
    "rmse_to_teacher": "RMSE to teacher",
    "correlation": "correlation with teacher",
}


def table(findings: Findings) -> Table:
    """The measures as a rich table, a row for each and a column for each contestant; the one that decides is bold.

    Parameters
    ----------
    findings : Findings
        What to show.
    """
    from rich.table import Table

    contestants = list(findings.metrics)
    shown = Table(title=f"{findings.task}, {findings.n_test:,} test rows", title_justify="left")
    shown.add_column("measure")
    for name in contestants:
        shown.add_column(HEADINGS[name], justify="right")
    for key in findings.metrics["teacher"]:
        values = (number(findings.metrics[name].get(key)) for name in contestants)
        shown.add_row(label(key), *values, style="bold" if key == findings.measure else None)
    return shown


def summary(findings: Findings) -> list[tuple[str, str]]:
    """The headlines, each with its value: what was kept, and what was gained.

    Parameters
    ----------
    findings : Findings
        What to show.
    """
    why = findings.reasons
    lines = [("skill kept", _share(findings.skill_kept, findings.skill_kept_interval, why, "skill_kept"))]
    if findings.recovered_gap is not None:
        gap = _share(findings.recovered_gap, findings.recovered_gap_interval, why, "recovered_gap")
        lines.append(("recovered gap", gap))
    decides = label(findings.measure)
    lines.append(("decided by", f"{decides} ({why['metric']})" if "metric" in why else decides))
    lines += [(label(key), number(value)) for key, value in findings.fidelity.items()]
    lines += _review_lines(findings)
    if findings.n_bytes is not None:
        lines.append(("ONNX file", f"{findings.n_bytes / 1000:,.1f} KB"))
    if findings.parity is not None:
        rows, difference = findings.parity["rows"], findings.parity["max_difference"]
        lines.append(("parity", f"{rows:,} rows, largest difference {difference:.1e}"))
    if findings.against_teacher is not None and findings.against_teacher["share"] >= _MATTERS:
        lines.append(("against teacher", _against(findings.against_teacher)))
    if findings.speed is not None:
        lines += _speed_lines(findings.speed)
    return lines


def text(findings: Findings) -> str:
    """The verdict, the measure that decided for each contestant, and what was kept, in a few lines.

    Parameters
    ----------
    findings : Findings
        What to show.
    """
    names, values = _headline(findings)
    widths = [max(len(name), len(value)) for name, value in zip(names, values, strict=True)]
    decides = label(findings.measure)
    lines = [f"Report of {findings.student} from {findings.teacher}, {findings.n_test:,} test rows: {findings.verdict}"]
    lines += [sentence for sentence in (findings.advice, *findings.warnings) if sentence]
    lines += [
        " " * len(decides) + "  " + "  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True)),
        decides + "  " + "  ".join(value.rjust(width) for value, width in zip(values, widths, strict=True)),
    ]
    lines += [f"{name}: {value}" for name, value in _kept(findings)]
    return "\n".join(lines)


def _headline(findings: Findings) -> tuple[list[str], list[str]]:
    names = [HEADINGS[name] for name in findings.metrics]
    return names, [number(values.get(findings.measure)) for values in findings.metrics.values()]


def _kept(findings: Findings) -> list[tuple[str, str]]:
    wanted = ("skill kept", "recovered gap", "ONNX file")
    return [(name, value) for name, value in summary(findings) if name in wanted]


def label(key: str) -> str:
    """The name of a measure, as people read it.

    Parameters
    ----------
    key : str
        Its name in `metrics` or `fidelity`.
    """
    measured, at, budget = key.partition("_at_")
    return f"{measured} at {float(budget):.1%}" if at else _LABELS.get(key, key)


def number(value: float | None) -> str:
    """A number as a report shows it; a dash for none.

    Parameters
    ----------
    value : float or None
        The number.
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4f}" if abs(value) < 100 else f"{value:.1f}"


def _share(value: float, interval: tuple[float, float] | None, reasons: Mapping[str, str], name: str) -> str:
    if not math.isfinite(value):
        return f"– ({reasons.get(name)})"
    if interval is None or not all(map(math.isfinite, interval)):
        return f"{value:.1%} ({reasons.get(f'{name}_interval', 'no interval')})"
    return f"{value:.1%} (95 % interval {interval[0]:.1%} to {interval[1]:.1%})"


def _against(found: dict) -> str:
    name, share = next(iter(found["columns"].items()))
    return (
        f"in {found['share']:.1%} of {found['moves']:,} changes of one column, the two moved in opposite directions; "
        f"most for {name} ({share:.1%})"
    )


def _review_lines(findings: Findings) -> list[tuple[str, str]]:
    """The alerts that stay at each budget with enough of them, and what new and lost alerts are worth."""
    told = [entry for entry in findings.review if entry["changed_interval"] is not None]
    if not told:
        return []
    entry = told[-1]
    shown = {name: worth(value, findings.task) for name, value in entry["worth"].items()}
    what = f"share of class {findings.classes[1]}" if findings.classes else "mean value"
    return [
        *((f"same alerts at {each['budget']:.4g}", _same(each)) for each in told),
        (
            f"changed alerts at {entry['budget']:.4g}",
            f"{entry['come']:,.3g} new, as many lost; {what}: {shown['come']} of the new, {shown['go']} of the lost, "
            f"{shown['same']} of the same",
        ),
    ]


def _same(entry: dict) -> str:
    low, high = (1 - end for end in reversed(entry["changed_interval"]))
    ties = entry["student_ties"]["alerts"]
    tied = f", ties decide {ties:,.3g}" if ties else ""
    return f"{1 - entry['changed']:.1%} of {entry['alerts']:,.4g} (95 % interval {low:.1%} to {high:.1%}{tied})"


def worth(value: float | None, task: str) -> str:
    """What alerts are worth: the share of the second class in percent, or a mean value."""
    if value is None:
        return "–"
    return f"{value:.1%}" if task == "classification" else number(value)


def _speed_lines(speed: dict) -> list[tuple[str, str]]:
    student, teacher = speed["student"], speed["teacher"]

    def both(key: str) -> str:
        return f"{student[key]:,.0f} against the teacher's {teacher[key]:,.0f}"

    return [
        (f"rows/s, batch of {speed['batch_size']}", f"{both('rows_per_second')}: {speed['ratio']:,.1f} ×"),
        ("one row, median µs", f"{both('one_row_p50_us')}: {speed['ratio_one_row']:,.1f} ×"),
        ("one row, p99 µs", both("one_row_p99_us")),
    ]
