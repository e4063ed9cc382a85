"""Convert a categorical column to row numbers of a table of weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tabkd._tables.column import Column
from tabkd.onnx._graph import Graph
from tabkd.onnx._types import TensorType

# Larger than any whole number that has a neighbour at a distance below 512 in float64.
_FAR = float(2**62)


def category_rows(graph: Graph, name: str, kind: int, column: Column, row_of: np.ndarray) -> str:
    """Look up the row of each value of a column.

    Parameters
    ----------
    graph : Graph
        The graph to write to.
    name : str
        The name of the input, of shape (n, 1).
    kind : int
        The ONNX type of the input.
    column : Column
        The categories of the column.
    row_of : ndarray of shape (n_categories + 2,)
        The row of each category, then that of an unseen one, then that of a missing one.

    Returns
    -------
    str
        The name of the rows, int64 of shape (n, 1).

    Raises
    ------
    ValueError
        If the type of the input cannot hold the categories.
    """
    if not column.numeric_categories:
        return _string_rows(graph, _as_strings(graph, name, kind, column), column, row_of)
    keys = np.array(column.keys)
    if kind == TensorType.STRING:
        name, kind = graph.numbers(name), TensorType.DOUBLE
    if kind == TensorType.FLOAT:
        return _float_rows(graph, name, column, keys.astype(np.float32), row_of)
    if kind != TensorType.DOUBLE:
        whole = np.flatnonzero(keys == np.floor(keys))
        return _encode(
            graph,
            graph.cast(name, TensorType.INT64),
            "int64s",
            keys[whole].astype(np.int64),
            row_of[whole],
            row_of,
        )
    if are_whole(keys):
        return _whole_rows(graph, name, keys, row_of)
    return _double_rows(graph, name, keys, row_of)


def are_whole(keys: np.ndarray) -> bool:
    """Whether int64 can represent these float64 categories."""
    return bool((keys == np.floor(keys)).all() and (np.abs(keys) < _FAR / 2).all())


def _as_strings(graph: Graph, name: str, kind: int, column: Column) -> str:
    if kind == TensorType.STRING:
        return name
    if kind in (TensorType.FLOAT, TensorType.DOUBLE, TensorType.BOOL):
        raise ValueError(
            f"Column {column.name!r} has the categories {list(column.categories[:3])}, strings, but its ONNX "
            f"input holds {TensorType(kind).name}. Give it StringTensorType([None, 1])."
        )
    return graph.cast(name, TensorType.STRING)


def _string_rows(graph: Graph, name: str, column: Column, row_of: np.ndarray) -> str:
    spellings = column.missing_spellings
    rows = np.append(row_of[:-2], [row_of[-1]] * len(spellings))
    return _encode(graph, name, "strings", column.keys + spellings, rows, row_of)


def _float_rows(graph: Graph, name: str, column: Column, keys: np.ndarray, row_of: np.ndarray) -> str:
    if len(np.unique(keys)) < len(keys):
        raise ValueError(
            f"Column {column.name!r} has categories that float32 cannot tell apart, for example "
            f"{column.categories[:3]}. Pass the table as float64, or make the categories strings."
        )
    missing = _unused(keys, np.float32(-3e38))
    filled = graph.node("Where", [graph.node("IsNaN", [name]), graph.constant(missing), name])
    return _encode(graph, filled, "floats", [*keys, missing], [*row_of[:-2], row_of[-1]], row_of)


def _whole_rows(graph: Graph, name: str, keys: np.ndarray, row_of: np.ndarray) -> str:
    """The rows of float64 values if all categories are whole numbers: they are compared as int64."""
    missing, unseen = graph.constant(np.float64(-_FAR)), graph.constant(np.float64(_FAR))
    filled = graph.node("Where", [graph.node("IsNaN", [name]), missing, name])
    whole = graph.node("Equal", [filled, graph.node("Floor", [filled])])
    near = graph.node("Clip", [graph.node("Where", [whole, filled, unseen]), missing, unseen])
    whole_keys = [*keys.astype(np.int64), -int(_FAR)]
    return _encode(graph, graph.cast(near, TensorType.INT64), "int64s", whole_keys, [*row_of[:-2], row_of[-1]], row_of)


def _double_rows(graph: Graph, name: str, keys: np.ndarray, row_of: np.ndarray) -> str:
    """The rows of float64 values, compared exactly with each category: LabelEncoder does not take float64."""
    same = graph.cast(graph.node("Equal", [name, graph.constant(keys[None, :])]), TensorType.FLOAT)
    found = graph.node(
        "Gather",
        [graph.constant(row_of[:-2].astype(np.int64)), graph.node("ArgMax", [same], axis=1, keepdims=1)],
    )
    known = graph.cast(graph.reduce("ReduceMax", same), TensorType.BOOL)
    unseen, missing = (graph.constant(np.array([[row]], dtype=np.int64)) for row in row_of[-2:])
    other = graph.node("Where", [graph.node("IsNaN", [name]), missing, unseen])
    return graph.node("Where", [known, found, other])


def _unused(keys: np.ndarray, start: np.float32) -> np.float32:
    """A number that is not among the keys."""
    while start in keys:
        start = np.nextafter(start, np.float32(0))
    return start


def _encode(graph: Graph, name: str, kind: str, keys: Iterable, rows: Iterable[int], row_of: np.ndarray) -> str:
    plain = {"strings": str, "floats": float, "int64s": int}[kind]
    attributes: dict[str, Any] = {f"keys_{kind}": [plain(key) for key in keys]}
    attributes |= {"values_int64s": [int(row) for row in rows], "default_int64": int(row_of[-2])}
    return graph.node(
        "LabelEncoder",
        [name],
        hint="row",
        **attributes,
    )
