"""The alerts that stay, come and go when the student replaces its teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabkd._page.section import Section, table
from tabkd.evaluation import _show as show
from tabkd.evaluation._findings import Findings


def same_alerts(findings: Findings) -> Section | None:
    """A row for each review budget."""
    if not findings.review:
        return None
    section = Section(
        "The same alerts",
        "For each share of rows that is reviewed: the student's threshold for as many alerts as the teacher, and "
        "which alerts change.",
    )
    rows = [
        [f"{entry['budget']:.4g}", f"{entry['alerts']:,.4g}", show.number(entry["student_threshold"])]
        + [f"{entry['same']:,.4g}", f"{entry['come']:,.3g}", _changed(entry)]
        + [show.worth(entry["worth"][part], findings.task) for part in ("same", "come", "go")]
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
