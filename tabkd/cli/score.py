"""`tabkd score`: from an exported student and a table to a table of scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tabkd.cli.errors import CommandError, clear_errors

if TYPE_CHECKING:
    import pyarrow as pa


@clear_errors
def score(
    model: Annotated[Path, typer.Argument(help="What `tabkd distill` wrote.", metavar="MODEL.onnx")],
    table: Annotated[Path, typer.Argument(help="The rows to score, .parquet or .csv.", metavar="TABLE")],
    output: Annotated[Path, typer.Option(help="Where the scores go, .parquet or .csv.", metavar="OUT")],
    keep: Annotated[
        list[str] | None, typer.Option(help="A column of TABLE to copy; may be repeated.", metavar="COL")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="About how many rows are in memory at a time.")] = 65_536,
) -> None:
    """Score a table of any length, batch by batch, and write a prediction for each of its rows."""
    import tabkd

    scorer = tabkd.load(model)
    start = time.perf_counter()
    rows = score_file(scorer, table, output, keep or [], batch_size)
    seconds = time.perf_counter() - start
    pace = f"{seconds:.1f} s, {rows / seconds:,.0f} rows/s"
    typer.echo(f"Wrote {output}: {rows:,} rows in, {rows:,} rows out ({pace}).")


def score_file(scorer, table: Path, output: Path, keep: list[str], batch_size: int) -> int:
    """Score the rows of one file into another, which appears whole or not at all; the number of rows.

    Raises
    ------
    CommandError
        A column is missing, the table is empty, or rows would get lost.
    """
    from tabkd.cli import tables

    tables.check_suffix(output)
    if output.exists() and table.exists() and output.samefile(table):
        raise CommandError(f"--output {str(output)!r} is the table to be scored; choose another file.")
    features = [str(name) for name in scorer.feature_names_in_]
    present = tables.column_names(table)
    missing = [name for name in features if name not in present]
    if missing:
        raise CommandError(
            f"{str(table)!r} has no column {', '.join(map(repr, missing[:5]))}, which the model needs. "
            "Give a table with the columns that `tabkd inspect` shows."
        )
    strange = [name for name in keep if name not in present]
    if strange:
        raise CommandError(f"--keep {strange[0]!r} is not a column of {str(table)!r}.")
    wanted = list(dict.fromkeys([*features, *keep]))
    known = dict(zip(features, scorer.metadata["columns"], strict=True))
    batches = tables.read_batches(table, wanted, known, batch_size)
    add_scores = _score_columns(scorer, features)
    scored = (_beside(batch.select(keep), add_scores(batch)) for batch in batches if batch.num_rows)
    first = next(scored, None)
    if first is None:
        raise CommandError(f"the table {str(table)!r} is empty: 0 rows to score.")
    clashes = [name for name in keep if first.schema.names.count(name) > 1]
    if clashes:
        raise CommandError(f"--keep {clashes[0]!r} has the name of a column of scores; rename it in the table.")
    written = 0
    with tables.write_batches(output, first.schema) as write:
        for part in _chain(first, scored):
            write(part.cast(first.schema))
            written += part.num_rows
        expected = tables.n_rows(table)
        if expected is not None and expected != written:
            raise CommandError(f"{expected:,} rows in, but {written:,} rows out; nothing was written.")
    return written


def _score_columns(scorer, features: list[str]) -> Callable[[pa.Table], pa.Table]:
    """The function that makes the columns of scores for a batch."""
    import numpy as np
    import pyarrow as pa

    def classification(batch: pa.Table) -> pa.Table:
        P = np.asarray(scorer.predict_proba(batch.select(features)))
        labels = np.asarray(scorer.classes_)[P.argmax(axis=1)]
        columns = {"prediction": pa.array(labels.tolist())}
        columns |= {f"probability_{c}": pa.array(P[:, k]) for k, c in enumerate(scorer.classes_)}
        return pa.table(columns)

    def regression(batch: pa.Table) -> pa.Table:
        values = np.asarray(scorer.predict(batch.select(features)))
        if values.ndim == 1:
            return pa.table({"prediction": pa.array(values)})
        return pa.table({f"prediction_{k}": pa.array(column) for k, column in enumerate(values.T)})

    return classification if scorer.metadata["task"] == "classification" else regression


def _beside(left: pa.Table, right: pa.Table) -> pa.Table:
    """The columns of two tables of as many rows."""
    import pyarrow as pa

    names = [*left.schema.names, *right.schema.names]
    return pa.Table.from_arrays([*left.columns, *right.columns], names=names)


def _chain(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest
