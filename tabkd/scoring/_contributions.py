"""Contributions of columns to scores, in the form that `shap.plots` takes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from tabkd._tables.containers import is_pandas, is_polars
from tabkd._tables.levels import Dictionary
from tabkd.scoring._arrow_columns import is_arrow
from tabkd.scoring._rows import Rows


class Contributions:
    """How much each column contributes to the scores of rows, with the attributes of `shap.Explanation`.

    Parameters
    ----------
    values : array of shape (n, d) or (n, d, K)
        The contributions; K scores for more than two classes or several targets.
    base_values : array of shape (n,) or (n, K)
        The baseline: the sum of a row's contributions and its base value is its score.
    data : array of shape (n, d)
        The values of the columns.
    feature_names : list of str
        The names of the columns.
    output_names : list of str, optional
        The names of the scores.
    """

    def __init__(
        self,
        values: np.ndarray,
        base_values: np.ndarray,
        data: np.ndarray,
        feature_names: list[str],
        output_names: list[str] | None = None,
    ):
        self.values, self.base_values, self.data = values, base_values, data
        self.feature_names, self.output_names = feature_names, output_names

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"<Contributions: values {self.values.shape}, base_values {self.base_values.shape}>"


def as_explanation(
    values: np.ndarray,
    baseline: np.ndarray,
    data: np.ndarray,
    feature_names: list[str],
    output_names: list[str] | None = None,
) -> Any:
    """Contributions (n, M, d) with their baseline (M,): a `shap.Explanation` if shap is imported, otherwise an
    equivalent.

    shap's plots refuse objects of any other class. shap is not imported here, because few users have it.
    """
    found = np.moveaxis(values, 1, 2)
    base_values = np.tile(baseline, (len(values), 1))
    if len(baseline) == 1:
        found, base_values, output_names = found[:, :, 0], base_values[:, 0], None
    shap = sys.modules.get("shap")
    if shap is None:
        return Contributions(found, base_values, data, feature_names, output_names)
    return shap.Explanation(
        found, base_values=base_values, data=data, feature_names=feature_names, output_names=output_names
    )


def plain_values(table: Any) -> np.ndarray:
    """The values of a frame, an Arrow table, an array or `Rows`, of shape (n, d)."""
    if is_pandas(table) or is_polars(table):
        return table.to_numpy()
    if isinstance(table, Rows):
        return _side_by_side([_plain(array) for array in table.arrays])
    if is_arrow(table):
        return _side_by_side([np.array(column.to_pylist(), dtype=object) for column in table.columns])
    return np.asarray(table)


def _plain(array: np.ndarray | Dictionary) -> np.ndarray:
    if not isinstance(array, Dictionary):
        return array
    return np.array([None if code < 0 else array.values[code] for code in array.codes], dtype=object)


def _side_by_side(columns: Sequence[np.ndarray]) -> np.ndarray:
    out = np.empty((len(columns[0]), len(columns)), dtype=np.result_type(*columns))
    for i, column in enumerate(columns):
        out[:, i] = column
    return out
