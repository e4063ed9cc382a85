"""The table as a tree reads it: float32 columns, with the levels of a categorical column in order of their mean target.

For one target this order gives the best binary split of a categorical column (Breiman, Friedman, Olshen, Stone,
"Classification and Regression Trees", 1984, sec. 4.2). For several targets it is the order along their first principal
component.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA

from tabkd._tables.schema import TableSchema
from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Front, Inputs
from tabkd.onnx._trees import Nodes, thresholds
from tabkd.students._encoding.float32 import centers, check_range, to_float32
from tabkd.students._encoding.level_means import level_means, level_positions
from tabkd.students._soft_rows import SoftRows
from tabkd.students._student_graph import Edges


class OrdinalTable:
    """Converts codes to float32 columns for trees.

    Parameters
    ----------
    schema : TableSchema
        The columns of the table.
    rows : SoftRows
        The rows from which centres, fills and ranks are learnt.

    Attributes
    ----------
    center_ : ndarray of shape (d,)
        The number that is subtracted from each column in float64, see `tabkd.students._encoding.float32`; zero for
        categorical columns.
    fill_ : ndarray of shape (d,), float32
        The replacement of a missing number: NaN if the column had missing values at fit, otherwise its median.
    ranks_ : dict of int to ndarray of shape (n_categories + 2,), float32
        For each categorical column the value of each category, then of an unseen one, then of a missing one.
    """

    def __init__(self, schema: TableSchema, rows: SoftRows) -> None:
        check_range(schema)
        numeric = schema.positions("numeric")
        self.center_ = np.zeros(len(schema.columns))
        self.center_[numeric] = centers(rows.codes[:, numeric])
        self.fill_ = np.full(len(schema.columns), np.nan, np.float32)
        self.ranks_: dict[int, np.ndarray] = {}
        for i, column in enumerate(schema.columns):
            if column.kind == "categorical":
                self.ranks_[i] = _ranks(rows, i, len(column.categories))
                continue
            values = rows.codes[:, i]
            missing = np.isnan(values)
            if missing.all():
                self.fill_[i] = 0
            elif not missing.any():
                self.fill_[i] = to_float32(np.median(values), self.center_[i])

    def transform_codes(self, codes: np.ndarray) -> np.ndarray:
        """The columns, float32 of shape (n, d); NaN only in numeric columns with missing values at fit."""
        out = to_float32(codes, self.center_)
        missing = np.isnan(out)
        if missing.any():
            out = np.where(missing, self.fill_, out)
        for i, ranks in self.ranks_.items():
            out[:, i] = ranks[level_positions(codes[:, i], len(ranks) - 2)]
        return out

    def front(self) -> Front:
        """The parts of the table that are read."""
        numeric = np.array([i for i in range(len(self.center_)) if i not in self.ranks_], dtype=int)
        tables, first = [], 0
        for i, ranks in self.ranks_.items():
            tables.append((int(i), first + np.arange(len(ranks))))
            first += len(ranks)
        return Front(numeric, self.center_[numeric], tables)

    def edges(self) -> list[Edges]:
        """None, because numeric columns are read as they are."""
        return []

    def edges_of(self, trees: Sequence[Nodes]) -> list[Edges]:
        """The thresholds of numeric columns that some trees split this table on."""
        found = thresholds(trees).items()
        return [Edges(i, float(self.center_[i]), values) for i, values in found if i not in self.ranks_]

    def write_onnx(self, graph: Graph, inputs: Inputs) -> str:
        """The result of `transform_codes`, float32 (n, d), before missing numbers are filled: see `Nodes.filled`."""
        front = self.front()
        positions, tables = front.positions, front.tables
        values, rows = inputs.values(positions, front.centers), inputs.rows(tables)
        parts = []
        if values is not None:
            parts.append(values)
        if rows is not None:
            ranks = np.concatenate([self.ranks_[i] for i, _ in tables]).astype(np.float32)
            parts.append(graph.node("Gather", [graph.constant(ranks), rows], axis=0))
        table = graph.concat(parts)
        order = np.argsort([*positions, *(i for i, _ in tables)])
        return table if np.array_equal(order, np.arange(len(order))) else graph.columns(table, order)


def _ranks(rows: SoftRows, i: int, n: int) -> np.ndarray:
    """The rank by mean target of each of the n categories of column i, then of an unseen and of a missing one."""
    codes = rows.codes[:, i]
    means = level_means(codes, n, rows.targets, rows.weights).astype(np.float64)
    line = means[:, 0]
    if means.shape[1] > 1 and np.ptp(means, axis=0).any():
        line = PCA(1).fit_transform(means)[:, 0]
    present = np.zeros(n + 2, dtype=bool)
    present[np.unique(level_positions(codes, n))] = True
    # A level that was never seen has the overall mean, and is ranked by it.
    seen = np.sort(line[present])
    ranks = np.searchsorted(seen, line, side="left").astype(np.float32)
    return np.where(present, ranks, ranks - np.float32(0.5)).astype(np.float32)
