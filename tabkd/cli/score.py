"""`tabkd score`: from an exported student and files of rows to a file of scores."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tabkd.cli.errors import CommandError, clear_errors, one_line
from tabkd.cli.output import json_bytes
from tabkd.cli.terminal import echo

if TYPE_CHECKING:
    from tabkd.batch.counts import Summary

#: What the command exits with, beside 0 and 1, and 2 for options that it does not know.
TOO_MANY_REJECTS, BUSY = 3, 4


class Log(StrEnum):
    """How progress is told."""

    AUTO = "auto"
    PLAIN = "plain"
    JSON = "json"


class Engine(StrEnum):
    """What scores."""

    LOCAL = "local"
    SPARK = "spark"


@clear_errors
def score(
    model: Annotated[Path, typer.Argument(help="What `tabkd distill` wrote.", metavar="MODEL.onnx")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="The rows: .parquet, .csv and .arrow files, folders and globs of them, URLs that fsspec opens; or a "
            "database, postgresql://… or a .duckdb file.",
            metavar="INPUT...",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            help="Where the scores go: a .parquet, .csv or .arrow file; - for standard output; postgresql://…; or a "
            "folder with --partition-by.",
            metavar="OUT",
        ),
    ],
    query: Annotated[str | None, typer.Option(help="What gives the rows of a database.", metavar="SQL")] = None,
    table: Annotated[
        str | None, typer.Option(help="The table of PostgreSQL that the scores go to, in one transaction.")
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to a table that is there already.")] = False,
    partition_by: Annotated[
        list[str] | None,
        typer.Option(help="A column with a folder for each of its values; may be repeated.", metavar="COL"),
    ] = None,
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
    top_fraction: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Write only this share of the rows, of the highest such probability."),
    ] = None,
    rejects: Annotated[
        str | None,
        typer.Option(help="A file for the rows that cannot be scored, each with its reason.", metavar="FILE"),
    ] = None,
    max_rejects: Annotated[int, typer.Option(min=0, help="The job fails with more of them.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep what is finished, and go on from there if the job was interrupted.")
    ] = False,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="About how many rows are in memory at a time; 65536 without.")
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(help="A JSON file for the counts of the job and the drift of its rows.", metavar="FILE.json"),
    ] = None,
    engine: Annotated[Engine, typer.Option(help="What scores: this process, or the workers of Spark.")] = Engine.LOCAL,
    log: Annotated[
        Log, typer.Option(help="How progress is told on standard error; auto is a bar on a terminal, else plain.")
    ] = Log.AUTO,
) -> None:
    """Score rows of any number, batch by batch, and write a prediction for each of them.

    Exits with 0 when all is written, 1 for an error, 2 for wrong options, 3 for more rejects than allowed, 4 where
    another job writes the same output, 130 and 143 when it was interrupted. But for 0, no file was written.
    """
    import pyarrow as pa

    import tabkd
    from tabkd.batch.databases import find_sources, without_password
    from tabkd.batch.job import StoppedError, score_dataset
    from tabkd.batch.rejects import TooManyRejectsError
    from tabkd.batch.workplace import BusyError
    from tabkd.cli.score_log import score_log
    from tabkd.files import atomic_write_bytes

    if summary is not None:
        if engine == Engine.LOCAL:
            files = [source.path for source in find_sources(inputs, query)]
        else:
            from tabkd.spark.job import local_paths

            files = local_paths(inputs)
        _check_summary(summary, [str(model), *files, output, rejects or output])
    scorer = tabkd.load(model)
    local = {
        "top_fraction": top_fraction,
        "query": query,
        "table": table,
        "append": append,
        "resume": resume,
        "batch_size": batch_size,
    }
    options: dict[str, Any] = {
        "keep": keep or [],
        "column_map": _pairs(column_map or []),
        "threshold": threshold,
        "rejects": rejects,
        "max_rejects": max_rejects,
        "partition_by": partition_by or [],
    }
    start = time.perf_counter()
    with contextlib.ExitStack() as stack:
        try:
            if engine == Engine.SPARK:
                if given := [name for name, value in local.items() if value is not None and value is not False]:
                    option = f"--{given[0].replace('_', '-')}"
                    raise CommandError(f"{option} is not for --engine spark; leave it out, or score in this process.")
                done = _scored_by_spark(scorer, inputs, output, **options)
            else:
                caught = stack.enter_context(_signals())
                options |= {name: value for name, value in local.items() if value is not None}
                options["stop"] = lambda: bool(caught)
                done = score_dataset(scorer, inputs, output, **options, progress=stack.enter_context(score_log(log)))
        except StoppedError as error:
            how = "the same command goes on from there" if resume else "nothing was written; --resume would keep it"
            raise CommandError(f"{error}; {how}.", 128 + caught[0]) from error
        except TooManyRejectsError as error:
            raise CommandError(str(error), TOO_MANY_REJECTS) from error
        except BusyError as error:
            raise CommandError(str(error), BUSY) from error
        except pa.ArrowException as error:
            raise CommandError(one_line(error)) from error
    seconds = time.perf_counter() - start
    output = without_password(output, output)
    inputs = [without_password(given, given) for given in inputs]
    facts: dict[str, Any] = {"model": str(model), "inputs": inputs, "output": output, "rejects": rejects}
    facts |= dataclasses.asdict(done) | {"seconds": round(seconds, 3)}
    if summary is not None:
        atomic_write_bytes(summary, json_bytes(facts))
    if log == Log.JSON:
        typer.echo(json.dumps(facts), err=True)
        return
    for warning in done.warnings:
        echo(f"Warning: {warning}.", err=True)
    out = "rows out" if threshold is None and top_fraction is None else "alerts out"
    refused = f", {done.rejected:,} rejected" if rejects is not None else ""
    pace = f"{seconds:.1f} s, {done.read / seconds:,.0f} rows/s"
    echo(f"Wrote {output}: {done.read:,} rows in, {done.written:,} {out}{refused} ({pace}).", err=output == "-")


def _check_summary(path: Path, taken: list[str]) -> None:
    if not path.parent.is_dir() or path.is_dir():
        raise CommandError(f"--summary {str(path)!r} cannot be written: its folder must be there, and it no folder.")
    from tabkd.batch.outputs import is_within

    if is_within(path, taken):
        raise CommandError(f"--summary {str(path)!r} is read or written by this job as something else.")


def _scored_by_spark(*arguments, **options) -> Summary:
    try:
        from pyspark.errors import PySparkException

        from tabkd.spark import score_dataset
    except ImportError as error:
        raise CommandError("--engine spark needs Spark: pip install 'tabkd[spark]'.") from error
    try:
        return score_dataset(*arguments, **options)
    except PySparkException as error:
        raise CommandError(one_line(error)) from error


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := next((text for text, (name, _, value) in zip(given, pairs, strict=True) if not (name and value)), None):
        raise CommandError(f"--column-map {wrong!r} is not of the form MODEL=INPUT, as in amount=TX_AMOUNT.")
    return {name: value for name, _, value in pairs}


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals to stop that have come; the batch at hand is finished first, and a second signal does not wait."""
    caught: list[int] = []
    before: dict[signal.Signals, Callable | int | None] = {}

    def note(number, frame) -> None:
        caught.append(number)
        signal.signal(number, before[signal.Signals(number)])

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # in a thread that is not the main one
                before[number] = signal.signal(number, note)
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
