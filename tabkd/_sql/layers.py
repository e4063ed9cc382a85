"""Named columns, each in the innermost subselect that can compute it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from sqlglot import exp

from tabkd._sql.scalars import Condition, Lookup, Sql, as_sql, depth_of


class Layers:
    """Collect the columns of a chain of subselects, the first of which reads the table.

    Parameters
    ----------
    taken : collection of str
        Names that no column of a subselect may have.
    """

    def __init__(self, taken: Collection[str]):
        self._layers: list[dict[str, exp.Expression]] = []
        self._taken, self._count = {name.casefold() for name in taken}, 0

    def fresh(self, letter: str, number: int | None = None) -> str:
        """A name that nothing has: a letter and a number."""
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

    def select(self, outputs: dict[str, Any], table: exp.Table, keep: Collection[str], fenced: bool) -> exp.Select:
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
            Whether to forbid the database to put the expressions of one subselect into the next, where each would be
            computed again and again.
        """
        last = [
            exp.alias_(value if isinstance(value, exp.Expression) else as_sql(value), name, quoted=True)
            for name, value in outputs.items()
        ]
        layers = [
            [exp.alias_(value, name) for name, value in layer.items()] for layer in self._layers if layer
        ] + [last]
        kept = [exp.column(name, quoted=True) for name in keep]
        statement, needed, selects = None, set(), []
        for columns in reversed(layers):
            here = {column.alias for column in columns}
            passed = [exp.column(name) for name in sorted(needed - here, key=_in_order)]
            selects.append([*(column.copy() for column in kept), *passed, *columns])
            needed = (needed - here) | _used(columns)
        selects.reverse()
        for i, columns in enumerate(selects):
            source = table if i == 0 else exp.to_table(self._layer_name(i))
            select = exp.select(*columns, copy=False).from_(source)
            if i == len(selects) - 1:
                statement = select
                break
            part = exp.CTE(
                this=select,
                alias=exp.TableAlias(this=exp.to_identifier(self._layer_name(i + 1))),
                materialized=True if fenced else None,
            )
            ctes = [part] if i == 0 else [*ctes, part]
        if len(selects) > 1:
            statement.set("with_", exp.With(expressions=ctes))
        return statement

    def _layer_name(self, number: int) -> str:
        return f"layer{number}"


def _used(columns: Iterable[exp.Expression]) -> set[str]:
    """The names of subselects' columns among those that some expressions read; those of the table are quoted."""
    return {
        found.name for column in columns for found in column.find_all(exp.Column) if not found.this.args.get("quoted")
    }


def _in_order(name: str) -> tuple[str, int]:
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :])
