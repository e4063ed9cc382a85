"""`tabkd export`: an exported student in another language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabkd._cli.command import Argument, Command
from tabkd._cli.errors import CommandError
from tabkd._cli.pairs import pairs
from tabkd._options import option

if TYPE_CHECKING:
    from tabkd.scoring import ExportedStudent

# Those of tabkd._sql.dialects, which cannot be imported if sqlglot is missing.
_DIALECTS = ("duckdb", "sqlite", "postgres", "spark", "snowflake", "bigquery", "tsql")


def _as_sql(exported: ExportedStudent, dialect: str | None = None, **how: Any) -> str:
    if dialect is None:
        raise CommandError(f"--to sql needs --dialect: {', '.join(_DIALECTS)}.")
    return exported.to_sql(dialect, **how)


def _as_js(exported: ExportedStudent, **how: Any) -> str:
    if how:
        raise CommandError(f"{option(next(iter(how)))} is for --to sql; leave it out.")
    from tabkd._javascript.text import javascript

    return javascript(exported.content)


#: The functions that write a student, by target.
TARGETS: dict[str, Callable[..., str]] = {"sql": _as_sql, "js": _as_js}


@click.command(cls=Command)
@click.argument(
    "model",
    cls=Argument,
    type=click.Path(path_type=Path),
    metavar="MODEL.onnx",
    help="A file that `tabkd distill` wrote.",
)
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Choice(list(TARGETS)),
    help="sql for one SELECT over the raw columns of a table; js for a script that needs nothing else.",
)
@click.option("--dialect", type=click.Choice(_DIALECTS), help="The SQL to write.")
@click.option("--table", metavar="NAME", help="The table that the SELECT reads, as SQL names it; by default data.")
@click.option("--keep", multiple=True, metavar="COL", help="A column of the table to select too; may be repeated.")
@click.option(
    "--column-map",
    multiple=True,
    metavar="MODEL=TABLE",
    help="The name that a column of the model has in the table; may be repeated.",
)
@click.option(
    "--reasons",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="The N columns that pushed each score up most, and by how much; as SQL, of a model with contributions.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="The file to write; by default standard output."
)
def export(
    model: Path,
    target: str,
    dialect: str | None,
    table: str | None,
    keep: Sequence[str],
    column_map: Sequence[str],
    reasons: int,
    output: Path | None,
) -> None:
    """Write an exported student as SQL or JavaScript."""
    import tabkd
    from tabkd._files import atomic_write_bytes

    names = pairs("column-map", column_map, "MODEL=TABLE, as in amount=TX_AMOUNT")
    given = {"dialect": dialect, "table": table, "keep": keep, "column_map": names, "reasons": reasons}
    how = {name: value for name, value in given.items() if value not in (None, (), {}, 0)}
    if output is not None and output.exists() and model.exists() and output.samefile(model):
        raise CommandError(f"{option('output', str(output))} is the model itself; give another file.")
    text = TARGETS[target](tabkd.load(model), **how)
    if output is None:
        click.echo(text, nl=False)
    else:
        atomic_write_bytes(output, text.encode())
