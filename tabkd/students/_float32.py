"""Numeric columns in float32, as ONNX Runtime computes, with nothing lost.

Seconds since 1970 differ by less than float32 can tell apart. Such a column is moved to its middle in float64 first;
all others keep their values, so that their graph needs no float64 at all.
"""

from __future__ import annotations

import numpy as np

from tabkd._tables.schema import TableSchema

LARGEST = float(np.finfo(np.float32).max)
# float32 has 24 bits: a column that lies within 64 of its spreads from zero keeps at least 18 of them.
_HARMLESS_RATIO = 64.0


def check_range(schema: TableSchema) -> None:
    """Refuse a table with numbers that float32 does not hold.

    Raises
    ------
    ValueError
    """
    for column in schema.columns:
        largest = max(abs(column.low), abs(column.high))
        if column.kind == "numeric" and largest > LARGEST:
            raise ValueError(
                f"Column {column.name!r} holds numbers of size {largest:g}, but ONNX Runtime computes in float32, "
                f"which ends at {LARGEST:g}. Rescale the column, for example by its logarithm."
            )


def centers(values: np.ndarray) -> np.ndarray:
    """What to subtract from each column of float64 `values` (n, m) before it becomes float32; mostly zero."""
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
    """float32 of `values - center`; a value beyond float32 becomes its largest number."""
    shifted = values - center if center.any() else values
    # In the order of the rows, whatever that of `values`: training takes rows, and picks them at random.
    return np.clip(shifted, -LARGEST, LARGEST).astype(np.float32, order="C")
