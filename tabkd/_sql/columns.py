"""The columns of a table as the scalars that a student's graph begins with."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlglot import exp

from tabkd._sql.dialects import Dialect
from tabkd._sql.layers import Layers
from tabkd._sql.scalars import Lookup, Sql, literal, whole

_LARGEST = float(np.finfo(np.float32).max)
# A double has 29 more bits than a float32.
_SPLITTER = 2.0**29 + 1


class Columns:
    """Read the columns of a student's table.

    Parameters
    ----------
    facts : dict
        The metadata of the student.
    tables : list of (list, ndarray)
        Categories and rows of each categorical column that the student reads.
    names : list of str
        The names of the columns in the table.
    dialect : Dialect
        The dialect of the statement.
    layers : Layers
        Takes a column for each.
    """

    def __init__(
        self,
        facts: dict[str, Any],
        tables: list[tuple[list, np.ndarray]],
        names: list[str],
        dialect: Dialect,
        layers: Layers,
    ):
        self._columns, self._names, self._dialect, self._layers = facts["columns"], names, dialect, layers
        #: The position and the centre of each numeric column, keyed by its name in the subselects.
        self.read: dict[str, tuple[int, float]] = {}
        self._tables = dict(zip(facts["rows"]["columns"], tables, strict=True))

    def numbers(
        self, positions: list[int], centers: list[float], filled: dict[str, Any] | None, rounded: bool
    ) -> np.ndarray:
        """Numeric columns, each without its centre: objects of shape (1, m).

        If `filled` is given, no number is missing, and indicators of missing ones follow.
        """
        read = [self._number(i, center) for i, center in zip(positions, centers, strict=True)]
        numbers = [self._rounded(one) for one in read] if rounded else read
        if filled is not None:
            indicators = [_missing(read[k]) for k in filled["indicators"]]
            numbers = [_filled(one, fill) for one, fill in zip(numbers, filled["fill"], strict=True)] + indicators
        return np.array([numbers], dtype=object)

    def rows(self, positions: list[int]) -> np.ndarray:
        """The row numbers of categorical columns: objects of shape (1, j)."""
        return np.array([[self._row(i) for i in positions]], dtype=object)

    def _number(self, i: int, center: float) -> Sql:
        value = self._as_double(i)
        if center:
            value = exp.Add(this=value, expression=literal(-center))
        name = self._layers.fresh("x", i + 1)
        self.read[name] = (i, center)
        return self._layers.column(Sql(value, 0), name)

    def _rounded(self, number: Sql) -> Sql:
        """A number as the nearest float32, which is what the student learnt to read.

        Not every dialect has float32. The sum and the difference leave the leading 24 bits of a double, rounded to the
        nearest: the splitting of Veltkamp and Dekker (1971).
        """
        x = number.written
        ifs = [
            exp.If(this=kind(this=x.copy(), expression=literal(bound)), true=literal(bound))
            for kind, bound in ((exp.GT, _LARGEST), (exp.LT, -_LARGEST))
        ]
        bounded = self._layers.named(Sql(exp.Case(ifs=ifs, default=x.copy()), number.depth))
        large = exp.Mul(this=bounded.written, expression=literal(_SPLITTER))
        rest = exp.Paren(this=exp.Sub(this=large.copy(), expression=bounded.written.copy()))
        return Sql(exp.Sub(this=large, expression=rest), bounded.depth)

    def _row(self, i: int) -> Lookup:
        """The row number of a category, an unseen or a missing one."""
        keys, rows = self._tables[i]
        column = self._columns[i]
        *known, unseen, missing = (int(row) for row in rows)
        if column["type"] == "STRING":
            value, compared = self._dialect.as_text(self._raw(i)), [self._dialect.text(key) for key in keys]
            signs = [(self._dialect.text(spelling), missing) for spelling in column["missing"]]
        else:
            value, compared, signs = self._as_double(i), [literal(key) for key in keys], []
        pairs = [(key, row) for key, row in [*zip(compared, known, strict=True), *signs] if row != unseen]
        if len(pairs) > self._dialect.most_cases:
            (row,) = self._layers.joined(Sql(value, 0), [(key, [whole(row)]) for key, row in pairs])
            found = exp.Coalesce(this=row.written, expressions=[whole(unseen)])
        else:
            ifs = [exp.If(this=key, true=whole(row)) for key, row in pairs]
            found = exp.Case(this=value, ifs=ifs, default=whole(unseen)) if ifs else whole(unseen)
        if missing != unseen:
            absent = exp.If(this=exp.Is(this=value.copy(), expression=exp.Null()), true=whole(missing))
            found = exp.Case(ifs=[absent], default=found)
        source = self._layers.column(Sql(found, 0), self._layers.fresh("c", i + 1))
        return Lookup(source, {row: row for row in (*known, unseen, missing)})

    def _raw(self, i: int) -> exp.Expr:
        return self._layers.raw(self._names[i])

    def _as_double(self, i: int) -> exp.Expr:
        """A column as a double, NULL if it is NaN."""
        return self._dialect.as_double(self._raw(i), is_boolean=self._columns[i]["boolean"])


def _filled(value: Sql, fill: float) -> Sql:
    return Sql(exp.Coalesce(this=value.written.copy(), expressions=[literal(fill)]), value.depth)


def _missing(value: Sql) -> Sql:
    absent = exp.If(this=exp.Is(this=value.written.copy(), expression=exp.Null()), true=literal(1))
    return Sql(exp.cast(exp.Case(ifs=[absent], default=literal(0)), "double"), value.depth)
