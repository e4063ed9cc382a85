"""Student against teacher row by row: figures, classes, and where they disagree most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabkd._page import charts
from tabkd._page.section import Section, table
from tabkd.evaluation import _show as show
from tabkd.evaluation._findings import Findings
from tabkd.evaluation._page.value import shown_value

# Columns of a single row that are shown.
_VALUES = 6
KEY = {"teacher": "teacher", "student": "student"}


def row_by_row(findings: Findings) -> Section | None:
    """The scores of both: against each other, their distribution, curves and calibration."""
    shown = findings.exhibits and findings.exhibits.figures
    if not shown:
        return None
    score, spread = shown["score"], shown["distribution"]
    section = Section("Student against teacher", key=KEY)
    pairs = charts.heat(shown["pairs"]["edges"], shown["pairs"]["shares"], "teacher", "student")
    section.figures.append(("Row by row", pairs, f"Darker cells have more test rows. Scores: {score}."))
    both = {name: spread[name] for name in KEY}
    section.figures.append(("Distribution of scores", charts.steps(spread["edges"], both, score), ""))
    if "roc" in shown:
        marks = shown["marks"]
        roc = charts.lines(shown["roc"], "false positive rate", "true positive rate", diagonal=True, marks=marks["roc"])
        note = f"Circles: the {marks['budget']:.4g} of the rows with the highest scores." if marks["budget"] else ""
        section.figures.append(("ROC curve", roc, note))
        curve = charts.lines(shown["precision_recall"], "recall", "precision", marks=marks["precision_recall"])
        section.figures.append(("Precision and recall", curve, note))
    outcome = "share with the outcome" if findings.task == "classification" else "mean of the outcome"
    calibration = charts.lines(shown["calibration"], f"mean {score}", outcome, diagonal=True, dots=True)
    section.figures.append(("Calibration", calibration, "Each dot is a tenth of the rows, in the order of the score."))
    return section


def classes(findings: Findings) -> Section | None:
    """The recall of each class."""
    if not findings.per_class:
        return None
    rows = [
        [str(name), f"{v['support']:,.0f}", show.number(v["teacher_recall"]), show.number(v["student_recall"])]
        for name, v in findings.per_class.items()
    ]
    return Section("Classes", tables=[table(["class", "test rows", "teacher's recall", "student's recall"], rows)])


def segments(findings: Findings) -> Section | None:
    """The ranges and levels of columns, and the single rows, in which they are farthest apart."""
    if not findings.segments:
        return None
    section = Section(
        "Where they disagree most", "Ranges and levels of single columns, with the largest difference first."
    )
    loss = "log-loss" if findings.task == "classification" else "squared error"
    rows = [[f"{s['column']}: {s['segment']}", f"{s['rows']:,}", *_differences(s)] for s in findings.segments]
    heads = ["segment", "rows", "mean difference", "of all rows'", f"teacher's {loss}", f"student's {loss}"]
    section.tables.append(table(heads, rows))
    if findings.worst_rows:
        names = _first_columns(findings)
        rows = [
            [str(r["row"]), *(show.number(r[key]) for key in ("teacher", "student", "outcome"))]
            + [shown_value(r["values"].get(name)) for name in names]
            for r in findings.worst_rows
        ]
        section.tables.append(table(["row", "teacher", "student", "outcome", *names], rows, "Single rows", False))
    return section


def _differences(segment: Mapping[str, Any]) -> list[str]:
    losses = [show.number(segment[f"{name}_loss"]) for name in ("teacher", "student")]
    return [show.number(segment["difference"]), f"{segment['times']:.1f} ×", *losses]


def _first_columns(findings: Findings) -> list[str]:
    """The columns that say most about a row."""
    known = findings.exhibits and findings.exhibits.importance
    names = list(known["columns"]) if known else list(findings.worst_rows[0]["values"])
    return names[:_VALUES]
