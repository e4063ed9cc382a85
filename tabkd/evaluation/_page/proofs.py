"""What a student never does, and how far its teacher may be."""

from __future__ import annotations

from itertools import pairwise

from tabkd._page.section import Section, table
from tabkd.evaluation import _show as show
from tabkd.evaluation._findings import Findings


def monotone(findings: Findings) -> Section | None:
    """The columns whose direction is proved, and those in which student and teacher move apart."""
    apart = findings.against_teacher if findings.against_teacher and findings.against_teacher["columns"] else None
    if not findings.monotone and apart is None:
        return None
    section = Section("Direction of columns")
    if findings.monotone:
        rows = [[name, "rises" if sign > 0 else "falls"] for name, sign in findings.monotone.items()]
        section.text = "Proved on the exported weights, for every row: the score only moves this way with the column."
        section.tables.append(table(["column", "the score"], rows))
    if apart is not None:
        worst = [[name, f"{share:.1%}"] for name, share in list(apart["columns"].items())[:8]]
        title = f"Changes of one column that move student and teacher apart: {apart['share']:.1%}"
        section.tables.append(table(["column", "of its moves"], worst, title, False))
    return section


def doubt(findings: Findings) -> Section | None:
    """The differences from the teacher, by bands of the score."""
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
    text = "The difference from the teacher that these shares of new rows do not exceed, for each band of scores."
    return Section("How far the teacher may be", text, tables=[table(["score", "rows", *map(_level, keys)], rows)])


def _level(key: str) -> str:
    digits = "".join(c for c in key if c.isdigit())
    return f"{digits} %" if digits else key
