"""The levels of a column that rows are grouped by."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tabkd._options import option
from tabkd.batch._segments import MOST_SEGMENTS, REST, levels_of

# Most levels that are counted: with more, the column is an id and not a segment.
_MOST_LEVELS = 10_000


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
        names, positions = levels_of(values)
        codes = [self._codes.setdefault(name, len(self._codes)) for name in names]
        if len(self._codes) > _MOST_LEVELS:
            raise ValueError(
                f"{option('segment', self.column)} has more than {_MOST_LEVELS:,} values; choose a column that groups "
                "rows, or one of ranges."
            )
        self._of_rows.append(np.array(codes, np.int16)[positions])

    def found(self) -> tuple[list[str], np.ndarray]:
        """The names of the most frequent levels and of the rest, and the level of each row."""
        codes = np.concatenate(self._of_rows)
        times = np.bincount(codes, minlength=len(self._codes))
        order = np.argsort(-times, kind="stable")
        places = np.full(len(times), MOST_SEGMENTS)
        places[order[:MOST_SEGMENTS]] = np.arange(min(MOST_SEGMENTS, len(times)))
        names = list(self._codes)
        told = [names[k] for k in order[:MOST_SEGMENTS]]
        return told + ([REST] if len(times) > MOST_SEGMENTS else []), places[codes]
