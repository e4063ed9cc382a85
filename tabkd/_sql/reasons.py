"""The reasons for a score as columns: which columns of the table pushed it up most, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlglot import exp

from tabkd._reasons import LEAST_REASON
from tabkd._sql.functions import largest
from tabkd._sql.layers import Layers
from tabkd._sql.scalars import Lookup, Sql, as_sql, literal, total, whole, written

# Below any contribution.
_NEVER = -1e300


def reason_columns(
    contributions: np.ndarray, predicted: Any, names: Sequence[exp.Expr], n: int, layers: Layers
) -> dict[str, exp.Expr]:
    """The columns `reason_1` … and `contribution_1` …, as `tabkd score` gives them.

    Parameters
    ----------
    contributions : array of shape (1, d) or (1, M, d)
        What each column contributes, as scalars; for more than two classes, to each of M scores.
    predicted : scalar
        The position of the predicted class.
    names : sequence of sqlglot Expression
        What is written for each column.
    n : int
        Number of reasons.
    layers : Layers
        Where scalars are named.
    """
    (values,) = contributions
    if values.ndim == 2:
        values = [_of_class(predicted, of_column) for of_column in values.T]

    def named(scalar: Any) -> Sql:
        return layers.column(scalar, layers.fresh("v"))

    # The others contribute nothing to any row.
    pushes = {k: value for k, value in enumerate(values) if _varies(value)}
    reasons, sizes = list[exp.Expr](), list[exp.Expr]()
    for rank in range(min(n, len(pushes))):
        pushes = {k: named(push) for k, push in pushes.items()}
        if rank == 0:
            least = named(total([(LEAST_REASON, _size(push)) for push in pushes.values()]))
        top = named(largest(list(pushes.values())))
        place = named(_place(top, pushes))
        is_reason = exp.GT(this=as_sql(top), expression=as_sql(least))
        texts = [exp.If(this=whole(k), true=names[k]) for k in pushes]
        reasons.append(_where(is_reason, exp.Case(this=as_sql(place), ifs=texts)))
        sizes.append(_where(is_reason.copy(), as_sql(top)))
        pushes = {k: _without(k, place, push) for k, push in pushes.items()}
    reasons += [exp.cast(exp.Null(), "text") for _ in range(n - len(reasons))]
    sizes += [exp.cast(exp.Null(), "double") for _ in range(n - len(sizes))]
    columns = {f"reason_{k}": reason for k, reason in enumerate(reasons, 1)}
    return columns | {f"contribution_{k}": size for k, size in enumerate(sizes, 1)}


def _varies(value: Any) -> bool:
    return isinstance(value, (Sql, Lookup))


def _size(push: Sql) -> Sql:
    return written(lambda x: exp.Abs(this=x), push)


def _of_class(predicted: Any, values: Sequence[Any]) -> Any:
    """What a column contributes to the score of the predicted class."""
    if not any(map(_varies, values)):
        return 0.0

    def make(position: exp.Expr, *given: exp.Expr) -> exp.Expr:
        ifs = [exp.If(this=whole(k), true=value) for k, value in enumerate(given)]
        return exp.cast(exp.Case(this=position, ifs=ifs), "double")

    return written(make, predicted, *values)


def _place(top: Any, pushes: dict[int, Sql]) -> Sql:
    """The position of the first column that contributes most."""

    def make(most: exp.Expr, *given: exp.Expr) -> exp.Expr:
        ifs = [
            exp.If(this=exp.EQ(this=value, expression=most.copy()), true=whole(k))
            for k, value in zip(pushes, given, strict=True)
        ]
        return exp.Case(ifs=ifs)

    return written(make, top, *pushes.values())


def _without(k: int, place: Any, push: Any) -> Sql:
    """What a column contributes, unless it was the last reason."""

    def make(position: exp.Expr, value: exp.Expr) -> exp.Expr:
        return exp.Case(this=position, ifs=[exp.If(this=whole(k), true=literal(_NEVER))], default=value)

    return written(make, place, push)


def _where(condition: exp.Expr, value: exp.Expr) -> exp.Expr:
    """The value where the condition holds, otherwise NULL."""
    return exp.Case(ifs=[exp.If(this=condition, true=value)])
