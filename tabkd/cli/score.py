"""`tabkd score`: from an exported student and files of rows to a file of scores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from tabkd.cli.errors import CommandError, clear_errors


@clear_errors
def score(
    model: Annotated[Path, typer.Argument(help="What `tabkd distill` wrote.", metavar="MODEL.onnx")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="The rows: .parquet, .csv and .arrow files, folders and globs of them, URLs that fsspec opens.",
            metavar="INPUT...",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            help="Where the scores go: a .parquet, .csv or .arrow file; - for standard output.", metavar="OUT"
        ),
    ],
    keep: Annotated[
        list[str] | None, typer.Option(help="A column of the input to copy; may be repeated.", metavar="COL")
    ] = None,
    column_map: Annotated[
        list[str] | None,
        typer.Option(help="What a column of the model is called in the input; may be repeated.", metavar="MODEL=INPUT"),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Write only rows whose probability of the second class reaches it."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="About how many rows are in memory at a time.")] = 65_536,
) -> None:
    """Score rows of any number, batch by batch, and write a prediction for each of them."""
    import tabkd
    from tabkd.batch.job import score_files

    scorer = tabkd.load(model)
    start = time.perf_counter()
    counts = score_files(
        scorer,
        inputs,
        output,
        keep=keep or [],
        column_map=_pairs(column_map or []),
        threshold=threshold,
        batch_size=batch_size,
    )
    seconds = time.perf_counter() - start
    out = "rows out" if threshold is None else "alerts out"
    pace = f"{seconds:.1f} s, {counts.scored / seconds:,.0f} rows/s"
    typer.echo(f"Wrote {output}: {counts.scored:,} rows in, {counts.written:,} {out} ({pace}).", err=output == "-")


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := next((text for text, (name, _, value) in zip(given, pairs, strict=True) if not (name and value)), None):
        raise CommandError(f"--column-map {wrong!r} is not of the form MODEL=INPUT, as in amount=TX_AMOUNT.")
    return {name: value for name, _, value in pairs}
