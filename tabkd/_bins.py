"""The bins of a column, as the reference of a model has them: ranges of numbers, or the most frequent categories.

Drift, comparisons and reports count and place rows by these bins.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tabkd._reference import counts_above


class Bins:
    """The bins of the present values of a column, numbered from 0; missing values have the number after the last one.

    Parameters
    ----------
    edges : sequence of float, optional
        Between ranges of numbers, each with its upper end; None for categories.
    levels : sequence, optional
        The categories with a separate bin, in this order; all others share one.
    missing : iterable, optional
        Categories that mean a missing value, in addition to None.
    """

    def __init__(
        self,
        edges: Sequence[float] | None = None,
        levels: Sequence[Hashable] = (),
        missing: Iterable[Hashable] = (),
    ):
        self.edges = None if edges is None else np.asarray(edges, np.float64)
        self._of_level = {level: k for k, level in enumerate(levels)}
        self._missing = {None, *missing}
        #: The number of bins, which is also the place of missing values.
        self.n = len(levels) + 1 if edges is None else len(edges) + 1

    @classmethod
    def of(cls, part: Mapping[str, Any] | None, column: Mapping[str, Any]) -> Bins | None:
        """The bins of a model's column; None if it has none, or if its levels have no names.

        Parameters
        ----------
        part : mapping or None
            The reference's entry for the column.
        column : mapping
            The column in the metadata of the model.
        """
        if part is None:
            return None
        if "edges" in part:
            return cls(part["edges"])
        if "categories" not in column:
            return None
        return cls(None, [spelt(column["categories"][k]) for k in part["levels"]], missing_names(column))

    def of_numbers(self, values: np.ndarray) -> np.ndarray:
        """The place of each number, int64 of shape (n,); NaN is missing."""
        return np.where(np.isnan(values), self.n, np.searchsorted(self._edges(), values))

    def counts_of_numbers(self, values: np.ndarray, n_missing: int) -> np.ndarray:
        """The number of values in each bin, int64 of shape (b,); `n_missing` of the values are NaN."""
        return counts_above(values, n_missing, self._edges().tolist())

    def of_categories(self, names: Iterable[Hashable]) -> np.ndarray:
        """The place of each category, int64 of shape (n,)."""
        others = self.n - 1
        places = [self.n if name in self._missing else self._of_level.get(name, others) for name in names]
        return np.array(places, np.int64)

    def counts_of_categories(self, names: Iterable[Hashable], times: np.ndarray) -> np.ndarray:
        """The number of rows in each bin, int64 of shape (b,), where each category occurs so many times."""
        return np.bincount(self.of_categories(names), times, minlength=self.n + 1)[: self.n].astype(np.int64)

    def _edges(self) -> np.ndarray:
        return np.empty(0) if self.edges is None else self.edges


def spelt(category: Any) -> str | None:
    """A category as text, with one spelling for equal numbers of all types; None stays None."""
    if category is None:
        return None
    return str(float(category)) if isinstance(category, (int, float)) else str(category)


def missing_names(column: Mapping[str, Any]) -> set[str | None]:
    """The categories that mean a missing value in a column of a model."""
    return set(map(spelt, ["nan"] if column["missing"] is None else column["missing"]))


def numbers_of(values: pa.ChunkedArray) -> np.ndarray:
    """A column of numbers or booleans as float32 or float64, with NaN for a missing value.

    Raises
    ------
    pyarrow.ArrowException
        If its type is not that of numbers.
    """
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.uint8())
    if not pa.types.is_float32(values.type):  # float16, and large integers next to floats, cannot be compared
        values = values.cast(pa.float64(), safe=False)
    return values.to_numpy()


def categories_of(values: pa.ChunkedArray) -> tuple[list[str | None], pa.Array]:
    """The categories of a column, spelt, and the position of each row's category; null where it has none."""
    encoded = values.combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    return list(map(spelt, encoded.dictionary.to_pylist())), encoded.indices
