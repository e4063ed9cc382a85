"""Rows of a table that are constants of a graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tabkd.onnx._graph import Graph
from tabkd.students._encoding.float32 import to_float32
from tabkd.students._encoding.level_means import level_positions


class StoredRows:
    """Give an encoder constants instead of the columns from `tabkd.onnx.Inputs`.

    ONNX Runtime encodes them once, when it opens the graph.

    Parameters
    ----------
    graph : Graph
        The graph to write to.
    codes : ndarray of shape (m, d), float64
        The rows, encoded by the schema of the student.
    """

    def __init__(self, graph: Graph, codes: np.ndarray) -> None:
        self._graph, self._codes = graph, codes

    def values(self, positions: np.ndarray, center: ArrayLike) -> str | None:
        """The values of numeric columns, float32 (m, k); None if there are no columns."""
        if not len(positions):
            return None
        return self._graph.constant(to_float32(self._codes[:, positions], np.asarray(center)), "stored_values")

    def rows(self, tables: list[tuple[int, np.ndarray]]) -> str | None:
        """The rows of categories in tables, int64 (m, j); None if there are no tables."""
        if not tables:
            return None
        found = [row_of[level_positions(self._codes[:, i], len(row_of) - 2)] for i, row_of in tables]
        return self._graph.constant(np.stack(found, axis=1).astype(np.int64), "stored_rows")
