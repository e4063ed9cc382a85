"""The student itself: its functions, pairs and rules, its tree, and what makes up its scores."""

from __future__ import annotations

from typing import Any

from tabkd._page import bars, charts, pairs
from tabkd._page.section import Section, table
from tabkd._page.tree import tree
from tabkd.evaluation._findings import Findings
from tabkd.evaluation._page.value import shown_value

# Functions and pairs that are drawn, bars of one, and rows of a table of rules.
_FUNCTIONS, _PAIRS, _BARS, _RULES = 16, 8, 24, 400


def model(findings: Findings) -> Section | None:
    """The functions of an additive student, or the tree; and the rules of both."""
    rules = findings.exhibits and findings.exhibits.rules
    if not rules:
        return None
    section = Section("The model itself")
    columns, values = rules["columns"], rules["values"]
    frame = [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
    if "points" in columns and "kind" in columns:
        section.text = "The score is the sum of these functions and a base value."
        section.figures = [*_functions(frame), *_pairs(frame)]
    if drawn := findings.exhibits and findings.exhibits.tree:
        section.text = "Each row follows one path through the tree, and gets the answer of its leaf."
        note = "The bar of a node is the share of the real rows that reach it. The table lists all leaves."
        section.figures.append(("Tree", tree(drawn["nodes"], drawn["answer"]), note))
    shown = [[shown_value(cell) for cell in row.values()] for row in frame[:_RULES]]
    title = f"All {len(frame):,} rules" if len(frame) <= _RULES else f"The first {_RULES:,} of {len(frame):,} rules"
    section.tables.append(table(columns, shown, title, is_open="condition" in columns and not drawn))
    return section


def _functions(frame: list[dict[str, Any]]) -> list[tuple[str, Any, str]]:
    """A line or bars for each column of a scorecard and each output, those with the widest range first."""
    drawn = []
    for title, rows in _parts(frame, False).items():
        at = [row for row in rows if row["kind"] == "at"]
        if len(at) > 1:
            curve = {"student": {"x": [row["from"] for row in at], "y": [row["points"] for row in at]}}
            svg = charts.lines(curve, title, "points")
        else:
            named = {_place(row): row["points"] for row in rows}
            svg = bars.bars(dict(list(named.items())[:_BARS]))
        drawn.append((_range(rows), title, svg))
    return _widest(drawn, _FUNCTIONS, "")


def _pairs(frame: list[dict[str, Any]]) -> list[tuple[str, Any, str]]:
    """A map for each pair of columns, those with the widest range first."""
    drawn = []
    for title, rows in _parts(frame, True).items():
        points: dict[str, dict[str, float]] = {}
        for row in rows:
            points.setdefault(_place(row), {})[_place(row, "_2")] = row["points"]
        column, other = str(rows[0]["column"]), str(rows[0]["column_2"])
        drawn.append((_range(rows), title, pairs.grid(points, column, other)))
    return _widest(drawn, _PAIRS, "Points of both columns together: red adds to the score, green takes from it.")


def _parts(frame: list[dict[str, Any]], are_pairs: bool) -> dict[str, list[dict[str, Any]]]:
    """The rows of each column, or of each pair; with several outputs, of each output."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in frame:
        if row["kind"] != "base" and (row.get("column_2") is not None) == are_pairs:
            title = f"{row['column']} and {row['column_2']}" if are_pairs else str(row["column"])
            of_output = "" if row.get("output") is None else f", {row['output']}"
            parts.setdefault(title + of_output, []).append(row)
    return parts


def _place(row: dict[str, Any], suffix: str = "") -> str:
    """The number or the category of a node, or the word for missing and other values."""
    if row["kind" + suffix] == "at":
        return f"{row['from' + suffix]:.4g}"
    level = row.get("level" + suffix)
    return str(row["kind" + suffix]) if level is None else shown_value(level)


def _range(rows: list[dict[str, Any]]) -> float:
    points = [row["points"] for row in rows]
    return max(points) - min(points)


def _widest(drawn: list[tuple[float, str, Any]], most: int, note: str) -> list[tuple[str, Any, str]]:
    return [(title, svg, note) for _, title, svg in sorted(drawn, key=lambda item: -item[0])[:most]]


def contributions(findings: Findings) -> Section | None:
    """How much each column moves the scores."""
    known = findings.exhibits and findings.exhibits.importance
    if not known:
        return None
    text = f"Contributions of columns to the student's score on {known['rows']} test rows."
    section = Section("What makes up the scores", text)
    front = dict(list(known["columns"].items())[:15])
    section.figures.append(("Mean absolute contribution", bars.bars(front), ""))
    if known.get("points"):
        drawn = bars.swarm(known["points"], "contribution to the score")
        note = "Blue is a low value of the column, red a high one."
        section.figures.append(("Contribution of each row", drawn, note))
    return section
