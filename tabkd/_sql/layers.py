"""Named columns, each in the innermost subselect that can compute it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import numpy as np
from sqlglot import exp

from tabkd._sql.scalars import Condition, Sql, as_output, as_sql, depth_of


class Layers:
    """Collect the columns of a chain of subselects, the first of which reads the table.

    Parameters
    ----------
    taken : collection of str
        Names that no subselect and no column of one may have.
    """

    def __init__(self, taken: Collection[str]):
        self._layers: list[dict[str, exp.Expr]] = []
        self._joins: dict[int, list[_Join]] = {}
        self._taken, self._count = {name.casefold() for name in taken}, 0
        self._source = self.fresh("source", 1)

    def raw(self, name: str) -> exp.Column:
        """A column of the table, qualified with the name of the table: SQLite reads an unknown name as a text."""
        return exp.Column(this=exp.to_identifier(name, quoted=True), table=exp.to_identifier(self._source))

    def fresh(self, letter: str, number: int | None = None) -> str:
        """An unused name: a letter and a number."""
        if number is None:
            self._count += 1
            number = self._count
        while f"{letter}{number}" in self._taken:
            letter += "_"
        return f"{letter}{number}"

    def named(self, scalar: Any, name: str | None = None) -> Any:
        """A scalar that can be used often: an expression becomes a column."""
        if not isinstance(scalar, Sql) or isinstance(scalar, Condition) or (scalar.is_name and name is None):
            return scalar
        return self.column(scalar, name or self.fresh("v"))

    def column(self, scalar: Any, name: str) -> Sql:
        """A new column of a scalar."""
        depth = depth_of([scalar])
        while len(self._layers) <= depth:
            self._layers.append({})
        self._layers[depth][name] = as_sql(scalar)
        return Sql(exp.column(name), depth + 1, is_name=True)

    def joined(self, key: Sql, rows: list[tuple[exp.Expr, list[exp.Expr]]]) -> list[Sql]:
        """The columns of a table of constants in the row that an expression names; NULL if there is none.

        Parameters
        ----------
        key : Sql
            The expression.
        rows : list of (Expression, list of Expression)
            The key of each row, each once, and its constants.
        """
        name, k = self.fresh("table"), self.fresh("k")
        columns = [self.fresh("w") for _ in rows[0][1]]
        (first, values), *others = rows
        # Numbers that some dialects read as decimals are doubles if the first of their column is one.
        typed = [one if one.text("this").lstrip("-").isdigit() else exp.cast(one, "double") for one in values]
        constants = [[first, *typed], *([one, *rest] for one, rest in others)]
        on = exp.EQ(this=key.written.copy(), expression=exp.column(k, table=name))
        self._joins.setdefault(key.depth, []).append(_Join(name, [k, *columns], constants, on))
        return [Sql(exp.column(column, table=name), key.depth) for column in columns]

    def all_named(self, tensor: np.ndarray) -> np.ndarray:
        """A tensor whose numbers can be used often."""
        if tensor.dtype != object:
            return tensor
        known: dict[int, Any] = {}
        out = np.empty_like(tensor)
        for place, scalar in np.ndenumerate(tensor):
            if id(scalar) not in known:
                known[id(scalar)] = self.named(scalar)
            out[place] = known[id(scalar)]
        return out

    def select(
        self, outputs: dict[str, Any], table: exp.Table, keep: Collection[str], fenced: bool, has_values: bool
    ) -> exp.Select:
        """The statement.

        Parameters
        ----------
        outputs : dict of str to scalar or Expression
            What it gives.
        table : sqlglot Table
            What it reads.
        keep : collection of str
            Columns of the table that it also gives.
        fenced : bool
            Whether to keep the database from moving the expressions of one subselect into the next, where each would be
            computed many times.
        has_values : bool
            Whether a subselect may be VALUES.
        """
        last = [
            exp.alias_(value if isinstance(value, exp.Expr) else as_output(value), name, quoted=True)
            for name, value in outputs.items()
        ]
        layers = [[exp.alias_(value, name) for name, value in layer.items()] for layer in self._layers if layer]
        joins = [self._joins.get(depth, []) for depth in range(len(layers) + 1)]
        sources = [exp.alias_(table, self._source, table=True)]
        sources += [exp.to_table(self.fresh("layer", i)) for i in range(1, len(layers) + 1)]
        kept = [list(map(self.raw, keep)), *([exp.column(name, quoted=True) for name in keep] for _ in layers)]
        *inner, outer = [
            exp.select(*own, *map(exp.column, passed), *columns, copy=False).from_(source, copy=False)
            for own, source, (passed, columns) in zip(kept, sources, _with_passed([*layers, last], joins), strict=True)
        ]
        for select, own in zip([*inner, outer], joins, strict=True):
            for join in own:
                select.join(join.name, on=join.on, join_type="left", copy=False)
        for join in (join for own in joins for join in own):
            outer = outer.with_(join.alias(has_values), as_=join.defined(has_values), copy=False)
        for source, select in zip(sources[1:], inner, strict=True):
            outer = outer.with_(source.name, as_=select, materialized=fenced or None, copy=False)
        return outer


class _Join(NamedTuple):
    """A table of constants, and the condition on which it is joined."""

    name: str
    columns: list[str]
    rows: list[list[exp.Expr]]
    on: exp.Expr

    def defined(self, has_values: bool) -> exp.Expr:
        """The definition of the table, as VALUES or as a union of rows."""
        if has_values:
            tuples = [exp.Tuple(expressions=row) for row in self.rows]
            rows = exp.Values(expressions=tuples, alias=exp.TableAlias(this=exp.to_identifier("constants")))
            return exp.select("*", copy=False).from_(rows, copy=False)
        first, *others = self.rows
        found: exp.Expr = exp.select(
            *(exp.alias_(one, name) for one, name in zip(first, self.columns, strict=True)), copy=False
        )
        for row in others:
            found = exp.Union(this=found, expression=exp.select(*row, copy=False), distinct=False)
        return found

    def alias(self, has_values: bool) -> exp.TableAlias:
        """Its name, with its columns if VALUES do not name them."""
        names = [exp.to_identifier(name) for name in self.columns] if has_values else None
        return exp.TableAlias(this=exp.to_identifier(self.name), columns=names)


def _with_passed(layers: list[list[exp.Expr]], joins: list[list[_Join]]) -> list[tuple[list[str], list[exp.Expr]]]:
    """Each layer's columns, with the names of those before it that a later one reads."""
    out, needed = [], set[str]()
    for columns, own in zip(reversed(layers), reversed(joins), strict=True):
        passed = needed - {column.alias for column in columns}
        out.append((sorted(passed, key=_in_order), columns))
        needed = passed | _used([*columns, *(join.on for join in own)])
    return out[::-1]


def _used(columns: Iterable[exp.Expr]) -> set[str]:
    """The names of subselects' columns among those that some expressions read.

    Columns of the user's table are quoted, and those of tables of constants have the name of the table.
    """
    found = (one for column in columns for one in column.find_all(exp.Column))
    return {one.name for one in found if not (one.this.args.get("quoted") or one.table)}


def _in_order(name: str) -> tuple[str, int]:
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :])
