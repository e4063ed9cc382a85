"""The headlines of a report: what was kept, and what was gained."""

from __future__ import annotations

import math

from tabkd.evaluation._findings import Findings


def headlines(findings: Findings) -> list[tuple[str, str, str]]:
    """A name, a value, and a note for each."""
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
