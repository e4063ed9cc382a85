"""Numeric columns in float32, in which ONNX Runtime computes, without a loss of information.

float32 cannot distinguish neighbouring seconds since 1970. Such a column is centred in float64 first; all others keep
their values, so that their graph needs no float64.
"""

from __future__ import annotations

import numpy as np

from tabkd._tables.schema import TableSchema

LARGEST = float(np.finfo(np.float32).max)
# float32 has 24 bits: a column whose distance from zero is at most 64 times its spread keeps at least 18 of them.
_HARMLESS_RATIO = 64.0


def check_range(schema: TableSchema) -> None:
    """Refuse a table with numbers beyond the range of float32.

    Raises
    ------
    ValueError
        If a column has such a number; the message names the column.
    """
    for column in schema.columns:
        largest = max(abs(column.low), abs(column.high))
        if column.kind == "numeric" and largest > LARGEST:
            raise ValueError(
                f"Column {column.name!r} holds numbers of size {largest:g}, but ONNX Runtime computes in float32, "
                f"whose largest number is {LARGEST:g}. Rescale the column, for example by its logarithm."
            )


def centers(values: np.ndarray) -> np.ndarray:
    """The number to subtract from each column of float64 `values` (n, m) before it becomes float32; mostly zero."""
    out = np.zeros(values.shape[1])
    for i in range(values.shape[1]):
        column = values[:, i]
        column = column[~np.isnan(column)]
        if len(column) == 0 or np.array_equal(column, column.astype(np.float32)):
            continue
        low, middle, high = np.quantile(column, [0.05, 0.5, 0.95])
        spread = (high - low) or (column.max() - column.min())
        if np.abs(column).max() > _HARMLESS_RATIO * spread:
            out[i] = middle
    return out


def to_float32(values: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Read numeric columns as `tabkd.onnx.Inputs.values` does in a graph: centred, and clipped to the range of float32.

    Parameters
    ----------
    values : ndarray of shape (n, m), float64
        Numeric columns of codes; NaN is missing and stays so.
    center : ndarray of shape (m,)
        The number that is subtracted from each, in float64.

    Returns
    -------
    ndarray of shape (n, m), float32
        The same numbers as in the graph.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.students import to_float32
    >>> to_float32(np.array([[1e9 + 0.5, np.nan]]), np.array([1e9, 0.0])).tolist()
    [[0.5, nan]]
    """
    shifted = values - center if center.any() else values
    # In row order, even if `values` has another order: training selects random rows.
    return np.clip(shifted, -LARGEST, LARGEST).astype(np.float32, order="C")
