"""The ensemble compared with the student: every measure, and the cost of running both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tabkd._page.section import Section, table
from tabkd.evaluation import _show as show
from tabkd.evaluation._findings import Findings

_BOTH = ("teacher", "student")


def contest(findings: Findings) -> Section:
    """The measures of all contestants, and the costs of teacher and student."""
    return Section("Ensemble against student", tables=[_measures(findings), *_costs(findings)])


def _measures(findings: Findings) -> dict[str, Any]:
    names, keys = list(findings.metrics), list(findings.metrics["teacher"])
    rows = [[show.label(key), *(show.number(findings.metrics[name].get(key)) for name in names)] for key in keys]
    decides = [keys.index(findings.measure)] if findings.measure in keys else []
    return table(["measure", *(show.HEADINGS[name] for name in names)], rows, bold=decides)


def _costs(findings: Findings) -> list[dict[str, Any]]:
    if findings.costs is None:
        return []
    rows = [
        ["bytes", *_known(findings.costs, "bytes", "{:,}".format)],
        ["trees", *_known(findings.costs, "trees", "{:,}".format)],
        ["memory to score, MB", *(_memory(findings.costs[name]) for name in _BOTH)],
        ["needs", *_known(findings.costs, "packages", ", ".join)],
    ]
    if findings.speed is not None:
        for label, key in (
            ("rows/s in batches", "rows_per_second"),
            ("one row, median µs", "one_row_p50_us"),
            ("one row, 99th percentile µs", "one_row_p99_us"),
        ):
            rows.append([label, *(f"{findings.speed[name][key]:,.0f}" for name in _BOTH)])
    return [table(["cost", *_BOTH], rows)]


def _known(costs: dict[str, dict[str, Any]], key: str, shown: Callable[[Any], str]) -> list[str]:
    return ["–" if costs[name][key] is None else shown(costs[name][key]) for name in _BOTH]


def _memory(cost: dict[str, Any]) -> str:
    memory = cost["memory"]
    return f"not measured: {cost['memory_reason']}" if memory is None else f"{memory / 1e6:,.0f}"
