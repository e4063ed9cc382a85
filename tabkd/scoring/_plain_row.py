"""One row from a dict, without a table, which would take longer to read than the row to score."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tabkd._tables.levels import Places, UnusualError

_NUMBERS = frozenset({float, int, bool, np.float64, np.float32, np.int64})
_NUMBERS_OR_NONE = _NUMBERS | {type(None)}
_SINGLE = frozenset({str, float, int, bool, type(None)})


class LookUp(NamedTuple):
    """How the row of a categorical column's value is found: the place of its category, then the row of that place."""

    name: Any
    places: Places
    row_of: list[int]


class PlainRow:
    """Read dicts whose values have the usual types.

    Parameters
    ----------
    numbers : sequence
        The names of the numeric columns that the graph takes.
    look_ups : sequence of LookUp
        The categorical columns that the graph takes.
    unused_numbers, unused_categories : sequence
        The names of the other columns, whose values are checked.
    exact : bool
        Whether the numbers are wanted in float64, and not in float32.
    """

    def __init__(
        self,
        numbers: Sequence,
        look_ups: Sequence[LookUp],
        unused_numbers: Sequence,
        unused_categories: Sequence,
        exact: bool,
    ):
        self._width, self._numbers = len(numbers), [*numbers, *unused_numbers]
        self._look_ups, self._unused_categories = look_ups, unused_categories
        # With "=", numbers beyond the range of float32 are an error, and not infinite.
        self._packed_numbers = struct.Struct(f"={len(self._numbers)}{'d' if exact else 'f'}")
        self._packed_rows = struct.Struct(f"={len(look_ups)}q")
        self._dtype = np.dtype(np.float64 if exact else np.float32)

    def __call__(self, row: dict) -> tuple[np.ndarray, np.ndarray] | None:
        """The numbers and the rows of the categories, of shapes (1, m) and (1, j).

        None for a dict that has to be read with care, because a name is missing, a type is unusual, or a number may be
        too large; `read_rows` reads such a dict, or reports what is wrong with it.
        """
        try:
            numbers = [row[name] for name in self._numbers]
            rows = [row_of[places[row[name]]] for name, places, row_of in self._look_ups]
            unused = [row[name] for name in self._unused_categories]
        except (KeyError, TypeError, UnusualError):  # TypeError for a value without a hash
            return None
        if not _NUMBERS.issuperset(map(type, numbers)):
            if not _NUMBERS_OR_NONE.issuperset(map(type, numbers)):
                return None
            numbers = [math.nan if value is None else value for value in numbers]
        if not _SINGLE.issuperset(map(type, unused)):
            return None
        try:
            packed = self._packed_numbers.pack(*numbers)
        except (OverflowError, struct.error):
            return None
        values = np.frombuffer(packed, self._dtype)
        if len(values) > self._width and np.isinf(values[self._width :]).any():
            return None
        return values[None, : self._width], np.frombuffer(self._packed_rows.pack(*rows), np.int64)[None]
