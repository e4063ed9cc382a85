"""`tabkd score`: from an exported student and files of rows to a file of scores."""

from __future__ import annotations

import dataclasses
import json
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tabkd._cli.arrow_alone import use_arrow_alone
from tabkd._cli.csv_options import Decimal, Delimiter, Encoding, Thousands
from tabkd._cli.errors import CommandError, clear_errors, one_line
from tabkd._cli.output_folder import json_bytes
from tabkd._cli.signals import Stopping, stopping
from tabkd._cli.streams import say
from tabkd._formats import suffixes_in_words

if TYPE_CHECKING:
    from tabkd.batch._counts import Summary

#: What the command exits with, beside 0 and 1, and 2 for options that it does not know. With the last of them all rows
#: are written, but something beside them is not.
TOO_MANY_REJECTS, BUSY, WRITTEN = 3, 4, 5
# Lines go there as they are scored, so that some may be there already.
_INCOMPLETE = "what is on standard output is not all"


class Log(StrEnum):
    """How progress is reported."""

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
            "database, postgresql://… or a .duckdb file. In a folder, names that begin with . or _ and files of other "
            "formats are left out.",
            metavar="INPUT...",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            help=f"Where the scores go: a {suffixes_in_words()} file; - for CSV on standard output; postgresql://…; or "
            "a folder with --partition-by.",
            metavar="OUT",
        ),
    ],
    query: Annotated[
        str | None, typer.Option(help="The query whose rows of a database are scored.", metavar="SQL")
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="The table of PostgreSQL that the scores go to, in one transaction.")
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to a table that is there already.")] = False,
    partition_by: Annotated[
        list[str] | None,
        typer.Option(help="A column whose values each get a folder; may be repeated.", metavar="COL"),
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
        typer.Option(
            min=0,
            max=1,
            help="Write only this fraction of rows: those with the highest such probability.",
        ),
    ] = None,
    rejects: Annotated[
        str | None,
        typer.Option(help="A file for the rows that cannot be scored, each with its reason.", metavar="FILE"),
    ] = None,
    max_rejects: Annotated[
        int, typer.Option(min=0, help="Maximum number of rejected rows; with more, the job fails.")
    ] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep finished parts, and continue from them after an interruption.")
    ] = False,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="About how many rows are in memory at a time; 65536 without.")
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(help="A JSON file for the counts of the job and the drift of its rows.", metavar="FILE.json"),
    ] = None,
    delimiter: Delimiter = None,
    decimal: Decimal = ".",
    thousands: Thousands = None,
    encoding: Encoding = None,
    engine: Annotated[Engine, typer.Option(help="What scores: this process, or the workers of Spark.")] = Engine.LOCAL,
    log: Annotated[
        Log, typer.Option(help="How progress is reported on standard error; auto is a bar on a terminal, else plain.")
    ] = Log.AUTO,
) -> None:
    """Score rows of any number, batch by batch, and write a prediction for each of them.

    Exit codes: 0, all is written. 1, an error. 2, wrong options. 3, more rejects than --max-rejects. 4, another job
    writes the same output. 5, all rows are written, but the summary or the file of rejects is not. 129, 130 and 143,
    interrupted by a signal. With 0 and 5 the output is there; with any other code nothing was written.
    """
    with stopping(at_once=engine == Engine.SPARK) as stop:
        if engine == Engine.LOCAL:
            use_arrow_alone()
        from tabkd.batch._addresses import shown

        if summary is not None:
            _check_summary(summary, [str(model), *_files(engine, inputs, query), output, rejects or output])
        local = {"query": query, "table": table, "append": append, "batch_size": batch_size}
        options: dict[str, Any] = {
            "keep": keep or [],
            "column_map": _pairs(column_map or []),
            "threshold": threshold,
            "top_fraction": top_fraction,
            "rejects": rejects,
            "max_rejects": max_rejects,
            "resume": resume,
            "partition_by": partition_by or [],
            "delimiter": delimiter,
            "decimal": decimal,
            "thousands": thousands,
            "encoding": encoding,
        }
        if engine == Engine.SPARK:
            _check_options_of_spark(local)
        else:
            options |= {name: value for name, value in local.items() if value is not None}
        facts: dict[str, Any] = {"model": str(model), "inputs": [shown(given) for given in inputs]}
        facts |= {"output": shown(output), "rejects": rejects}
        start = time.perf_counter()
        done = _scored(engine, model, inputs, output, options, log, stop)
        # The output is there: from here on nothing may end as an error.
        stop.hold()
        facts |= dataclasses.asdict(done) | {"seconds": round(time.perf_counter() - start, 3)}
        _tell(facts, log, threshold is not None or top_fraction is not None, summary)


def _scored(
    engine: Engine, model: Path, inputs: list[str], output: str, options: dict, log: Log, stop: Stopping
) -> Summary:
    """Do the job; its errors have the exit codes of the command."""
    import tabkd
    from tabkd._cli.score_log import score_log
    from tabkd.batch._job import StoppedError, score_dataset
    from tabkd.batch._outputs import RejectsError, check_model
    from tabkd.batch._rejects import TooManyRejectsError
    from tabkd.batch._sinks import STDOUT
    from tabkd.batch._workplace import BusyError

    resume = bool(options.get("resume"))
    try:
        exported = tabkd.load(model)
        check_model(model, output, options["rejects"])
        if stop():
            raise StoppedError("stopped before the first row")
        if engine == Engine.SPARK:
            return _scored_by_spark(exported, inputs, output, **options)
        with score_log(log) as progress:
            return score_dataset(exported, inputs, output, **options, progress=progress, stop=stop, on_commit=stop.hold)
    except StoppedError as error:
        how = "nothing was written; --resume would keep it"
        if resume or output == STDOUT:
            how = "the same command goes on from there" if resume else _INCOMPLETE
        raise CommandError(f"{error}; {how}.", 128 + (stop.number or 0)) from error
    except TooManyRejectsError as error:
        message = str(error)
        if output == STDOUT:
            message = message.replace("nothing was written", _INCOMPLETE)
        raise CommandError(message, TOO_MANY_REJECTS) from error
    except BusyError as error:
        raise CommandError(str(error), BUSY) from error
    except RejectsError as error:
        raise CommandError(str(error), WRITTEN) from error


def _tell(facts: dict[str, Any], log: Log, are_alerts: bool, summary: Path | None) -> None:
    """Say what was done, and write it to the summary.

    Raises
    ------
    CommandError
        The summary cannot be written.
    """
    from tabkd._files import atomic_write_bytes

    failed: Exception | None = None
    if summary is not None:
        try:
            atomic_write_bytes(summary, json_bytes(facts))
        except Exception as error:  # whatever it is, the rows are written
            failed = error
    output = facts["output"]
    if log == Log.JSON:
        say(json.dumps(facts), err=True)
    else:
        for warning in facts["warnings"]:
            say(f"Warning: {warning}.", err=True)
        out = f"{facts['written']:,} {'alerts' if are_alerts else 'rows'} out"
        cut = "" if facts["threshold"] is None else f", of probabilities from {facts['threshold']} on"
        refused = f", {facts['rejected']:,} rejected" if facts["rejects"] is not None else ""
        pace = f"{facts['seconds']:.1f} s, {facts['read'] / max(facts['seconds'], 1e-3):,.0f} rows/s"
        say(f"Wrote {output}: {facts['read']:,} rows in, {out}{cut}{refused} ({pace}).", err=output == "-")
    if failed is not None:
        raise CommandError(f"all rows are written to {output!r}, but not the summary: {one_line(failed)}", WRITTEN)


def _check_summary(path: Path, taken: list[str]) -> None:
    """Refuse a summary that could not be written once the job is done."""
    from tabkd._files import check_writable
    from tabkd.batch._outputs import is_within

    if is_within(path, taken):
        raise CommandError(f"--summary {str(path)!r} is read or written by this job as something else.")
    try:
        check_writable(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"--summary {str(path)!r} is no place for a file: {one_line(error)}") from error


def _files(engine: Engine, inputs: list[str], query: str | None) -> list[str]:
    """The files that a job reads."""
    if engine == Engine.SPARK:
        from tabkd.spark._inputs import local_paths

        return local_paths(inputs)
    from tabkd.batch._databases import find_sources

    return [source.path for source in find_sources(inputs, query)]


def _check_options_of_spark(local: dict[str, Any]) -> None:
    if given := [name for name, value in local.items() if value is not None and value is not False]:
        option = f"--{given[0].replace('_', '-')}"
        raise CommandError(f"{option} is not for --engine spark; leave it out, or score in this process.")


def _scored_by_spark(*arguments, **options) -> Summary:
    try:
        from pyspark.errors import PySparkException

        from tabkd.spark import score_dataset
    except ImportError as error:
        raise CommandError("--engine spark needs Spark: pip install pyspark.") from error
    try:
        return score_dataset(*arguments, **options)
    except PySparkException as error:
        raise CommandError(one_line(error)) from error


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := next((text for text, (name, _, value) in zip(given, pairs, strict=True) if not (name and value)), None):
        raise CommandError(f"--column-map {wrong!r} is not of the form MODEL=INPUT, as in amount=TX_AMOUNT.")
    return {name: value for name, _, value in pairs}
