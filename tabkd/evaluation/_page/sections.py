"""The sections of a page, each from what was found; a section of which nothing is known is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tabkd.evaluation import _show as show
from tabkd.evaluation._findings import Findings
from tabkd.evaluation._page import charts

# Functions that are drawn, bars of one, rows of a table of rules, and columns of a single row that are shown.
_FUNCTIONS, _BARS, _RULES, _VALUES = 16, 24, 400, 6
# Stability indices above these: some and much change, as is customary.
_SOME, _MUCH = 0.1, 0.25


@dataclass
class Section:
    """A part of the page.

    Attributes
    ----------
    title, text : str
        Its heading and first sentence.
    figures : list of (title, svg, note)
        Drawings.
    tables : list of dict
        With title, open, heads and rows.
    key : bool
        Whether teacher and student have colours in it.
    """

    title: str
    text: str = ""
    figures: list[tuple[str, Any, str]] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    key: bool = False


def sections(findings: Findings) -> list[Section | None]:
    """All sections, in the order of the page."""
    makers: list[Callable[[Findings], Section | None]] = [
        _row_by_row, _alerts, _classes, _segments, _front_of_search, _model, _contributions, _monotone, _doubt, _drift,
        _done,
    ]  # fmt: skip
    return [make(findings) for make in makers]


def table(heads: list[str], rows: list[list[Any]], title: str = "", is_open: bool = True) -> dict[str, Any]:
    """A table, the first cell of each row its label; under a title it can be folded."""
    made = [{"label": first, "cells": [str(cell) for cell in rest], "decides": False} for first, *rest in rows]
    return {"title": title, "open": is_open, "heads": heads, "rows": made}


def _row_by_row(findings: Findings) -> Section | None:
    shown = findings.exhibits and findings.exhibits["figures"]
    if not shown:
        return None
    score, spread = shown["score"], shown["distribution"]
    section = Section("Student against teacher", key=True)
    pairs = charts.heat(shown["pairs"]["edges"], shown["pairs"]["shares"], "teacher", "student")
    section.figures.append(("Row by row", pairs, f"Darker cells have more test rows. Scores: {score}."))
    both = {name: spread[name] for name in ("teacher", "student")}
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


def _alerts(findings: Findings) -> Section | None:
    if not findings.review:
        return None
    section = Section(
        "The same alerts",
        "For each share of the rows that is reviewed: the threshold on the student that gives as many alerts as the "
        "teacher, and which of these change.",
    )
    rows = [
        [f"{entry['budget']:.4g}", f"{entry['alerts']:,.4g}", show.number(entry["student_threshold"])]
        + [f"{entry['same']:,.4g}", f"{entry['come']:,.3g}", _changed(entry)]
        + [show.number(entry["worth"][part]) for part in ("same", "come", "go")]
        for entry in findings.review
    ]
    worth = f"share of {findings.classes[1]}" if findings.classes else "mean value"
    heads = ["reviewed", "alerts", "threshold", "same", "new, and lost", "share that changes"]
    section.tables.append(table([*heads, f"{worth}: same", "new", "lost"], rows))
    return section


def _changed(entry: Mapping[str, Any]) -> str:
    if entry["changed_interval"] is None:
        return f"{entry['changed']:.1%} ({entry['reason']})"
    low, high = entry["changed_interval"]
    return f"{entry['changed']:.1%} ({low:.1%} to {high:.1%})"


def _classes(findings: Findings) -> Section | None:
    if not findings.per_class:
        return None
    rows = [
        [str(name), f"{v['support']:,.0f}", show.number(v["teacher_recall"]), show.number(v["student_recall"])]
        for name, v in findings.per_class.items()
    ]
    return Section("Classes", tables=[table(["class", "test rows", "teacher's recall", "student's recall"], rows)])


def _segments(findings: Findings) -> Section | None:
    if not findings.segments:
        return None
    section = Section("Where they disagree most", "Parts of the test rows by one column, the largest difference first.")
    loss = "log-loss" if findings.task == "classification" else "squared error"
    rows = [[f"{s['column']}: {s['segment']}", f"{s['rows']:,}", *_differences(s)] for s in findings.segments]
    heads = ["segment", "rows", "mean difference", "of all rows'", f"teacher's {loss}", f"student's {loss}"]
    section.tables.append(table(heads, rows))
    if findings.worst_rows:
        names = list(_front(findings))
        rows = [
            [str(r["row"]), *(show.number(r[key]) for key in ("teacher", "student", "outcome"))]
            + [_value(r["values"].get(name)) for name in names]
            for r in findings.worst_rows
        ]
        section.tables.append(table(["row", "teacher", "student", "outcome", *names], rows, "Single rows", False))
    return section


def _differences(segment: Mapping[str, Any]) -> list[str]:
    losses = [show.number(segment[f"{name}_loss"]) for name in ("teacher", "student")]
    return [show.number(segment["difference"]), f"{segment['times']:.1f} ×", *losses]


def _front(findings: Findings) -> list[str]:
    """The columns that say most about a row."""
    known = (findings.exhibits or {}).get("importance")
    names = list(known["columns"]) if known else list(findings.worst_rows[0]["values"])
    return names[:_VALUES]


def _front_of_search(findings: Findings) -> Section | None:
    if not findings.front:
        return None
    line = findings.front
    section = Section(
        "Smaller and larger students",
        "Of the students that were tried, those that no other beats in both bytes and fidelity: the share of the "
        "teacher's answers to held-out rows that a student explains. The chosen one is marked.",
    )
    points = [(entry["n_bytes"], entry["fidelity"], entry["chosen"]) for entry in line]
    section.figures.append(("Bytes and fidelity", charts.points(points, "bytes of the file", "fidelity"), ""))
    rows = [_tried(entry) for entry in line]
    heads = ["student", "settings", "bytes", "fidelity", "skill kept", "one row", "of the lessons"]
    section.tables.append(table(heads, rows))
    return section


def _tried(entry: Mapping[str, Any]) -> list[str]:
    """The cells of a student of a search."""
    name = f"{entry['student']} (chosen)" if entry["chosen"] else entry["student"]
    settings = ", ".join(f"{key} {value}" for key, value in entry["params"].items())
    measured = [f"{entry['n_bytes']:,}", _share(entry["fidelity"]), _share(entry["skill_kept"])]
    return [name, settings, *measured, f"{entry['latency_us']:.3g} µs", f"{entry['share']:.0%}"]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _model(findings: Findings) -> Section | None:
    rules = findings.exhibits and findings.exhibits["rules"]
    if not rules:
        return None
    section = Section("The model itself")
    columns, values = rules["columns"], rules["values"]
    frame = [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
    if "points" in columns and "kind" in columns:
        section.text = "The score is the sum of these functions and a base value."
        section.figures = [(name, svg, "") for name, svg in _functions(frame)[:_FUNCTIONS]]
    shown = [[_value(cell) for cell in row.values()] for row in frame[:_RULES]]
    title = f"All {len(frame):,} rules" if len(frame) <= _RULES else f"The first {_RULES:,} of {len(frame):,} rules"
    section.tables.append(table(columns, shown, title, is_open="condition" in columns))
    return section


def _functions(frame: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """A line or bars for each column of a scorecard, those with the widest range first."""
    columns: dict[str, list[dict[str, Any]]] = {}
    for row in frame:
        if row["kind"] != "base" and row.get("column_2") is None:
            columns.setdefault(str(row["column"]), []).append(row)
    drawn = []
    for name, rows in columns.items():
        points = [row["points"] for row in rows]
        at = [row for row in rows if row["kind"] == "at"]
        if len(at) > 1:
            curve = {"student": {"x": [row["from"] for row in at], "y": [row["points"] for row in at]}}
            svg = charts.lines(curve, name, "points")
        else:
            named = {_value(row["kind"] if row["level"] is None else row["level"]): row["points"] for row in rows}
            svg = charts.bars(dict(list(named.items())[:_BARS]))
        drawn.append((max(points) - min(points), name, svg))
    return [(name, svg) for _, name, svg in sorted(drawn, key=lambda item: -item[0])]


def _contributions(findings: Findings) -> Section | None:
    known = findings.exhibits and findings.exhibits["importance"]
    if not known:
        return None
    text = f"Contributions of columns to the student's score on {known['rows']} test rows."
    section = Section("What the scores are made of", text)
    front = dict(list(known["columns"].items())[:15])
    section.figures.append(("Mean absolute contribution", charts.bars(front), ""))
    if known.get("points"):
        drawn = charts.swarm(known["points"], "contribution to the score")
        note = "Blue is a low value of the column, red a high one."
        section.figures.append(("Contribution of each row", drawn, note))
    return section


def _monotone(findings: Findings) -> Section | None:
    if not findings.monotone and not (findings.against_teacher and findings.against_teacher["columns"]):
        return None
    section = Section("Direction of columns")
    if findings.monotone:
        rows = [[name, "rises" if sign > 0 else "falls"] for name, sign in findings.monotone.items()]
        section.text = "Proved on the exported weights, for every row: the score only moves this way with the column."
        section.tables.append(table(["column", "the score"], rows))
    if findings.against_teacher and findings.against_teacher["columns"]:
        worst = list(findings.against_teacher["columns"].items())[:8]
        rows = [[name, f"{share:.1%}"] for name, share in worst]
        title = f"Moves of one column after which student and teacher go apart: {findings.against_teacher['share']:.1%}"
        section.tables.append(table(["column", "of its moves"], rows, title, False))
    return section


def _doubt(findings: Findings) -> Section | None:
    if findings.doubt is None:
        return None
    edges = findings.doubt["edges"]
    names = [f"up to {edges[0]:.4g}", *(f"{a:.4g} to {b:.4g}" for a, b in pairwise(edges))] if edges else []
    names = [*names, f"over {edges[-1]:.4g}"] if edges else ["all"]
    keys = [key for key in findings.doubt["bands"][0] if key != "rows"]
    rows = [
        [name, f"{band['rows']:,}", *(show.number(band[key]) for key in keys)]
        for name, band in zip(names, findings.doubt["bands"], strict=True)
    ]
    text = "By the student's score: the differences from the teacher that these shares of new rows do not exceed."
    return Section("How far the teacher may be", text, tables=[table(["score", "rows", *map(_level, keys)], rows)])


def _level(key: str) -> str:
    digits = "".join(c for c in key if c.isdigit())
    return f"{digits} %" if digits else key


def _drift(findings: Findings) -> Section | None:
    if findings.drift is None:
        return None
    found = findings.drift["columns"]
    order = sorted(found, key=lambda name: -(found[name]["stability_index"] or 0))[:10]
    rows = [
        [name, show.number(part["stability_index"]), f"{part['missing']:.1%}", f"{part['missing_in_training']:.1%}"]
        for name, part in ((name, found[name]) for name in order)
    ]
    index = findings.drift["score_stability_index"]
    moved = "much" if index > _MUCH else "somewhat" if index > _SOME else "hardly"
    text = f"The scores of the test rows differ {moved} from those of the training rows (stability index {index:.3f})."
    heads = ["column", "stability index", "missing", "missing in training"]
    return Section(
        "Test rows against training rows", text, tables=[table(heads, rows, "The columns that moved most", False)]
    )


def _done(findings: Findings) -> Section | None:
    done = findings.provenance
    if done is None:
        return None
    section = Section("What was done")
    if done.get("command"):
        section.text = f"To do it again: {done['command']}"
    section.tables = [
        table(["setting", "value"], _listed(done["settings"]), "Settings", False),
        table(["package", "version"], _listed(done["versions"] | {"platform": done["platform"]}), "Versions", False),
        table(
            ["hash", "SHA-256"], [["test rows", done["test_rows"]], ["model", done["model"] or "–"]], "Hashes", False
        ),
    ]
    return section


def _listed(values: Mapping[str, str]) -> list[list[str]]:
    return [[name, value] for name, value in values.items()]


def _value(value: Any) -> str:
    if value is None or value != value:
        return ""
    return show.number(value) if isinstance(value, float) else str(value)
