"""The operators of ONNX graphs, on tensors of numbers and of scalars that depend on a row.

A tensor is an array of one row: of numbers if nothing in it depends on the row, and of objects otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from sqlglot import exp

from tabkd._sql.functions import (
    add,
    as_number,
    divided,
    exponential,
    greatest,
    is_missing,
    least,
    mul,
    operation,
    power,
    quotient,
    sigmoid,
    sub,
    times,
    where,
)
from tabkd._sql.layers import Layers
from tabkd._sql.scalars import (
    Condition,
    Lookup,
    Sql,
    added,
    literal,
    pointwise,
    total,
    whole,
)
from tabkd._sql.trees import trees

Tensor = np.ndarray
# A larger table is looked up once, as a column: otherwise each later step would have a table of that size.
_MANY = 32
# From more products on, tables of constants are smaller and faster than cases.
_FEW = 4


def each(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """An operator that takes the scalars of tensors one by one, with NumPy's broadcasting."""

    def run(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
        shape = np.broadcast_shapes(*(x.shape for x in inputs))
        inputs = [context.named(x) if x.size < math.prod(shape) else x for x in inputs]
        return plain(np.asarray(np.frompyfunc(function, len(inputs), 1)(*inputs), dtype=object).reshape(shape))

    return run


def plain(tensor: Tensor) -> Tensor:
    """A tensor of numbers if nothing in it depends on the row."""
    if tensor.dtype != object or any(isinstance(scalar, (Sql, Lookup)) for scalar in tensor.ravel()):
        return tensor
    numbers = tensor.ravel().tolist()
    return np.array(numbers, dtype=None if numbers else np.float64).reshape(tensor.shape)


class Context:
    """What operators need besides their inputs.

    Parameters
    ----------
    layers : Layers
        Takes the columns of what is used often.
    most_nested : int
        How deep cases may be nested.

    Attributes
    ----------
    edges : list of (str, float)
        The columns that trees compare, each with a threshold.
    """

    def __init__(self, layers: Layers, most_nested: int):
        self.layers, self.most_nested = layers, most_nested
        self.edges: list[tuple[str, float]] = []

    def named(self, tensor: Tensor) -> Tensor:
        """A tensor whose scalars can be used often."""
        return self.layers.all_named(tensor)


def _product(a: Tensor, b: Tensor, context: Context, start: Tensor | None = None) -> Tensor:
    """The product of matrices (m, k) and (k, n), added to `start`."""
    m, n = len(a), b.shape[1]
    start = np.zeros((m, n)) if start is None else np.broadcast_to(start, (m, n))
    if n > 1:
        a = context.named(a)
    if n > _FEW and m == 1 and b.dtype != object:
        a, b = _looked_up_first(a, b, context)
    if m > 1:
        b = context.named(b)
    out = np.empty((m, n), dtype=object)
    for i, j in np.ndindex(m, n):
        terms = [_term(a[i, at], b[at, j]) for at in range(len(b))]
        out[i, j] = total([*terms, (1.0, start[i, j])])
    return plain(out)


def _looked_up_first(a: Tensor, b: Tensor, context: Context) -> tuple[Tensor, Tensor]:
    """The factors of a product, except those that depend only on categories: these are looked up and added."""
    is_lookup = np.array([isinstance(one, Lookup) for one in a[0]])
    sources = {id(one.source): one.source for one in a[0, is_lookup]}
    if not sources or len({source.depth for source in sources.values()}) > 1:
        return a, b
    sums: list[list[exp.Expr]] = [[] for _ in range(b.shape[1])]
    for key, source in sources.items():
        own = [at for at in np.flatnonzero(is_lookup) if id(a[0, at].source) == key]
        numbers = {row: sum(a[0, at].table[row] * b[at] for at in own) for row in a[0, own[0]].table}
        rows = [(whole(row), list(map(literal, found))) for row, found in numbers.items()]
        for parts, found in zip(sums, context.layers.joined(source, rows), strict=True):
            parts.append(found.written)
    depth = next(iter(sources.values())).depth
    found = [context.layers.named(Sql(added(parts), depth)) for parts in sums]
    rest = np.append(a[0, ~is_lookup], np.array(found, dtype=object))[None]
    return rest, np.vstack([b[~is_lookup], np.eye(b.shape[1])])


def _term(a: Any, b: Any) -> tuple[float, Any]:
    for one, other in ((a, b), (b, a)):
        if not isinstance(one, (Sql, Lookup)):
            return float(one), other
    return 1.0, times(a, b)


def _gemm(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
    a, b = (x.T if given.get(f"trans{side}") else x for x, side in zip(inputs, "AB", strict=False))
    one, other = np.array(given.get("alpha", 1.0)), np.array(given.get("beta", 1.0))
    start = each(mul)([inputs[2], other], {}, context) if len(inputs) > 2 else None
    return _product(a if one == 1 else each(mul)([a, one], {}, context), b, context, start)


def _matmul(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
    a, b = inputs
    if b.ndim != 2:
        raise NotImplementedError("SQL cannot run MatMul of a stack of matrices.")
    return _product(a.reshape(-1, a.shape[-1]), b, context).reshape(*a.shape[:-1], b.shape[1])


def _clip(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
    x, low, high = [*inputs, np.array(-np.inf), np.array(np.inf)][:3] if len(inputs) < 3 else inputs
    largest = float(np.finfo(np.float32).max)  # a double can be larger than the largest float32
    bounds = [(greatest, float(low.reshape(()))), (least, float(high.reshape(())))]
    for bound, number in bounds:
        if abs(number) < largest:
            x = each(bound)([x, np.array(number)], {}, context)
    return x


def _softmax(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
    (x,) = inputs
    if x.ndim != 2 or given.get("axis", -1) not in (1, -1):
        raise NotImplementedError("SQL cannot run Softmax along another axis than the last of two.")
    x = context.named(x)
    if x.shape[1] == 2:  # two classes need one exponential
        second = np.array([[context.layers.named(sigmoid(sub(x[0, 1], x[0, 0])))]], dtype=object)
        return plain(np.array([[sub(1.0, second[0, 0]), second[0, 0]]], dtype=object))
    largest = _reduced(greatest, x[0], context)
    weights = context.named(plain(np.array([[exponential(sub(one, largest)) for one in x[0]]], dtype=object)))
    everything = context.layers.named(total([(1.0, one) for one in weights[0]]))
    return plain(np.array([[quotient(one, everything) for one in weights[0]]], dtype=object))


def _reduced(function: Callable[[Any, Any], Any], scalars: Any, context: Context) -> Any:
    first, *rest = scalars
    for one in rest:
        first = function(first, one)
    return context.layers.named(first)


def _reduce(function: Callable[[Any, Any], Any]) -> Callable[..., Tensor]:
    def run(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
        x = inputs[0]
        axes = [int(axis) for axis in (inputs[1].ravel() if len(inputs) > 1 else given.get("axes", range(x.ndim)))]
        if x.ndim != 2 or [axis % 2 for axis in axes] != [1]:
            raise NotImplementedError("SQL cannot reduce a tensor along another axis than the last of two.")
        out = np.array([[_reduced(function, x[0], context)]], dtype=object)
        return plain(out if given.get("keepdims", 1) else out[:, 0])

    return run


def _gather(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
    x, indices = inputs
    axis = given.get("axis", 0)
    if indices.dtype != object:
        return plain(np.take(x, indices.astype(np.int64), axis=axis))
    if axis != 0 or x.dtype == object:
        raise NotImplementedError("SQL cannot run Gather where both tensors depend on the row.")
    rows = x.reshape(len(x), -1)
    out = np.empty((*indices.shape, rows.shape[1]), dtype=object)
    for *place, k in np.ndindex(out.shape):
        out[(*place, k)] = _row_of(rows[:, k], indices[tuple(place)], context)
    return plain(out.reshape(*indices.shape, *x.shape[1:]))


def _row_of(column: np.ndarray, index: Any, context: Context) -> Any:
    if isinstance(index, Sql):
        raise NotImplementedError("SQL cannot run Gather by a number that is not a category.")
    found = pointwise(lambda row: column[int(row)], lambda row: row, index)
    if not isinstance(found, Lookup) or len(found.table) <= _MANY:
        return found
    rows = [(whole(row), [literal(number)]) for row, number in found.table.items()]
    return context.layers.named(context.layers.joined(found.source, rows)[0])


def _scatter(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
    x, indices, updates = inputs
    axis = given.get("axis", 0) % x.ndim
    out = x.astype(object)
    for place, index in np.ndenumerate(indices):
        reached = index.table.values() if isinstance(index, Lookup) else [index]
        for row in {int(one) for one in reached}:
            target = tuple(row if k == axis else at for k, at in enumerate(place))
            is_here = pointwise(lambda one, row=row: int(one) == row, lambda one: one, index)
            out[target] = where(is_here, updates[place], out[target])
    return plain(out)


def _one_hot(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
    indices, depth, (off, on) = inputs
    if indices.dtype == object:
        raise NotImplementedError("SQL cannot run OneHot of what depends on the row.")
    axis, ndim = given.get("axis", -1), indices.ndim + 1
    hot = indices[..., None].astype(np.int64) % int(depth) == np.arange(int(depth))
    return np.moveaxis(np.where(hot, on, off), -1, axis % ndim)


def _slice(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
    x, starts, ends = inputs[:3]
    axes = inputs[3].astype(int) if len(inputs) > 3 else np.arange(len(starts))
    steps = inputs[4].astype(int) if len(inputs) > 4 else np.ones(len(starts), int)
    cuts = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts.astype(int), ends.astype(int), steps, strict=True):
        cuts[axis] = slice(start, end, step)
    return plain(x[tuple(cuts)])


def _reshape(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
    x, sizes = inputs
    return x.reshape([x.shape[i] if size == 0 else int(size) for i, size in enumerate(sizes)])


def _trees(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
    (x,) = inputs
    features = list(context.named(x)[0])
    found = trees(features, given, context.layers, context.most_nested)
    splits = zip(given["nodes_featureids"], given["nodes_values"], given["nodes_modes"], strict=True)
    for i, threshold in sorted({(i, value) for i, value, mode in splits if mode != b"LEAF"}):
        if isinstance(features[i], Sql):
            context.edges.append((features[i].written.name, threshold))
    return plain(np.array([found], dtype=object))


def _cast(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
    return each(as_number)(inputs, given, context)  # doubles take the part of every number


def _zeros(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
    return np.full(inputs[0].astype(int), given["value"].reshape(()) if "value" in given else 0.0)


def _many(function: Callable[[Any, Any], Any]) -> Callable[..., Tensor]:
    def run(inputs: list[Tensor], given: dict[str, Any], context: Context) -> Tensor:
        found = inputs[0]
        for one in inputs[1:]:
            found = each(function)([found, one], {}, context)
        return found

    return run


#: What computes each operator: from its inputs, its attributes and a context.
OPERATORS: dict[str, Callable[[list[Tensor], dict[str, Any], Context], Tensor]] = {
    "Add": each(add),
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda inputs, given, context: plain(np.concatenate(inputs, axis=given["axis"])),
    "ConstantOfShape": _zeros,
    "Div": each(divided),
    "Exp": each(exponential),
    "Flatten": lambda inputs, given, context: inputs[0].reshape(math.prod(inputs[0].shape[: given.get("axis", 1)]), -1),
    "Gather": _gather,
    "Gemm": _gemm,
    "Greater": each(operation(exp.GT, lambda a, b: bool(a > b), Condition)),
    "Identity": lambda inputs, given, context: inputs[0],
    "IsNaN": each(is_missing),
    "MatMul": _matmul,
    "Max": _many(greatest),
    "Min": _many(least),
    "Mul": each(mul),
    "OneHot": _one_hot,
    "Pow": each(power),
    "Reciprocal": each(lambda a: divided(1.0, a)),
    "ReduceMax": _reduce(greatest),
    "ReduceSum": _reduce(add),
    "Relu": each(lambda a: greatest(a, 0.0)),
    "Reshape": _reshape,
    "ScatterElements": _scatter,
    "Shape": lambda inputs, given, context: np.array(inputs[0].shape),
    "Sigmoid": each(sigmoid),
    "Slice": _slice,
    "Softmax": _softmax,
    "Sub": each(sub),
    "TreeEnsembleRegressor": _trees,
    "Where": each(where),
}
