"""Numeric columns, converted to the input of an exported model's graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tabkd._tables.values import check_finite

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

_LARGEST = float(np.finfo(np.float32).max)


class Numbers:
    """Convert blocks of numeric columns for the graph; a block fits into the processor's cache, a table does not.

    Parameters
    ----------
    names : list
        The names of the columns of a block.
    positions : list of int, optional
        The columns that the graph takes; None for all.
    centers : array of shape (m,), optional
        The number that is subtracted from each of these columns in float64.
    filled : dict, optional
        "fill": the number that replaces a missing one in each of these columns; "indicators": the columns with an
        indicator of missing values. None leaves missing numbers to the graph.
    dtype : dtype, default=float32
        The type of the graph's input.
    """

    def __init__(
        self,
        names: list,
        positions: list[int] | None = None,
        centers: np.ndarray | None = None,
        filled: dict | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._names, self._positions, self._centers, self._dtype = names, positions, centers, dtype
        self._fill = None if filled is None else np.array(filled["fill"], np.float32)
        self._indicators = filled["indicators"] if filled else []

    def __call__(self, block: np.ndarray, first_row: int = 0) -> np.ndarray:
        """The numbers of the rows of `block`; numbers beyond the range of float32 are clipped to it.

        Raises
        ------
        ValueError
            For infinite values, with the name of the column and the row, counted from `first_row`.
        """
        values = self._as_floats(block)
        if self._positions is not None:  # the others are looked at here
            check_finite(block, self._names, first_row)
        # Finite unless a number is infinite, missing or very large: one pass, and no array in between.
        if math.isfinite(np.vdot(values, values)):
            if not self._indicators:
                return values
            return np.concatenate([values, np.zeros((len(values), len(self._indicators)), np.float32)], axis=1)
        if np.isinf(values).any():
            check_finite(block, self._names, first_row)
            values = np.clip(values, -_LARGEST, _LARGEST)
        if self._fill is None:
            return values
        missing = np.isnan(values)
        filled = np.where(missing, self._fill, values)
        if not self._indicators:
            return filled
        return np.concatenate([filled, missing[:, self._indicators].astype(np.float32)], axis=1)

    def _as_floats(self, block: np.ndarray) -> np.ndarray:
        if block.dtype == self._dtype and self._positions is None and self._centers is None:
            return np.ascontiguousarray(block)
        values = block if self._positions is None else block[:, self._positions]
        with np.errstate(over="ignore", invalid="ignore"):
            if self._centers is not None:
                values = values - self._centers
            return np.ascontiguousarray(values, self._dtype)
