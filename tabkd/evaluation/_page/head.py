"""The head of a page: the verdict, the headlines, and the ensemble beside the student."""

from __future__ import annotations

import math
from typing import Any

from tabkd.evaluation import _show as show
from tabkd.evaluation._findings import Findings


def verdict(findings: Findings) -> dict[str, str]:
    """Whether to ship the student, in one sentence that agrees with `Report.verdict`, and why."""
    kind, title = {
        "distil": ("care", "Ship it with care.") if findings.warnings else ("good", "Ship it."),
        "do not distil": ("bad", "Do not distil."),
        "cannot tell": ("care", "Cannot tell."),
    }[findings.verdict]
    why = findings.advice.removeprefix("Do not distil: ").removeprefix("Distil: ")
    return {"kind": kind, "title": title, "why": why[:1].upper() + why[1:]}


def cards(findings: Findings) -> list[tuple[str, str, str]]:
    """The headlines: a name, a value, and a note."""
    kept, (low, high) = findings.skill_kept, findings.skill_kept_interval
    note = f"95 % interval {low:.1%} to {high:.1%}" if math.isfinite(low) and math.isfinite(high) else ""
    found = [("skill kept", f"{kept:.1%}" if math.isfinite(kept) else "–", note)]
    if findings.n_bytes is not None:
        found.append(("one ONNX file", f"{findings.n_bytes / 1000:,.1f} KB", ""))
    if findings.speed is not None:
        speed = findings.speed
        rate, latency = speed["student"]["rows_per_second"], speed["student"]["one_row_p50_us"]
        found.append(("faster in batches", f"{speed['ratio']:,.0f} ×", f"{rate:,.0f} rows/s"))
        found.append(("faster for one row", f"{speed['ratio_one_row']:,.0f} ×", f"{latency:,.0f} µs"))
    if findings.parity is not None:
        rows = f"on {findings.parity['rows']:,} rows"
        found.append(("largest difference from Python", f"{findings.parity['max_difference']:.1e}", rows))
    return found


def measure_table(findings: Findings) -> dict[str, Any]:
    """The measures: a row for each, a column for each contestant."""
    names = list(findings.metrics)
    rows = [
        {
            "label": show.label(key),
            "cells": [show.number(findings.metrics[name].get(key)) for name in names],
            "decides": key == findings.measure,
        }
        for key in findings.metrics["teacher"]
    ]
    return {"heads": ["measure", *(show.HEADINGS[name] for name in names)], "rows": rows}


def cost_table(findings: Findings) -> dict[str, Any] | None:
    """What it takes to run both."""
    if findings.costs is None:
        return None
    both = [findings.costs[name] for name in ("teacher", "student")]

    def row(label: str, cells: list[str]) -> dict[str, Any]:
        return {"label": label, "cells": cells, "decides": False}

    rows = [
        row("bytes", ["–" if c["bytes"] is None else f"{c['bytes']:,}" for c in both]),
        row("trees", ["–" if c["trees"] is None else f"{c['trees']:,}" for c in both]),
        row("needs", ["–" if c["packages"] is None else ", ".join(c["packages"]) for c in both]),
    ]
    if findings.speed is not None:
        for label, key in (
            ("rows/s in batches", "rows_per_second"),
            ("one row, median µs", "one_row_p50_us"),
            ("one row, 99th percentile µs", "one_row_p99_us"),
        ):
            rows.append(row(label, [f"{findings.speed[name][key]:,.0f}" for name in ("teacher", "student")]))
    return {"heads": ["cost", "teacher", "student"], "rows": rows}
