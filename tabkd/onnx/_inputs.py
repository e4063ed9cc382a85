"""The inputs of a graph as the columns of a table, for all shapes and types of inputs.

skl2onnx gives a converter one matrix, one input for each column, or several matrices (after a ColumnTransformer), of
floats, integers, booleans or strings. `Inputs` finds each column of the table in them and writes the two tensors that
all converters start from: the *values* of the numeric columns, float32 (n, m), and the *rows* of the categories in a
table of weights, int64 (n, j).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tabkd._tables.schema import TableSchema
from tabkd.onnx._categories import category_rows
from tabkd.onnx._graph import Graph
from tabkd.onnx._types import TensorType

#: The names of the two tensors in a graph that `to_onnx` writes, and of the values after missing ones are filled.
VALUES, ROWS, FILLED = "values", "rows", "filled"

_LARGEST = float(np.finfo(np.float32).max)


class Front(NamedTuple):
    """What a student reads from a table.

    Attributes
    ----------
    positions : int ndarray of shape (m,)
        Positions of the numeric columns.
    centers : ndarray of shape (m,)
        The number that is subtracted from each of them in float64.
    tables : list of (int, ndarray)
        For each categorical column its position, and the row of each of its categories, of an unseen one and of a
        missing one.
    filled : tuple of (float32 ndarray of shape (m,), int ndarray) or None
        The number that replaces a missing one in each column, and the columns with an indicator of missing values. None
        if the graph does not fill missing numbers, or fills other columns too.

    Examples
    --------
    The second and third column of a table, both numeric:

    >>> import numpy as np
    >>> from tabkd.onnx import Front
    >>> Front(np.array([1, 2]), np.zeros(2), []).positions.tolist()
    [1, 2]
    """

    positions: np.ndarray
    centers: np.ndarray
    tables: list[tuple[int, np.ndarray]]
    filled: tuple[np.ndarray, np.ndarray] | None = None


class Piece(NamedTuple):
    """One input of the graph: its name, its ONNX type and its number of columns."""

    name: str
    type: int
    width: int


class Inputs:
    """Find the columns of a table among the inputs of an operator.

    Parameters
    ----------
    graph : Graph
        The graph to write to.
    variables : list of skl2onnx Variable
        The inputs.
    schema : TableSchema
        The columns of the table.

    Raises
    ------
    ValueError
        If the inputs have more or fewer columns than the table.

    Examples
    --------
    In `write_onnx` of a student, two numeric columns as they are:

    >>> def write_onnx(self, graph, inputs):
    ...     numbers = inputs.values([0, 1], [0.0, 0.0])
    ...     return Tensors(graph.gemm(numbers, self.coef_, self.intercept_))
    """

    def __init__(self, graph: Graph, variables: Sequence[Any], schema: TableSchema) -> None:
        self._graph, self._schema = graph, schema
        #: The inputs that skl2onnx passed.
        self.variables = list(variables)
        self.pieces = _pieces(variables, len(schema.columns))
        places = [(piece, k) for piece in self.pieces for k in range(piece.width)]
        names = [str(name) for name in schema.names]
        given = [variable.raw_name for variable in variables]
        if len(given) == len(names) > 1 and sorted(given) == sorted(names):
            places = [places[given.index(name)] for name in names]
        self._places = places
        self._mixed = not schema.is_numeric

    def values(self, positions: Sequence[int] | np.ndarray, center: ArrayLike) -> str | None:
        """Read numeric columns as float32, clipped to its range; `tabkd.students.to_float32` is the same in Python.

        Parameters
        ----------
        positions : sequence of int of shape (m,)
            Which columns.
        center : array of shape (m,)
            The number that is subtracted from each, in float64.

        Returns
        -------
        str or None
            The name of the tensor, of shape (n, m); None if m is 0.
        """
        parts = []
        numbered = list(zip(positions, np.asarray(center), strict=True))
        for piece, group in groupby(numbered, lambda item: self._places[item[0]][0]):
            columns, shifts = zip(*group, strict=True)
            offsets = [self._places[i][1] for i in columns]
            parts.append(self._as_float32(*self._columns(piece, offsets), np.array(shifts)))
        return self._graph.concat(parts, VALUES, fixed=self._mixed) if parts else None

    def rows(self, tables: list[tuple[int, np.ndarray]]) -> str | None:
        """Look up categories in tables of rows.

        Parameters
        ----------
        tables : list of (int, array)
            For each column its position, and the row of each of its categories, of an unseen and of a missing one.

        Returns
        -------
        str or None
            The name of the tensor, int64 of shape (n, j); None if `tables` is empty.
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
        if kind == TensorType.STRING:
            name, kind = graph.numbers(name), TensorType.DOUBLE
        if not center.any() and kind != TensorType.DOUBLE:
            return name if kind == TensorType.FLOAT else graph.cast(name, TensorType.FLOAT)
        if kind != TensorType.DOUBLE:
            name = graph.cast(name, TensorType.DOUBLE)
        if center.any():
            name = graph.node("Sub", [name, graph.constant(center.astype(np.float64))])
        limits = [graph.constant(np.float64(-_LARGEST)), graph.constant(np.float64(_LARGEST))]
        return graph.cast(graph.node("Clip", [name, *limits]), TensorType.FLOAT)


def _pieces(variables: Sequence[Any], n_columns: int) -> list[Piece]:
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
