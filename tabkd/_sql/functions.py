"""Functions of scalars, each computed where it can be and written as SQL where it cannot."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sqlglot import exp

from tabkd._sql.scalars import Condition, Lookup, Sql, as_sql, enclosed, pointwise, total, whole, written

# Exponents outside these give numbers beyond float32; some databases refuse larger ones.
_EXPONENTS = 100.0
# SQLite takes 127 at most, or fewer if it was built so.
_ARGUMENTS = 50


def operation(
    kind: type[exp.Expr], function: Callable[[Any, Any], Any], result: type[Sql] = Sql
) -> Callable[[Any, Any], Any]:
    """A function of two scalars that SQL writes between them; `result` is the type of its result."""

    def make(a: exp.Expr, b: exp.Expr) -> exp.Expr:
        return kind(this=enclosed(a), expression=enclosed(b))

    return lambda a, b: pointwise(function, lambda *args: written(make, *args, kind=result), a, b)


def add(a: Any, b: Any) -> Any:
    """The sum."""
    return total([(1.0, a), (1.0, b)])


def sub(a: Any, b: Any) -> Any:
    """The difference."""
    return total([(1.0, a), (-1.0, b)])


times = operation(exp.Mul, lambda a, b: a * b)


def mul(a: Any, b: Any) -> Any:
    """The product."""
    for one, other in ((a, b), (b, a)):
        if not isinstance(one, (Sql, Lookup)):
            return total([(float(one), other)])
    return times(a, b)


def least(a: Any, b: Any) -> Any:
    """The smaller of two."""
    return pointwise(min, lambda *args: written(lambda x, y: exp.Least(this=x, expressions=[y]), *args), a, b)


def greatest(a: Any, b: Any) -> Any:
    """The larger of two."""
    return pointwise(max, lambda *args: written(lambda x, y: exp.Greatest(this=x, expressions=[y]), *args), a, b)


def largest(values: Sequence[Any]) -> Any:
    """The largest of many expressions; a database may limit the arguments of a function."""
    while len(values) > 1:
        parts = [values[i : i + _ARGUMENTS] for i in range(0, len(values), _ARGUMENTS)]
        values = [written(_greatest, *part) if len(part) > 1 else part[0] for part in parts]
    return values[0]


def _greatest(first: exp.Expr, *others: exp.Expr) -> exp.Expr:
    return exp.Greatest(this=first, expressions=list(others))


def power(a: Any, b: Any) -> Any:
    """A power."""
    return pointwise(pow, lambda *args: written(lambda x, y: exp.Pow(this=x, expression=y), *args), a, b)


def exponential(a: Any) -> Any:
    """The exponential, if float32 can hold it."""
    bounded = least(greatest(a, -_EXPONENTS), _EXPONENTS)
    return pointwise(math.exp, lambda x: written(lambda y: exp.Exp(this=y), x), bounded)


quotient = operation(exp.Div, lambda a, b: a / b)


def divided(a: Any, b: Any) -> Any:
    """The quotient; a constant divides as its reciprocal."""
    return mul(a, 1 / b) if not isinstance(b, (Sql, Lookup)) else quotient(a, b)


def sigmoid(a: Any) -> Any:
    """The logistic function."""
    return quotient(1.0, add(1.0, exponential(mul(a, -1.0))))


def is_missing(a: Any) -> Any:
    """Whether a number is missing: NaN, or NULL in SQL."""

    def make(x: exp.Expr) -> exp.Expr:
        return exp.Is(this=x, expression=exp.Null())

    return pointwise(lambda x: bool(np.isnan(x)), lambda x: written(make, x, kind=Condition), a)


def where(condition: Any, a: Any, b: Any) -> Any:
    """One of two scalars, by a condition."""
    if not isinstance(condition, (Sql, Lookup)):
        return a if condition else b
    if isinstance(condition, Condition):
        return written(lambda c, x, y: exp.Case(ifs=[exp.If(this=c, true=x)], default=y), condition, a, b)
    return pointwise(
        lambda c, x, y: x if c else y, lambda c, x, y: where(_looked_up_condition(c), x, y), condition, a, b
    )


def _looked_up_condition(condition: Any) -> Condition:
    """A condition from a table of true and false."""
    rows = [row for row, value in condition.table.items() if value]
    found = list(map(whole, rows))
    return Condition(exp.In(this=as_sql(condition.source), expressions=found), condition.source.depth)


def as_number(a: Any) -> Any:
    """1 and 0 for a condition that is true or false; numbers as they are."""
    if isinstance(a, Condition):
        return where(a, 1.0, 0.0)
    return pointwise(float, lambda x: x, a)
