"""The options by which commands read CSV files; see `tabkd.batch._dialect.Dialect`."""

from __future__ import annotations

from typing import Annotated

import typer

Delimiter = Annotated[
    str | None, typer.Option(help="What stands between the values of a CSV; by default what its header shows.")
]
Decimal = Annotated[str, typer.Option(help="What stands before the fraction of a number in a CSV.")]
Thousands = Annotated[str | None, typer.Option(help="What stands between groups of digits in a CSV, if anything.")]
Encoding = Annotated[
    str | None, typer.Option(help="The encoding of a CSV, as in latin-1; by default UTF-8, or by its byte order mark.")
]
