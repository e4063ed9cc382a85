"""`tabkd score`: from an exported student and files of rows to a file of scores."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabkd._arrow_alone import use_arrow_alone
from tabkd._cli.command import Argument, Command
from tabkd._cli.csv_options import csv_options
from tabkd._cli.errors import CommandError, one_line
from tabkd._cli.fraction import Fraction
from tabkd._cli.output_folder import json_bytes
from tabkd._cli.pairs import pairs
from tabkd._cli.signals import Stopping, stopping
from tabkd._cli.streams import say
from tabkd._formats import suffixes_in_words

if TYPE_CHECKING:
    from tabkd.batch._counts import Summary

#: Exit codes besides 0, 1, and 2 for unknown options. With the last one all rows are written, but another file is not.
TOO_MANY_REJECTS, BUSY, WRITTEN = 3, 4, 5
# Lines go there as they are scored, so some may be there already.
_INCOMPLETE = "standard output is incomplete"


@click.command(cls=Command)
@click.argument(
    "model",
    cls=Argument,
    type=click.Path(path_type=Path),
    metavar="MODEL.onnx",
    help="A file that `tabkd distill` wrote.",
)
@click.argument(
    "inputs",
    cls=Argument,
    nargs=-1,
    required=True,
    metavar="INPUT...",
    help="The rows: .parquet, .csv and .arrow files, folders and globs of them, URLs that fsspec opens; the folder of "
    "a Delta table; or a database, postgresql://… or a .duckdb file. In a folder, names that begin with . or _ and "
    "files of other formats are left out.",
)
@click.option(
    "--output",
    required=True,
    metavar="OUT",
    help=f"Where the scores go: a {suffixes_in_words()} file; - for CSV on standard output; postgresql://…; a Delta "
    "table, whose name ends in .delta if it is new; or a folder with --partition-by.",
)
@click.option("--query", metavar="SQL", help="The query that selects the rows of a database.")
@click.option(
    "--delta-version",
    type=click.IntRange(min=0),
    metavar="N",
    help="The version of a Delta table to score; by default the latest one.",
)
@click.option("--table", help="The PostgreSQL table that receives the scores, in one transaction.")
@click.option("--append", is_flag=True, help="Add to an existing table.")
@click.option(
    "--partition-by", multiple=True, metavar="COL", help="A column: each of its values gets a folder; may be repeated."
)
@click.option("--keep", multiple=True, metavar="COL", help="A column of the input to copy; may be repeated.")
@click.option(
    "--column-map",
    multiple=True,
    metavar="MODEL=INPUT",
    help="The name that a column of the model has in the input; may be repeated.",
)
@click.option(
    "--threshold", type=Fraction(0, 1), help="Write only rows whose probability of the second class reaches this."
)
@click.option(
    "--top-fraction",
    type=Fraction(0, 1),
    help="Write only this fraction of rows: those with the highest such probability.",
)
@click.option(
    "--reasons",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Add the N columns that pushed the score of each row up most, and by how much; with --threshold or "
    "--top-fraction only for the rows that are written. The model needs contributions.",
)
@click.option(
    "--reason-codes",
    metavar="FILE.csv",
    help="A CSV of column,code or column,code,text: what to write instead of column names. "
    "Columns with the same code count as one reason.",
)
@click.option(
    "--reasons-for",
    type=click.Choice(["higher", "lower"]),
    default="higher",
    help="Explain why the score is high, or why it is low.",
)
@click.option(
    "--reason-group",
    "reason_groups",
    multiple=True,
    metavar="NAME=COL,COL",
    help="Columns that count as one reason; put a name with a comma in quotes. May be repeated.",
)
@click.option(
    "--max-doubt",
    type=click.FloatRange(min=0),
    help="Add the doubt of each score, and whether it is larger than this. For 9 of 10 rows the teacher's answer is "
    "within the doubt, which `tabkd inspect` shows for each band of scores.",
)
@click.option(
    "--segment",
    multiple=True,
    metavar="COL",
    help="A column of the input: the summary also has the drift for each of its values. May be repeated.",
)
@click.option("--rejects", metavar="FILE", help="A file for the rows that cannot be scored, each with its reason.")
@click.option(
    "--max-rejects",
    type=click.IntRange(min=0),
    default=0,
    help="Maximum number of rejected rows; with more, the job fails.",
)
@click.option("--resume", is_flag=True, help="Keep finished parts, and continue from them after an interruption.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="About how many rows are in memory at a time; by default 65536.",
)
@click.option(
    "--summary",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="A JSON file for the counts of the job and the drift of its rows.",
)
@csv_options
@click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    help="Score in this process, or on the workers of Spark.",
)
@click.option(
    "--log",
    type=click.Choice(["auto", "plain", "json"]),
    default="auto",
    help="How progress is reported on standard error; auto is a bar on a terminal, and plain elsewhere.",
)
def score(
    model: Path,
    inputs: Sequence[str],
    output: str,
    query: str | None,
    delta_version: int | None,
    table: str | None,
    append: bool,
    column_map: Sequence[str],
    reason_codes: str | None,
    reason_groups: Sequence[str],
    rejects: str | None,
    segment: Sequence[str],
    batch_size: int | None,
    summary: Path | None,
    engine: str,
    log: str,
    **options: Any,
) -> None:
    """Score any number of rows, batch by batch, and write a prediction for each of them.

    Exit codes: 0, everything is written. 1, an error. 2, wrong options. 3, more rejects than --max-rejects. 4, another
    job is writing the same output. 5, all rows are written, but the summary or the file of rejects is not. 129, 130
    and 143, interrupted by a signal. With 0 and 5 the output is there; with any other code nothing was written.
    """
    with stopping(at_once=engine == "spark") as stop:
        if engine == "local":
            use_arrow_alone()
        from tabkd.batch._addresses import shown

        if summary is not None:
            taken = [str(model), *_files(engine, inputs, query), output, rejects or output, reason_codes or output]
            _check_summary(summary, taken)
        options |= {"column_map": pairs("column-map", column_map, "MODEL=INPUT, as in amount=TX_AMOUNT")}
        groups = pairs("reason-group", reason_groups, "NAME=COL,COL, as in address=street,zip")
        options |= {"reason_groups": {name: next(csv.reader([columns])) for name, columns in groups.items()}}
        options |= {"reason_codes": reason_codes, "rejects": rejects}
        if segment and summary is None:
            raise CommandError(f"--segment {segment[0]!r} needs --summary, the file for its drift.")
        local = {"segment": segment or None, "query": query, "table": table, "append": append, "batch_size": batch_size}
        local |= {"delta_version": delta_version}
        if engine == "spark":
            _check_options_of_spark(local)
        else:
            options |= {name: value for name, value in local.items() if value is not None}
        facts: dict[str, Any] = {"model": str(model), "inputs": [shown(given) for given in inputs]}
        facts |= {"output": shown(output), "rejects": rejects}
        facts |= {"time": datetime.now(UTC).isoformat(timespec="seconds")}
        start = time.perf_counter()
        done, facts["model_sha256"] = _scored(engine, model, inputs, output, options, log, stop)
        # The output is there: from here on nothing may end in an error.
        stop.hold()
        facts |= dataclasses.asdict(done) | {"seconds": round(time.perf_counter() - start, 3)}
        are_alerts = options["threshold"] is not None or options["top_fraction"] is not None
        _tell(facts, log, are_alerts, summary)


def _scored(
    engine: str, model: Path, inputs: Sequence[str], output: str, options: dict[str, Any], log: str, stop: Stopping
) -> tuple[Summary, str]:
    """Do the job, and say which model did it; its errors have the exit codes of the command."""
    import tabkd
    from tabkd._cli.score_log import score_log
    from tabkd.batch._job import StoppedError, score_dataset
    from tabkd.batch._outputs import RejectsError, check_not_read
    from tabkd.batch._rejects import TooManyRejectsError
    from tabkd.batch._sinks import STDOUT
    from tabkd.batch._workplace import BusyError

    resume = bool(options.get("resume"))
    try:
        exported = tabkd.load(model)
        digest = hashlib.sha256(exported.content).hexdigest()
        check_not_read(model, output, options["rejects"])
        if stop():
            raise StoppedError("stopped before the first row")
        if engine == "spark":
            return _scored_by_spark(exported, inputs, output, **options), digest
        with score_log(log) as progress:
            hold = stop.hold
            done = score_dataset(exported, inputs, output, **options, progress=progress, stop=stop, on_commit=hold)
            return done, digest
    except StoppedError as error:
        how = "nothing was written; --resume would keep it"
        if resume or output == STDOUT:
            how = "the same command continues from there" if resume else _INCOMPLETE
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


def _tell(facts: dict[str, Any], log: str, are_alerts: bool, summary: Path | None) -> None:
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
        except Exception as error:  # with any error, the rows are written
            failed = error
    output = facts["output"]
    if log == "json":
        say(json.dumps(facts), err=True)
    else:
        for warning in facts["warnings"]:
            say(f"Warning: {warning}.", err=True)
        out = f"{facts['written']:,} {'alerts' if are_alerts else 'rows'} out"
        cut = "" if facts["threshold"] is None else f", with probabilities from {facts['threshold']} on"
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
        raise CommandError(f"--summary {str(path)!r} is already read or written by this job; choose another file.")
    try:
        check_writable(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"--summary {str(path)!r} cannot be written: {one_line(error)}") from error


def _files(engine: str, inputs: Sequence[str], query: str | None) -> list[str]:
    """The files that a job reads."""
    if engine == "spark":
        from tabkd.spark._inputs import local_paths

        return local_paths(inputs)
    from tabkd.batch._databases import find_sources

    return [source.path for source in find_sources(inputs, query)]


def _check_options_of_spark(local: dict[str, Any]) -> None:
    if given := [name for name, value in local.items() if value is not None and value is not False]:
        option = f"--{given[0].replace('_', '-')}"
        raise CommandError(f"{option} does not work with --engine spark; leave it out, or score in this process.")


def _scored_by_spark(*arguments: Any, **options: Any) -> Summary:
    try:
        from pyspark.errors import PySparkException

        from tabkd.spark import score_dataset
    except ImportError as error:
        raise CommandError("--engine spark needs Spark: pip install pyspark.") from error
    try:
        return score_dataset(*arguments, **options)
    except PySparkException as error:
        raise CommandError(one_line(error)) from error
