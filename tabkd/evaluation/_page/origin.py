"""Where the numbers come from: the test rows against the training rows, and what was done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabkd._page.section import Section, table
from tabkd._page.stability import moved
from tabkd.evaluation import _show as show
from tabkd.evaluation._findings import Findings


def drift(findings: Findings) -> Section | None:
    """How far the test rows are from the training rows."""
    if findings.drift is None:
        return None
    found = findings.drift["columns"]
    order = sorted(found, key=lambda name: -(found[name]["stability_index"] or 0))[:10]
    rows = [
        [name, show.number(part["stability_index"]), f"{part['missing']:.1%}", f"{part['missing_in_training']:.1%}"]
        for name, part in ((name, found[name]) for name in order)
    ]
    index = findings.drift["score_stability_index"]
    text = f"Scores of test rows against those of training rows: {moved(index)} (stability index {index:.3f})."
    heads = ["column", "stability index", "missing", "missing in training"]
    return Section(
        "Test rows against training rows", text, tables=[table(heads, rows, "The columns that moved most", False)]
    )


def done(findings: Findings) -> Section | None:
    """Settings, versions and hashes, and the command that repeats it."""
    origin = findings.provenance
    if origin is None:
        return None
    section = Section("What was done")
    if origin.get("command"):
        section.text = f"To repeat this: {origin['command']}"
    versions = origin["versions"] | {"platform": origin["platform"]}
    hashes = [["test rows", origin["test_rows"]], ["model", origin["model"] or "–"]]
    section.tables = [
        table(["setting", "value"], _listed(origin["settings"]), "Settings", False),
        _facts("soft targets of the labelled rows", origin["own_rows"], "What the teacher has memorized"),
        _facts("synthetic rows", origin["labelling"], "What the teacher labelled"),
        table(["package", "version"], _listed(versions), "Versions", False),
        table(["hash", "SHA-256"], hashes, "Hashes", False),
    ]
    if network := origin.get("network"):
        section.tables.insert(2, _facts("network", network, "How wide the student is"))
    return section


def _facts(head: str, facts: Mapping[str, Any], title: str) -> dict[str, Any]:
    return table([head, "value"], _listed({name: _text(value) for name, value in facts.items()}), title, False)


def _text(value: str | float | None) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else show.number(value)


def _listed(values: Mapping[str, str]) -> list[list[str]]:
    return [[name, value] for name, value in values.items()]
