"""One column of a table: its kind, its categories, and its sign for a missing value."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Kind = Literal["numeric", "categorical"]

#: How ONNX Runtime spells NaN, None and pandas.NA when it is handed an array of objects as strings.
MISSING_SPELLINGS = ("nan", "None", "<NA>")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str or int
        The name as the user wrote it; for arrays, the position.
    kind : {"numeric", "categorical"}
        Whether the values are numbers or categories.
    dtype : object
        The dtype of the user's column, which `TableSchema.decode` restores.
    integer : bool
        Whether the values are whole numbers by dtype.
    boolean : bool
        Whether the values are True and False, which a column of any dtype may hold.
    missing : object
        The user's sign for a missing value in a column of objects: None, NaN or pandas.NA.
    categories : tuple
        The categories in the order of their codes; empty for numeric columns.
    low, high : float
        The range of the values seen at fit, or of the codes for a categorical column; NaN if there were none.
    has_missing : bool
        Whether a value was missing at fit.
    """

    name: Any
    kind: Kind
    dtype: Any
    integer: bool = False
    categories: tuple = ()
    low: float = float("nan")
    high: float = float("nan")
    has_missing: bool = False
    boolean: bool = False
    missing: Any = None

    @property
    def numeric_categories(self) -> bool:
        """Whether the categories are numbers, so that a matrix of numbers can carry them."""
        return bool(self.categories) and all(isinstance(c, (numbers.Real, np.bool_)) for c in self.categories)

    @property
    def keys(self) -> list:
        """The categories in the form that ONNX compares: floats, or strings."""
        return list(map(float if self.numeric_categories else str, self.categories))

    @property
    def missing_spellings(self) -> list[str]:
        """The strings that mean a missing value in this column, none of them a category."""
        keys = set(map(str, self.categories))
        free = [spelling for spelling in MISSING_SPELLINGS if spelling not in keys]
        if free:
            return free
        spelling = "<missing>"
        while spelling in keys:
            spelling += "_"
        return [spelling]


def code_with_zeros(categories: Iterable) -> str | None:
    """The first category of digits only that begins with a zero, such as 01234; None if there is none."""
    return next((c for c in categories if isinstance(c, str) and len(c) > 1 and c[0] == "0" and c.isdecimal()), None)


def without_value(codes: np.ndarray, column: Column) -> np.ndarray:
    """Which codes are not a value of the column: missing ones and unseen categories."""
    missing = np.isnan(codes)
    return missing | (codes >= len(column.categories)) if column.kind == "categorical" else missing
