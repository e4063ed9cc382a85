"""The inputs of a graph as the columns of a table, in whatever pieces and types they come.

skl2onnx hands over one matrix, one input for each column, or several matrices (behind a
ColumnTransformer), of floats, integers, booleans or strings. `Inputs` finds each column of the table in
them and gives the two tensors that all converters start from: the *values*, float32 (n, m) of numeric
columns, and the *rows*, int64 (n, j), where in a table of weights each category stands.
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from tabkd._tables.schema import TableSchema
from tabkd.onnx._categories import category_rows
from tabkd.onnx._graph import Graph

#: The names that the two tensors have in a graph that `to_onnx` writes, and the values once missing ones are filled.
VALUES, ROWS, FILLED = "values", "rows", "filled"

_LARGEST = float(np.finfo(np.float32).max)


class Front(NamedTuple):
    """What a student reads of a table.

    Attributes
    ----------
    positions : int array of shape (m,)
        The numeric columns.
    centers : array of shape (m,)
        What is taken off each of them in float64.
    tables : list of (int, array)
        The position of each categorical column, and the row of each of its categories, of an unseen and of a missing
        one.
    filled : tuple of (float32 array of shape (m,), int array) or None
        What stands for a missing number, and of which of the columns it is told that one was missing; None where the
        graph fills none, or other columns too.
    """

    positions: np.ndarray
    centers: np.ndarray
    tables: list[tuple[int, np.ndarray]]
    filled: tuple[np.ndarray, np.ndarray] | None = None


class Piece(NamedTuple):
    """One input of the graph: its name, its ONNX type and how many columns it has."""

    name: str
    type: int
    width: int


class Inputs:
    """Find the columns of a table among the inputs of an operator.

    Parameters
    ----------
    graph : Graph
    variables : list of skl2onnx Variable
    schema : TableSchema

    Raises
    ------
    ValueError
        Where the inputs have more or fewer columns than the table.
    """

    def __init__(self, graph: Graph, variables, schema: TableSchema):
        self._graph, self._schema = graph, schema
        #: What skl2onnx handed over.
        self.variables = list(variables)
        self.pieces = _pieces(variables, len(schema.columns))
        places = [(piece, k) for piece in self.pieces for k in range(piece.width)]
        names = [str(name) for name in schema.names]
        given = [variable.raw_name for variable in variables]
        if len(given) == len(names) > 1 and sorted(given) == sorted(names):
            places = [places[given.index(name)] for name in names]
        self._places = places
        self._mixed = not schema.is_numeric

    def values(self, positions, center) -> str | None:
        """float32 (n, m) of numeric columns, `center` taken off in float64; None if m is 0."""
        parts = []
        numbered = list(zip(positions, np.asarray(center), strict=True))
        for piece, group in groupby(numbered, lambda item: self._places[item[0]][0]):
            columns, shifts = zip(*group, strict=True)
            offsets = [self._places[i][1] for i in columns]
            parts.append(self._as_float32(*self._columns(piece, offsets), np.array(shifts)))
        return self._graph.concat(parts, VALUES, fixed=self._mixed) if parts else None

    def rows(self, tables: list[tuple[int, np.ndarray]]) -> str | None:
        """int64 (n, j): for each (position, row_of) the row of the category; None if there are none.

        `row_of` holds the row of each category, then that of an unseen one, then that of a missing one.
        """
        parts = []
        for position, row_of in tables:
            piece, offset = self._places[position]
            name, kind = self._columns(piece, [offset])
            parts.append(category_rows(self._graph, name, kind, self._schema.columns[position], row_of))
        return self._graph.concat(parts, ROWS, fixed=self._mixed) if parts else None

    def _columns(self, piece: Piece, offsets: list[int]) -> tuple[str, int]:
        if offsets == list(range(piece.width)):
            return piece.name, piece.type
        return self._graph.columns(piece.name, offsets), piece.type

    def _as_float32(self, name: str, kind: int, center: np.ndarray) -> str:
        graph = self._graph
        if kind == TensorProto.STRING:
            name, kind = graph.numbers(name), TensorProto.DOUBLE
        if not center.any() and kind != TensorProto.DOUBLE:
            return name if kind == TensorProto.FLOAT else graph.cast(name, TensorProto.FLOAT)
        if kind != TensorProto.DOUBLE:
            name = graph.cast(name, TensorProto.DOUBLE)
        if center.any():
            name = graph.node("Sub", [name, graph.constant(center.astype(np.float64))])
        limits = [graph.constant(np.float64(-_LARGEST)), graph.constant(np.float64(_LARGEST))]
        return graph.cast(graph.node("Clip", [name, *limits]), TensorProto.FLOAT)


def _pieces(variables, n_columns: int) -> list[Piece]:
    from skl2onnx.common.data_types import guess_proto_type

    widths = [variable.get_second_dimension() for variable in variables]
    if widths.count(None) == 1:
        rest = n_columns - sum(width for width in widths if width is not None)
        widths = [rest if width is None else width for width in widths]
    if None in widths or sum(widths) != n_columns:
        raise ValueError(
            f"The graph brings {'an unknown number of' if None in widths else sum(widths)} columns to a "
            "model "
            f"that was fitted on {n_columns}. Give initial types with the shape of that table, or pass it: "
            "to_onnx(model, X[:1])."
        )
    return [
        Piece(variable.full_name, guess_proto_type(variable.type), width)
        for variable, width in zip(variables, widths, strict=True)
    ]
