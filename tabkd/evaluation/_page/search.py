"""The students that a search tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabkd._page import charts
from tabkd._page.section import Section, percent, table
from tabkd.evaluation._findings import Findings


def search(findings: Findings) -> Section | None:
    """The candidates that no other beats, in bytes and fidelity."""
    if not findings.front:
        return None
    line = findings.front
    section = Section(
        "Smaller and larger students",
        "The students that no other one beats in both bytes and fidelity, which is the share of the teacher's answers "
        "to held-out rows that a student explains. The chosen one is marked.",
    )
    points = [(entry["n_bytes"], entry["fidelity"], entry["chosen"]) for entry in line]
    section.figures.append(("Bytes and fidelity", charts.points(points, "bytes of the file", "fidelity"), ""))
    heads = ["student", "settings", "bytes", "fidelity", "skill kept", "one row", "of the lessons"]
    section.tables.append(table(heads, map(_tried, line)))
    return section


def _tried(entry: Mapping[str, Any]) -> list[str]:
    """The cells of a student of a search."""
    name = f"{entry['student']} (chosen)" if entry["chosen"] else entry["student"]
    settings = ", ".join(f"{key} {value}" for key, value in entry["params"].items())
    measured = [f"{entry['n_bytes']:,}", percent(entry["fidelity"]), percent(entry["skill_kept"])]
    return [name, settings, *measured, f"{entry['latency_us']:.3g} µs", f"{entry['share']:.0%}"]
