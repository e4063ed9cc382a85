"""Columns that a model would read in an unexpected way: an index, or numbers and dates stored as text."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd

from tabkd._tables.column import Column
from tabkd._tables.lookalikes import look
from tabkd._tables.schema import TableSchema

#: The name that pandas and others give to a column without one, such as an index that was written to a CSV.
NO_NAME = re.compile(r"\s*|Unnamed: \d+(\.\d+)?")

_REMEDIES = {
    "numbers": 'pd.to_numeric(X[{name!r}], errors="coerce") makes it numbers, with missing values for the rest',
    "spelt numbers": "remove what no number needs, for example X[{name!r}].str.replace(...), then use pd.to_numeric",
    "dates": "pd.to_datetime(X[{name!r}]) gives dates, whose .dt.dayofweek, .dt.hour and the like are numbers",
    "times": "pd.to_timedelta(X[{name!r}]).dt.total_seconds() makes it numbers",
}
_WHAT = {"numbers": "numbers", "spelt numbers": "numbers", "dates": "dates", "times": "times of day"}


class SurpriseWarning(UserWarning):
    """A column is read in an unexpected way."""


def warn_of_surprises(schema: TableSchema, codes: np.ndarray) -> None:
    """Warn of each column that is an index without a name, or text that looks like something else.

    Parameters
    ----------
    schema : TableSchema
        The columns of the table.
    codes : array of shape (n, d)
        The codes of the table.
    """
    for column, values in zip(schema.columns, codes.T, strict=True):
        text = _of_index(column, values) or _of_text(column, values)
        if text:
            warnings.warn(text, SurpriseWarning, stacklevel=4)


def _of_index(column: Column, values: np.ndarray) -> str | None:
    unnamed = isinstance(column.name, str) and NO_NAME.fullmatch(column.name)
    if not unnamed or column.kind != "numeric" or column.boolean or len(values) < 2:
        return None
    if np.isnan(values).any() or (values % 1).any() or len(np.unique(values)) < len(values):
        return None
    return (
        f"Column {column.name!r} has no name and a different whole number in each row, like an index in a CSV. "
        f"A model may learn the order of the rows from it; use X.drop(columns={column.name!r}), or "
        "pd.read_csv(..., index_col=0)."
    )


def _of_text(column: Column, values: np.ndarray) -> str | None:
    # A column that the user made a category is intended.
    if column.kind != "categorical" or _is_category(column.dtype) or not len(column.categories):
        return None
    codes = values[~np.isnan(values)].astype(np.int64)
    counts = np.bincount(codes, minlength=len(column.categories))[: len(column.categories)]
    found = look(column.categories, counts)
    if found is None or not found.misleads:
        return None
    row = int(np.argmax(np.isin(values, np.flatnonzero(found.telling))))
    value = column.categories[int(values[row])]
    remedy = _REMEDIES[found.kind].format(name=column.name)
    return (
        f"Column {column.name!r} is text, a category of {len(column.categories):,} levels, but {found.n_like:,} of its "
        f"{found.n_cells:,} values look like {_WHAT[found.kind]} (row {row:,} has {value!r:.60}). "
        f'{remedy}; X[{column.name!r}].astype("category") confirms that it is a category.'
    )


def _is_category(dtype: object) -> bool:
    return isinstance(dtype, pd.CategoricalDtype) or str(dtype).startswith(("Categorical", "Enum"))
