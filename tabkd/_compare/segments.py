"""The levels of a column that rows are grouped by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from tabkd._options import option
from tabkd.scoring._arrow_columns import decoded

#: Most levels that are told apart; the rest is one level.
MOST_SEGMENTS = 20
# Most levels that are counted: more are an id and no segment.
_MOST_LEVELS = 10_000
_REST, _MISSING = "all others", "missing"


class Levels:
    """The levels of a column, numbered in the order in which they appear.

    Parameters
    ----------
    column : str
        The name of the column.
    """

    def __init__(self, column: str):
        self.column = column
        self._codes: dict[str, int] = {}
        self._of_rows: list[np.ndarray] = []

    def add(self, values: pa.ChunkedArray) -> None:
        """Note the levels of some rows.

        Raises
        ------
        ValueError
            If the column has too many levels.
        """
        encoded = decoded(values).combine_chunks().dictionary_encode()
        names = [*map(_spelt, encoded.dictionary.to_pylist()), _MISSING]
        indices = encoded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
        codes = np.zeros(len(names), np.int16)
        for k in np.unique(indices).tolist():
            codes[k] = self._codes.setdefault(names[k], min(len(self._codes), _MOST_LEVELS))
        if len(self._codes) > _MOST_LEVELS:
            raise ValueError(
                f"{option('segment', self.column)} has more than {_MOST_LEVELS:,} values; choose a column that groups "
                "rows, or one of ranges."
            )
        self._of_rows.append(codes[indices])

    def found(self) -> tuple[list[str], np.ndarray]:
        """The names of the most frequent levels and of the rest, and the level of each row."""
        if not self._codes:
            return [], np.empty(0, np.int64)
        codes = np.concatenate(self._of_rows)
        times = np.bincount(codes, minlength=len(self._codes))
        order = np.argsort(-times, kind="stable")
        places = np.full(len(times), MOST_SEGMENTS)
        places[order[:MOST_SEGMENTS]] = np.arange(min(MOST_SEGMENTS, len(times)))
        names = list(self._codes)
        told = [names[k] for k in order[:MOST_SEGMENTS]]
        return told + ([_REST] if len(times) > MOST_SEGMENTS else []), places[codes]


def _spelt(value: Any) -> str:
    if value is None or value != value:
        return _MISSING
    return f"{value:.15g}" if isinstance(value, float) else str(value)
