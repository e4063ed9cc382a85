"""Named columns, each in the innermost subselect that can compute it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from sqlglot import exp

from tabkd._sql.scalars import Condition, Sql, as_sql, depth_of


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
        layers = [[exp.alias_(value, name) for name, value in layer.items()] for layer in self._layers if layer]
        kept = [exp.column(name, quoted=True) for name in keep]
        *inner, outer = [
            exp.select(*(one.copy() for one in kept), *map(exp.column, passed), *columns, copy=False).from_(
                table if i == 0 else f"layer{i}", copy=False
            )
            for i, (passed, columns) in enumerate(_with_passed([*layers, last]))
        ]
        for i, select in enumerate(inner, 1):
            outer = outer.with_(f"layer{i}", as_=select, materialized=fenced or None, copy=False)
        return outer


def _with_passed(layers: list[list[exp.Expression]]) -> list[tuple[list[str], list[exp.Expression]]]:
    """Each layer's columns, with the names of those before it that a later one reads."""
    out, needed = [], set[str]()
    for columns in reversed(layers):
        passed = needed - {column.alias for column in columns}
        out.append((sorted(passed, key=_in_order), columns))
        needed = passed | _used(columns)
    return out[::-1]


def _used(columns: Iterable[exp.Expression]) -> set[str]:
    """The names of subselects' columns among those that some expressions read; those of the table are quoted."""
    return {
        found.name for column in columns for found in column.find_all(exp.Column) if not found.this.args.get("quoted")
    }


def _in_order(name: str) -> tuple[str, int]:
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :])
