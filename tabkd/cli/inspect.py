"""`tabkd inspect`: what an exported student is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tabkd.cli.errors import clear_errors

if TYPE_CHECKING:
    from rich.table import Table

_MOST_CLASSES = 30


@clear_errors
def inspect(
    model: Annotated[Path, typer.Argument(help="What `tabkd distill` wrote.", metavar="MODEL.onnx")],
) -> None:
    """Show the task, classes, columns and origin of an exported student."""
    from rich.console import Console

    import tabkd

    metadata = tabkd.load(model).metadata
    console = Console()
    console.print(facts(metadata, model.stat().st_size), highlight=False)
    console.print(column_table(metadata["columns"]))


def facts(metadata: dict[str, Any], n_bytes: int) -> Table:
    """What there is to know besides the columns."""
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("task", metadata["task"])
    classes = [str(c) for c in metadata.get("classes", [])]
    if classes:
        more = f" … ({len(classes)} in all)" if len(classes) > _MOST_CLASSES else ""
        table.add_row("classes", ", ".join(classes[:_MOST_CLASSES]) + more)
    kept = metadata["skill_kept"]
    table.add_row("student", metadata["student"])
    table.add_row("teacher", metadata["teacher"])
    table.add_row("skill kept", "– (not measured)" if kept is None else f"{kept:.1%}")
    table.add_row("size", f"{n_bytes / 1000:,.1f} KB")
    table.add_row("tabkd", metadata["tabkd"])
    return table


def column_table(columns: list[dict[str, Any]]) -> Table:
    """A row for each column that the model takes."""
    from rich.table import Table

    table = Table(title=f"{len(columns)} columns", title_justify="left")
    for heading in ("column", "kind", "dtype", "values at fit", "missing at fit"):
        table.add_column(heading)
    for column in columns:
        missing = "yes" if column["has_missing"] else ""
        table.add_row(str(column["name"]), column["kind"], column["dtype"], _values(column), missing)
    return table


def _values(column: dict[str, Any]) -> str:
    if column["kind"] == "categorical":
        return f"{column['n_categories']:,} categories"
    low, high = column["low"], column["high"]
    return "none" if low is None or high is None else f"{low:,.6g} to {high:,.6g}"
