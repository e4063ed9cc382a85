"""`tabkd inspect`: show an exported student."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabkd._cli.command import Argument, Command

if TYPE_CHECKING:
    from rich.console import Console

    from tabkd.scoring import ExportedStudent

# Classes and levels that are listed; --json has all.
_MOST_CLASSES, _MOST_LEVELS = 30, 12
_HEADINGS = ("column", "kind", "dtype", "input", "values at fit", "missing at fit")


@click.command(cls=Command)
@click.argument(
    "model",
    cls=Argument,
    type=click.Path(path_type=Path),
    metavar="MODEL.onnx",
    help="A file that `tabkd distill` wrote.",
)
@click.option("--rules", is_flag=True, help="Instead, print the rules of a student that has some, such as a tree.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def inspect(model: Path, rules: bool, as_json: bool) -> None:
    """Show the task, classes, columns and origin of an exported student."""
    import json

    import tabkd
    from tabkd._cli import terminal

    exported = tabkd.load(model)
    if as_json:  # in ASCII, so that no name in it can be a command to a terminal
        click.echo(json.dumps(everything(exported), indent=2, allow_nan=False))
        return
    console = terminal.console()
    if rules:
        print_rules(console, exported)
        return
    for label, value in facts(exported):
        console.print(f"{label:<10}  {value}", soft_wrap=True)
    console.print()
    if exported.metadata.get("doubt") is not None:
        print_doubt(console, exported.metadata)
        console.print()
    print_columns(console, exported)


def everything(exported: ExportedStudent) -> dict[str, Any]:
    """The metadata of a model, with its size and the types and shapes of its inputs and outputs.

    Each column has the "categories" that the student reads; null in a shape is the number of rows.
    """
    import hashlib

    from tabkd.scoring import _wire as wire

    tensors = {"inputs": wire.inputs(exported.content), "outputs": wire.outputs(exported.content)}
    described = {
        part: [{"name": name, "type": tensor.type, "shape": tensor.shape} for name, tensor in found.items()]
        for part, found in tensors.items()
    }
    digest = hashlib.sha256(exported.content).hexdigest()
    return {"n_bytes": exported.n_bytes, "sha256": digest, **described, **exported.metadata}


def facts(exported: ExportedStudent) -> Iterator[tuple[str, str]]:
    """Everything to show besides the columns."""
    from tabkd.scoring import _wire as wire

    metadata = exported.metadata
    yield "task", metadata["task"]
    if "classes" in metadata:
        yield "classes", _listed(metadata["classes"], _MOST_CLASSES)
    if "link" in metadata:
        yield "link", _link(metadata["link"], metadata.get("least", []))
    yield "student", metadata["student"]
    yield "teacher", metadata["teacher"]
    kept = metadata["skill_kept"]
    by = f", by {metadata['skill_metric']}" if metadata.get("skill_metric") else ""
    yield "skill kept", "– (not measured)" if kept is None else f"{kept:.1%}{by}"
    if "monotone" in metadata:
        yield "monotone", _directions(exported)
    yield "size", f"{exported.n_bytes / 1000:,.1f} KB"
    yield "tabkd", metadata["tabkd"]
    inputs = wire.inputs(exported.content)
    if "X" in inputs and len(inputs) == 1:
        yield "input", _tensor("X", inputs["X"])
    else:
        yield "inputs", f"{len(inputs):,}, one for each column"
    yield "outputs", ", ".join(_tensor(name, tensor) for name, tensor in wire.outputs(exported.content).items())


def _link(link: str, least: list[float]) -> str:
    """The scale on which a regressor learnt, and the predictions that follow from it."""
    above = {"log": "predictions above zero", "logit": "predictions between zero and one"}.get(link)
    if least:
        above = f"predictions from {_listed([f'{value:.6g}' for value in least], _MOST_CLASSES)}"
    return f"{link}, {above}" if above else link


def _tensor(name: str, tensor: Any) -> str:
    shape = ", ".join("n" if size is None else str(size) for size in tensor.shape)
    return f"{name} {tensor.type} [{shape}]"


def print_doubt(console: Console, metadata: dict[str, Any]) -> None:
    """How far the teacher may be from a score, in each band of scores."""
    from rich.table import Table

    from tabkd._doubt import LEVELS

    doubt = metadata["doubt"]
    n_rows = sum(band["rows"] for band in doubt["bands"])
    table = Table(title=f"doubt: |student − teacher|, measured on {n_rows:,} rows", title_justify="left")
    for heading in (_banded_by(metadata), "rows", *(f"{name[:-1]} %" for name in LEVELS)):
        table.add_column(heading, justify="right", overflow="fold")
    for low, high, band in zip([None, *doubt["edges"]], [*doubt["edges"], None], doubt["bands"], strict=True):
        points = ("–" if band[name] is None else f"{band[name]:.4g}" for name in LEVELS)
        table.add_row(_range(low, high), f"{band['rows']:,}", *points)
    console.print(table)
    console.print(
        "Of new rows like the measured ones, at least 50, 90 and 99 % are no farther from the teacher than the points "
        "of their band, on average over samples of measured rows. A band with too few rows shares a point with its "
        "neighbours; – means that all bands have too few.",
        style="dim",
    )


def _banded_by(metadata: dict[str, Any]) -> str:
    """What the bands are bands of."""
    if metadata["task"] != "classification":
        return "prediction"
    classes = metadata["classes"]
    return f"probability of {_listed(classes[1:], 1)}" if len(classes) == 2 else "highest probability"


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return "all" if high is None else f"to {high:.4g}"
    return f"{low:.4g} to {high:.4g}" if high is not None else f"from {low:.4g}"


def _directions(exported: ExportedStudent) -> str:
    """The columns with which predictions only rise, then those with which they only fall."""
    names, proved = exported.feature_names_in_, exported.metadata["monotone"]
    parts = [(word, [names[i] for i in proved[word]]) for word in ("increasing", "decreasing")]
    return "proved: " + "; ".join(f"{word} with {_listed(found, _MOST_CLASSES)}" for word, found in parts if found)


def print_columns(console: Console, exported: ExportedStudent) -> None:
    """Each column of the model, by its name in files of rows."""
    columns = zip(exported.feature_names_in_, exported.metadata["columns"], strict=True)
    rows = [(str(name), *_row(column)) for name, column in columns]
    print_table(console, f"{len(rows):,} columns", _HEADINGS, rows)


def print_rules(console: Console, exported: ExportedStudent) -> None:
    """The rules in the metadata of a model.

    Raises
    ------
    CommandError
        If it has none.
    """
    from tabkd._cli.errors import CommandError

    found = exported.metadata.get("rules")
    if found is None:
        raise CommandError(
            f"The file holds no rules: its student is {exported.metadata['student']}. A file has those of a tree or an "
            "additive student if they are few enough to read. Distil again with --student tree or additive; in Python, "
            "TreeStudent(max_leaf_nodes=…) makes fewer."
        )
    names, rows = found["columns"], [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    single = [row for row in rows if row.get("column_2") is None]
    headings = [name for name in names if any(row[name] is not None for row in single)]
    cells = [tuple("" if row[name] is None else _word(row[name]) for name in headings) for row in single]
    print_table(console, f"{len(single):,} rules", headings, cells)
    for title, table, nodes in grids(row for row in rows if row.get("column_2") is not None):
        console.print()
        print_table(console, title, table, nodes)


def grids(nodes: Iterable[dict[str, Any]]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """The title, the headings and the rows of a table for each pair of columns in a scorecard."""
    of_pair = groupby(nodes, lambda node: (node["column"], node["column_2"], node.get("output")))
    for (one, other, output), found in of_pair:
        points: dict[str, dict[str, str]] = {}
        for node in found:
            row = points.setdefault(_place(node), {})
            row[_place(node, "_2")] = _word(node["points"])
        headings = list(next(iter(points.values())))
        of_output = "" if output is None else f", output {output}"
        title = f"Points of {one} (down) and {other} (across){of_output}"
        yield title, [str(one), *headings], [[place, *row.values()] for place, row in points.items()]


def _place(node: dict[str, Any], suffix: str = "") -> str:
    """The number or the category of a node, or the word for missing and other values."""
    kind = node["kind" + suffix]
    return {"at": _word(node.get("from" + suffix)), "category": _word(node.get("level" + suffix))}.get(kind, str(kind))


def print_table(console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A row of a table for each row, or several lines if the terminal is too narrow for the table."""
    from rich.measure import Measurement
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    if Measurement.get(console, console.options.update(max_width=10_000_000), table).maximum <= console.width:
        console.print(table)
        return
    console.print(title)
    width = max(map(len, headings))
    for row in rows:
        console.print()
        for heading, value in zip(headings, row, strict=True):
            if value:
                console.print(f"{heading:<{width}}  {value}", soft_wrap=True)


def _row(column: dict[str, Any]) -> tuple[str, ...]:
    missing = "yes" if column["has_missing"] else ""
    return column["kind"], column["dtype"], f"{column['input']} {column['type']}", _values(column), missing


def _values(column: dict[str, Any]) -> str:
    if column["kind"] == "categorical":
        if "categories" not in column:
            return f"{column['n_categories']:,} categories, not used by the student"
        return f"{column['n_categories']:,} categories: {_listed(column['categories'], _MOST_LEVELS)}"
    low, high = column["low"], column["high"]
    return "none" if low is None or high is None else f"{low:,.6g} to {high:,.6g}"


def _listed(values: Sequence, most: int) -> str:
    """Values separated by commas; empty texts and those with a comma or surrounding spaces are in quotes."""
    shown = [repr(v) if isinstance(v, str) and _needs_quotes(v) else _word(v) for v in values[:most]]
    more = f", … ({len(values) - most:,} more; --json lists all)" if len(values) > most else ""
    return ", ".join(shown) + more


def _needs_quotes(text: str) -> bool:
    return "," in text or text != (text.strip() or " ")


def _word(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)
