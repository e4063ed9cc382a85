"""The part of `TableEncoder` that writes its graph."""

from __future__ import annotations

import numpy as np

from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import FILLED, Front, Inputs
from tabkd.onnx._types import TensorType
from tabkd.students._encoding.level_means import distinct_means
from tabkd.students._encoding.rows import EncoderRows
from tabkd.students._encoding.stored_rows import StoredRows
from tabkd.students._student_graph import Edges


class EncoderGraph(EncoderRows):
    """The side of a fitted `TableEncoder` that writes its graph."""

    def front(self) -> Front:
        """Describe what the encoder reads from the table.

        Columns with few levels come first, with their rows numbered as in `level_units_`. Columns with many levels
        follow, with the different rows of all tables of means numbered consecutively.

        Returns
        -------
        tabkd.onnx.Front
            The numeric columns, and the tables of the categorical ones.
        """
        tables = [(int(i), row_of) for i, row_of in zip(self.level_columns_, self.level_of_, strict=True)]
        first = 0
        for i, means in zip(self.mean_columns_, self.means_, strict=True):
            found, position = distinct_means(means)
            tables.append((int(i), first + position))
            first += len(found)
        alone = not len(self.mean_columns_) and len(self.unit_column_)
        filled = (self.fill_, self.missing_) if alone else None
        return Front(self.numeric_, self.center_, tables, filled)

    def edges(self) -> list[Edges]:
        """List where units begin and end.

        Returns
        -------
        list of Edges
            The knots of each numeric column.
        """
        scale, bias = self.unit_scale_.astype(np.float64), self.unit_bias_.astype(np.float64)
        found = []
        for k, (i, center) in enumerate(zip(self.numeric_, self.center_, strict=True)):
            unit = self.unit_column_ == k
            knots = np.concatenate([-bias[unit], 1 - bias[unit]]) / np.tile(scale[unit], 2)
            found.append(Edges(int(i), float(center), knots))
        return found

    def write_onnx(self, graph: Graph, inputs: Inputs) -> str:
        """Write what `transform` computes into a graph.

        Parameters
        ----------
        graph : tabkd.onnx.Graph
            Takes the nodes.
        inputs : tabkd.onnx.Inputs
            The columns of the table.

        Returns
        -------
        str
            The name of the tensor, float32 of shape (n, n_features_out).
        """
        units, levels = self.write_features(graph, inputs)
        parts = [units] if units is not None else []
        if levels is not None:
            parts.append(graph.node("MatMul", [levels, graph.constant(self.level_units_)]))
        return graph.concat(parts) if parts else graph.zeros(inputs.pieces[0].name, 0)

    def write_features(self, graph: Graph, inputs: Inputs | StoredRows) -> tuple[str | None, str | None]:
        """Write numeric units and one-hot rows of levels into a graph.

        Parameters
        ----------
        graph : tabkd.onnx.Graph
            Takes the nodes.
        inputs : tabkd.onnx.Inputs or StoredRows
            The columns of the table, or of rows that are constants of the graph.

        Returns
        -------
        tuple of (str or None, str or None)
            The names of the tensors, float32 of shape (n, u) and (n, r); None if there are no such columns.
        """
        filled, rows = self.write_inputs(graph, inputs)
        units = None
        if filled is not None:
            n_inputs = len(self.fill_) + len(self.missing_)
            units = write_ramps(graph, filled, n_inputs, self.unit_column_, self.unit_scale_, self.unit_bias_)
        return units, _one_hot(graph, rows, len(self.level_units_)) if rows is not None else None

    def write_inputs(self, graph: Graph, inputs: Inputs | StoredRows) -> tuple[str | None, str | None]:
        """Write what `filled` and `level_rows` compute into a graph.

        Parameters
        ----------
        graph : tabkd.onnx.Graph
            Takes the nodes.
        inputs : tabkd.onnx.Inputs or StoredRows
            The columns of the table, or of rows that are constants of the graph.

        Returns
        -------
        tuple of (str or None, str or None)
            The names of the tensors, float32 of shape (n, m) and int64 of shape (n, j); None if there are no units, or
            no columns of levels.
        """
        front = self.front()
        values, rows = inputs.values(front.positions, front.centers), inputs.rows(front.tables)
        n_levels = len(self.level_columns_)
        parts = [values] if values is not None else []
        if rows is not None and len(self.mean_columns_):
            parts += _means(graph, graph.columns(rows, range(n_levels, len(front.tables))), self.means_)
            rows = graph.columns(rows, range(n_levels)) if n_levels else None
        hint = None if isinstance(inputs, StoredRows) else FILLED
        filled = self._write_filled(graph, graph.concat(parts), hint) if len(self.unit_column_) else None
        return filled, rows if n_levels else None

    def _write_filled(self, graph: Graph, values: str, hint: str | None) -> str:
        missing = graph.node("IsNaN", [values])
        first = None if len(self.missing_) else hint
        filled = graph.node("Where", [missing, graph.float32(self.fill_, "fill"), values], hint=first)
        if not len(self.missing_):
            return filled
        indicators = graph.cast(graph.columns(missing, self.missing_), TensorType.FLOAT)
        return graph.concat([filled, indicators], hint or "concat")


def write_ramps(
    graph: Graph, values: str, n_values: int, column: np.ndarray, scale: np.ndarray, bias: np.ndarray
) -> str:
    """``clip(x * scale + bias, 0, 1)`` of one column each, by a matrix product: faster than selecting columns."""
    # One entry for each column, stored as its position; ONNX Runtime expands it when a session is created.
    onoff = graph.constant(np.array([0, 1], np.float32))
    position = graph.constant(column.astype(np.int64), "unit_column")
    selection = graph.node("OneHot", [position, graph.constant(np.array(n_values)), onoff], axis=0)
    selection = graph.node("Mul", [selection, graph.float32(scale, "unit_scale")])
    units = graph.node("Gemm", [values, selection, graph.float32(bias, "unit_bias")])
    return graph.node("Clip", [units, graph.constant(np.float32(0)), graph.constant(np.float32(1))], hint="units")


def _means(graph: Graph, rows: str, means: list[np.ndarray]) -> list[str]:
    """The mean soft targets of the rows, float32 (n, columns * k)."""
    table = np.vstack([distinct_means(own)[0] for own in means])
    if table.shape[1] == 1:
        return [graph.node("Gather", [graph.float32(table[:, 0], "means"), rows], axis=0)]
    looked_up = graph.node("Gather", [graph.float32(table, "means"), rows], axis=0)
    return [graph.node("Reshape", [looked_up, graph.constant(np.array([0, len(means) * table.shape[1]]))])]


def _one_hot(graph: Graph, rows: str, width: int) -> str:
    """Ones at the positions in `rows` (n, j), float32 of shape (n, width): faster than adding rows of weights."""
    from onnx.helper import make_tensor

    one = make_tensor("one", TensorType.FLOAT, [1], [1.0])
    zeros, ones = graph.zeros(rows, width), graph.node("ConstantOfShape", [graph.node("Shape", [rows])], value=one)
    return graph.node("ScatterElements", [zeros, rows, ones], axis=1)
