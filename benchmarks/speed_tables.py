"""What the benchmark of speed has measured, as a table and a plot."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contestant import THREADS
from benchmarks.runs import markdown
from benchmarks.speed_contestants import BARE, BOUND, TEACHER, TREE


def table(records: list[dict], batch_rows: tuple[int, ...]) -> list[str]:
    """The lines of the table, and the notes below it."""
    header = ["contestant", *(f"{n:,} rows" if n > 1 else "1 row" for n in batch_rows), "p50", "p99", "bytes"]
    names = dict.fromkeys(record["contestant"] for record in records)
    return markdown(header, [[name, *_cells(records, name, batch_rows)] for name in names]) + _notes(
        records, batch_rows[-1]
    )


def _cells(records: list[dict], name: str, batch_rows: tuple[int, ...]) -> list[str]:
    found = {r["batch_rows"]: r for r in records if r["contestant"] == name and "error" not in r}
    teacher = {r["batch_rows"]: r for r in records if r["contestant"] == TEACHER}
    if not found:
        return ["–"] * (len(batch_rows) + 3)
    one_row, last = found[1], next(iter(found.values()))
    speeds = [_ratio(found[n], teacher[n]) if n in found else "–" for n in batch_rows]
    size = "–" if last["n_bytes"] is None else _size(last["n_bytes"])
    return [*speeds, f"{one_row['p50_us']:,.0f} µs", f"{one_row['p99_us']:,.0f} µs", size]


def _ratio(record: dict, teacher: dict) -> str:
    """Times the teacher's rows per second; for the teacher itself, these."""
    if record is teacher:
        return f"{record['rows_per_second']:,.0f}/s"
    star = "" if record["rows"] == record["batch_rows"] else " *"
    return f"{record['rows_per_second'] / teacher['rows_per_second']:,.3g} ×{star}"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} KB"


def _notes(records: list[dict], most_rows: int) -> list[str]:
    largest = [r for r in records if r["batch_rows"] == most_rows and "error" not in r]
    rates = {r["contestant"]: r["rows_per_second"] for r in largest}
    fewer = [f"{r['contestant']} {r['rows']:,}" for r in largest if r["rows"] < r["batch_rows"]]
    errors = {r["contestant"]: r["error"] for r in records if "error" in r}
    return [
        "",
        f"Rows per second as a multiple of the teacher's at each batch size; p50 and p99 are of one row. One or "
        f"{THREADS[-1]} threads, whichever is faster.",
        f"At {most_rows:,} rows the tree has {rates[TREE] / rates[BOUND]:.1%} of the rows per second that "
        f"reading the matrix alone has ({rates[BOUND] * 30 * 4 / 1e9:.1f} GB/s).",
        *([f"\\* On fewer rows, for time: {', '.join(fewer)}."] if fewer else []),
        *(f"Not measured: {name} ({reason})." for name, reason in errors.items()),
    ]


def plot(records: list[dict], path: Path) -> None:
    """Rows per second against batch size, where matplotlib is there."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    colours: dict[str, str] = {}
    for name in dict.fromkeys(r["contestant"] for r in records if "error" not in r):
        found = [r for r in records if r["contestant"] == name and "error" not in r]
        colour = colours.setdefault(name.removesuffix(BARE), f"C{len(colours)}")
        style = "--" if name.endswith(BARE) else "-"
        sizes, rates = [r["batch_rows"] for r in found], [r["rows_per_second"] for r in found]
        axes.loglog(sizes, rates, style, color=colour, marker="o", label=name)
    axes.set(xlabel="rows in a batch", ylabel="rows per second")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=150)
