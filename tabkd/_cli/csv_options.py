"""The options by which commands read CSV files; see `tabkd.batch._dialect.Dialect`."""

from __future__ import annotations

from collections.abc import Callable

import click

_OPTIONS = (
    click.option("--delimiter", help="The character between the values of a CSV; by default detected from its header."),
    click.option("--decimal", default=".", help="The decimal separator of numbers in a CSV."),
    click.option("--thousands", help="The thousands separator of numbers in a CSV, if any."),
    click.option(
        "--encoding", help="The encoding of a CSV, such as latin-1; by default UTF-8, or that of its byte order mark."
    ),
)


def csv_options(command: Callable) -> Callable:
    """Give a command the options, which have the names of the parameters of `Dialect`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
