"""One number of a tensor while a graph is read: a constant, a table of constants by category, or SQL.

Constants are computed here and tables entry by entry, so that only what depends on numbers of a row becomes SQL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from sqlglot import exp


class Sql:
    """An expression of columns.

    Parameters
    ----------
    written : sqlglot Expression
        The expression.
    depth : int
        The number of subselects below the one that can compute it.
    is_name : bool, default=False
        Whether it is a column alone.
    """

    def __init__(self, written: exp.Expr, depth: int, is_name: bool = False):
        self.written, self.depth, self.is_name = written, depth, is_name


class Condition(Sql):
    """An expression that is true or false; not every dialect has columns of them."""


class Lookup:
    """A constant for each row number of a category.

    Parameters
    ----------
    source : Sql
        The column of row numbers.
    table : dict of int to number
        The constant for each row number that the column has.
    """

    def __init__(self, source: Sql, table: dict[int, Any]):
        self.source, self.table = source, table


def literal(number: float) -> exp.Expr:
    """A number with all digits, in the form of a double; PostgreSQL reads a numeric, which a double converts."""
    if not math.isfinite(number):
        raise NotImplementedError(f"SQL has no way to write the number {number}, which the graph contains.")
    text = repr(float(number)).removesuffix(".0")
    return exp.Literal(this=text if "e" in text else f"{text}e0", is_string=False)


def whole(number: int) -> exp.Expr:
    """A whole number."""
    return exp.Literal(this=str(int(number)), is_string=False)


def pointwise(function: Callable, write: Callable[..., Any], *args: Any) -> Any:
    """A function of scalars: computed where they are constants or tables of one category, and written otherwise."""
    sources = {id(arg.source): arg.source for arg in args if isinstance(arg, Lookup)}
    if len(sources) > 1 or any(isinstance(arg, Sql) for arg in args):
        return write(*args)
    if not sources:
        return function(*args)
    (source,) = sources.values()
    keys = next(arg.table for arg in args if isinstance(arg, Lookup))
    found = {key: function(*(arg.table[key] if isinstance(arg, Lookup) else arg for arg in args)) for key in keys}
    first = next(iter(found.values()))
    return first if all(value == first for value in found.values()) else Lookup(source, found)


def as_sql(scalar: Any) -> exp.Expr:
    """A scalar as a separate expression: a condition, a double, or the literal of a constant."""
    if isinstance(scalar, Lookup):
        return _looked_up(scalar)
    return scalar.written.copy() if isinstance(scalar, Sql) else literal(scalar)


def as_output(scalar: Any) -> exp.Expr:
    """A scalar as a double, however the dialect reads a bare number."""
    found = as_sql(scalar)
    return found if isinstance(scalar, (Sql, Lookup)) else exp.cast(found, "double")


def _looked_up(lookup: Lookup) -> exp.Expr:
    """A lookup in which the most frequent number of a table is the default, and the others are listed by their rows."""
    rows: dict[float, list[int]] = {}
    for row, number in lookup.table.items():
        rows.setdefault(float(number), []).append(row)
    default = max(rows, key=lambda number: len(rows[number]))
    row_of = lookup.source.written
    ifs = [
        exp.If(this=whole(row), true=literal(number)) for number in rows if number != default for row in rows[number]
    ]
    # Numbers alone would be decimals in some dialects, whose sums have other rules than those of doubles.
    return exp.cast(exp.Case(this=row_of.copy(), ifs=ifs, default=literal(default)), "double")


def depth_of(scalars: Iterable[Any]) -> int:
    """The depth of an expression of these scalars."""
    depths = [arg.source.depth if isinstance(arg, Lookup) else getattr(arg, "depth", 0) for arg in scalars]
    return max(depths, default=0)


def written(make: Callable[..., exp.Expr], *args: Any, kind: type[Sql] = Sql) -> Sql:
    """An expression of scalars."""
    return kind(make(*map(as_sql, args)), depth_of(args))


def total(terms: Iterable[tuple[float, Any]], start: float = 0.0) -> Any:
    """The sum of scalars, each times a weight, and a constant; tables of one category are added up to one."""
    constant, tables, rest = float(start), dict[int, Lookup](), []
    for weight, scalar in terms:
        if isinstance(scalar, Lookup):
            table = {row: weight * number for row, number in scalar.table.items()}
            before = tables.get(id(scalar.source))
            if before is not None:
                table = {row: number + before.table[row] for row, number in table.items()}
            tables[id(scalar.source)] = Lookup(scalar.source, table)
        elif isinstance(scalar, Sql):
            if weight:
                rest.append((weight, scalar))
        else:
            constant += weight * float(scalar)
    varying = []
    for table in tables.values():
        numbers = set(table.table.values())
        if len(numbers) == 1:
            constant += numbers.pop()
        else:
            varying.append(table)
    if not rest and not varying:
        return constant
    if not rest and len(varying) == 1:
        (one,) = varying
        return Lookup(one.source, {row: number + constant for row, number in one.table.items()})
    parts = [as_sql(scalar) if weight == 1 else _product(scalar, weight) for weight, scalar in rest]
    parts += [as_sql(table) for table in varying] + ([literal(constant)] if constant else [])
    return Sql(added(parts), depth_of([*(scalar for _, scalar in rest), *varying]))


def _product(scalar: Sql, weight: float) -> exp.Expr:
    return exp.Mul(this=enclosed(as_sql(scalar)), expression=literal(weight))


# Consecutive additions: databases limit the depth of an expression, and each addition makes it deeper.
_ADDED = 32


def added(parts: list[exp.Expr]) -> exp.Expr:
    """The sum of expressions."""
    while len(parts) > _ADDED:
        parts = [exp.Paren(this=_chain(parts[i : i + _ADDED])) for i in range(0, len(parts), _ADDED)]
    return _chain(parts)


def _chain(parts: list[exp.Expr]) -> exp.Expr:
    found = parts[0]
    for part in parts[1:]:
        found = exp.Add(this=found, expression=part)
    return found


def enclosed(expression: exp.Expr) -> exp.Expr:
    """An expression that keeps its meaning as a part of another one."""
    return exp.Paren(this=expression) if isinstance(expression, (exp.Binary, exp.Not)) else expression
