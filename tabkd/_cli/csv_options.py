"""The options by which commands read CSV files; see `tabkd.batch._dialect.Dialect`."""

from __future__ import annotations

from collections.abc import Callable

import click

_OPTIONS = (
    click.option("--delimiter", help="What stands between the values of a CSV; by default what its header shows."),
    click.option("--decimal", default=".", help="What stands before the fraction of a number in a CSV."),
    click.option("--thousands", help="What stands between groups of digits in a CSV, if anything."),
    click.option(
        "--encoding", help="The encoding of a CSV, as in latin-1; by default UTF-8, or by its byte order mark."
    ),
)


def csv_options(command: Callable) -> Callable:
    """Give a command the options, which have the names of the parameters of `Dialect`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
