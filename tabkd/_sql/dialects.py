"""The dialects of SQL that students are written in, and where they differ beyond what sqlglot knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from tabkd._options import option
from tabkd._sql.scalars import literal, whole


@dataclass(frozen=True)
class Dialect:
    """A dialect.

    Attributes
    ----------
    name : str
        Its name in sqlglot.
    title : str
        Its usual name.
    has_nan : bool
        Whether its doubles can be NaN.
    nan_is_equal : bool
        Whether NaN equals NaN.
    casts_booleans : bool
        Whether it makes doubles of true and false.
    fenced : bool
        Whether a subselect has to be kept apart by MATERIALIZED.
    most_nested : int
        The largest depth of nested cases.
    has_values : bool
        Whether a subselect may be VALUES.
    most_cases : int
        More categories are put into a table of constants that is joined.
    collation : str or None
        The collation that compares texts letter by letter, for any collation of the column.
    ignores_case : bool
        Whether quoted names are the same if they differ only in the case of ASCII letters.
    """

    name: str
    title: str
    has_nan: bool = True
    nan_is_equal: bool = True
    casts_booleans: bool = True
    fenced: bool = False
    most_nested: int = 40
    has_values: bool = True
    most_cases: int = 12
    collation: str | None = None
    ignores_case: bool = False

    def as_double(self, value: exp.Expr, is_boolean: bool) -> exp.Expr:
        """A value as a double, NULL if it is NaN."""
        if is_boolean and not self.casts_booleans:
            value = exp.cast(value, "int")
        double = exp.cast(value, "double")
        if not self.has_nan or is_boolean:
            return double
        if self.nan_is_equal:
            return exp.Nullif(this=double, expression=exp.cast(exp.Literal.string("NaN"), "double"))
        return exp.Case(ifs=[exp.If(this=exp.IsNan(this=double), true=exp.Null())], default=double.copy())

    def as_text(self, value: exp.Expr) -> exp.Expr:
        """A value as text that is compared letter by letter."""
        kind = exp.DataType.build("nvarchar(4000)", dialect="tsql") if self.name == "tsql" else "text"
        text = exp.cast(value, kind)
        return exp.Collate(this=text, expression=exp.Var(this=self.collation)) if self.collation else text

    def text(self, value: str) -> exp.Expr:
        """A text as a literal."""
        return exp.National(this=value) if self.name == "tsql" else exp.Literal.string(value)

    def label(self, label: Any) -> exp.Expr:
        """A class as a literal."""
        if isinstance(label, str):
            return self.text(label)
        if isinstance(label, bool):
            return exp.cast(whole(label), "boolean") if self.name == "tsql" else exp.Boolean(this=label)
        return exp.cast(literal(label), "double") if isinstance(label, float) else whole(label)

    def written(self, statement: exp.Expr) -> str:
        """A statement as text."""
        if self.name == "duckdb":  # its functions skip NULL, which no value here is
            for found in statement.find_all(exp.Greatest, exp.Least):
                found.set("ignore_nulls", True)
        return statement.sql(dialect=self.name, pretty=True, comments=False)


# For SQL Server, texts are equal if they differ only in trailing blanks: in a case the first counts, in a join all do.
#: The dialects by name.
DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect("duckdb", "DuckDB", collation='"binary"', ignores_case=True),
        Dialect("sqlite", "SQLite", has_nan=False, fenced=True, most_nested=12, collation="BINARY", ignores_case=True),
        Dialect("postgres", "PostgreSQL", casts_booleans=False, fenced=True, collation='"C"'),
        Dialect("spark", "Spark"),
        Dialect("snowflake", "Snowflake", casts_booleans=False, has_values=False),
        Dialect("bigquery", "BigQuery", casts_booleans=False, nan_is_equal=False, has_values=False),
        Dialect(
            "tsql",
            "SQL Server",
            has_nan=False,
            most_nested=9,
            has_values=False,
            most_cases=100_000,
            collation="Latin1_General_100_BIN2",
        ),
    )
}


def dialect_of(name: str) -> Dialect:
    """A dialect by its name.

    Raises
    ------
    ValueError
        For any other name.
    """
    if name in DIALECTS:
        return DIALECTS[name]
    raise ValueError(f"{option('dialect', name)} is not a known dialect; expected one of {', '.join(DIALECTS)}.")
