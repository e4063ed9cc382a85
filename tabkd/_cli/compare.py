"""`tabkd compare`: what changes when a student replaces a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabkd._arrow_alone import use_arrow_alone
from tabkd._cli.command import Argument, Command
from tabkd._cli.csv_options import csv_options
from tabkd._cli.errors import CommandError
from tabkd._cli.fraction import Fraction
from tabkd._options import called_as, called_now

if TYPE_CHECKING:
    from rich.console import Console

    from tabkd._compare.comparison import ScoreComparison
    from tabkd.scoring import ExportedStudent


@click.command(cls=Command)
@click.argument(
    "old",
    cls=Argument,
    metavar="OLD",
    help="The model that is replaced: a file that `tabkd distill` wrote; the file of a fitted teacher, as for "
    "`tabkd distill --teacher`; or column:NAME, a column of ROWS with its scores.",
)
@click.argument(
    "new", cls=Argument, type=click.Path(path_type=Path), metavar="NEW.onnx", help="A file that `tabkd distill` wrote."
)
@click.argument(
    "rows",
    cls=Argument,
    nargs=-1,
    required=True,
    metavar="ROWS...",
    help="The rows, as for `tabkd score`: files, folders, globs, URLs or a database.",
)
@click.option(
    "--review",
    type=Fraction(0, 1, min_open=True, max_open=True),
    multiple=True,
    metavar="SHARE",
    help="The share of rows with the highest scores that become alerts; may be repeated. By default 0.001, 0.005, "
    "0.01 and 0.05, unless --threshold is given.",
)
@click.option(
    "--threshold", type=float, help="The score from which OLD alerts; NEW gets the one that gives as many alerts."
)
@click.option(
    "--segment",
    multiple=True,
    metavar="COL",
    help="A column of ROWS: also compare within each of its values; may be repeated.",
)
@click.option("--query", metavar="SQL", help="The query that selects the rows of a database.")
@click.option("--trust", multiple=True, metavar="TYPE", help="A type that a .skops teacher may hold; may be repeated.")
@click.option(
    "--max-rejects",
    type=click.IntRange(min=0),
    default=0,
    help="Maximum number of rows that one of the models cannot score.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=65_536, help="About how many rows are read at a time."
)
@csv_options
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Also write everything as one page of HTML."
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def compare(
    old: str,
    new: Path,
    rows: Sequence[str],
    review: Sequence[float],
    trust: Sequence[str],
    html: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare the alerts and scores of a model with those of the student that replaces it, in one pass over rows."""
    import json

    import tabkd
    from tabkd._cli import terminal
    from tabkd._cli.page_file import check_page
    from tabkd._cli.score_log import score_log

    if html is not None:
        check_page(html, [old, str(new), *rows])
    if _needs_no_teacher(old):
        use_arrow_alone()
    student = tabkd.load(new)
    replaced = old if _needs_no_teacher(old) else _teacher(old, student, trust)
    with score_log("auto") as progress:
        found = tabkd.compare(replaced, new, rows, review=review or None, progress=progress, **options)
    if html is not None:
        found.to_html(html)
    if as_json:  # in ASCII, so that no name in it can be a command to a terminal
        click.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False))
        return
    print_comparison(terminal.console(), found)


def print_comparison(console: Console, found: ScoreComparison) -> None:
    """The alerts of each budget, the headlines, and where alerts come and go.

    Parameters
    ----------
    console : Console
        Where to.
    found : ScoreComparison
        What to print.
    """
    from tabkd._cli.inspect import print_table

    headings, rows = found.table()
    console.print(f"{found.new} in place of {found.old}", soft_wrap=True)
    print_table(console, "alerts", headings, rows)
    for name, value in found.summary():
        console.print(f"{name:<14}  {value}", soft_wrap=True)
    entry = found.review[-1]
    if entry["places"]:
        console.print()
        print_table(console, *_places(entry))
    for column, levels in found.segments.items():
        console.print()
        print_table(console, *_levels(column, levels))


def _places(entry: dict[str, Any]) -> tuple[str, list[str], list[list[str]]]:
    """Where the alerts of a budget come and go more than elsewhere: a title, headings and rows."""
    title = f"where alerts come and go most, at {entry['budget']:.4g}"
    rows = [
        [
            place["column"],
            place["values"],
            place["direction"],
            f"{place['rows']:,.0f}",
            f"{place['alerts']:,.0f}",
            f"{place['lift']:.2f} ×",
        ]
        for place in entry["places"]
    ]
    return title, ["column", "values", "alerts that", "rows", "of alerts there", "lift"], rows


def _levels(column: str, levels: list[dict[str, Any]]) -> tuple[str, list[str], list[list[str]]]:
    """The levels of a segment column: a title, headings and rows."""
    budget = levels[0]["review"][-1]["budget"]
    headings = [column, "rows", "PSI", f"alerts of old at {budget:.4g}", "of new", "the same"]
    rows = []
    for level in levels:
        alerts = level["review"][-1]
        counted = (f"{alerts[name]:,.0f}" for name in ("old", "new", "same"))
        psi = "–" if level["psi"] is None else f"{level['psi']:.4f}"
        rows.append([level["level"], f"{level['rows']:,}", psi, *counted])
    return f"by {column}", headings, rows


def _needs_no_teacher(old: str) -> bool:
    """Whether OLD is a column of scores or the file of a student, which need none of a teacher's libraries."""
    from tabkd._compare.models import COLUMN
    from tabkd.scoring._facts import has_facts

    path = Path(old)
    if old.startswith(COLUMN):
        return True
    return path.suffix.lower() == ".onnx" and (not path.is_file() or has_facts(path.read_bytes()))


def _teacher(old: str, student: ExportedStudent, trust: Sequence[str]) -> Any:
    """The fitted teacher of a file."""
    from tabkd._cli.fitted_teacher import load_teacher

    if not Path(old).suffix:
        raise CommandError(
            f"OLD is {old!r}: it is the .onnx file of a student, the file of a fitted teacher, or column:NAME."
        )
    with called_as({**called_now(), "teacher": "OLD"}):
        return load_teacher(Path(old), student.metadata["task"], trust)
