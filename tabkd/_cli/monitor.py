"""`tabkd monitor`: the drift of many jobs over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tabkd._cli.command import Argument, Command

if TYPE_CHECKING:
    from rich.console import Console

    from tabkd._monitor.jobs import Job


@click.command(cls=Command)
@click.argument(
    "summaries",
    cls=Argument,
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="SUMMARY.json...",
    help="Files that `tabkd score --summary` wrote for two or more jobs of one model, in any order.",
)
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Also write one page of HTML with charts."
)
def monitor(summaries: Sequence[Path], html: Path | None) -> None:
    """Show how far the rows of many jobs are from the training rows, in time order."""
    from tabkd._cli import terminal
    from tabkd._cli.page_file import check_page
    from tabkd._files import atomic_write_bytes
    from tabkd._monitor.jobs import read_jobs

    if html is not None:
        check_page(html, list(map(str, summaries)))
    jobs = read_jobs(summaries)
    if html is not None:
        from tabkd._monitor.page import document
        from tabkd._page.document import page

        atomic_write_bytes(html, page(document(jobs)).encode("utf-8", "backslashreplace"))
    print_history(terminal.console(), jobs)


def print_history(console: Console, jobs: Sequence[Job]) -> None:
    """A table of the jobs, and one for each segment column.

    Parameters
    ----------
    console : Console
        Where to.
    jobs : sequence of Job
        In order of time.
    """
    from tabkd._cli.inspect import print_table
    from tabkd._monitor.history import notes, segment_columns, segment_table, table

    print_table(console, f"jobs of {jobs[-1].model}", *table(jobs))
    for column in segment_columns(jobs):
        console.print()
        print_table(console, f"PSI of scores by {column}", *segment_table(jobs, column))
    for note in notes(jobs):
        console.print(note, soft_wrap=True)
    for warning in jobs[-1].warnings:
        console.print(f"The last job warned: {warning}.", soft_wrap=True)
