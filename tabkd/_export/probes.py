"""Rows to verify a model with: real ones, and ones with missing values, out of range, or next to a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tabkd._tables.column import Column
from tabkd._tables.schema import TableSchema
from tabkd.students import Edges
from tabkd.teachers._classes import plain

# Most rows with a value next to a threshold; and the farthest value outside a column's range, in units of the range.
_EDGE_ROWS = 3000
_FAR = (0.5, 1e3)
# Largest number of columns that an error shows.
_SHOWN = 40


def probe_codes(model: Any) -> np.ndarray:
    """The codes, shape (n, d), of the rows to verify a distilled estimator with.

    A student of another library is only given rows that it was fitted on.
    """
    rng = np.random.default_rng(0)
    schema, base = model.schema_, model._probe_codes
    if not model._student.answers_any_row:
        return base
    parts = [base, _missing(base, rng), _unseen(schema, base), _out_of_range(schema, base)]
    parts.append(_beside_edges(model._student.edges(), base, rng))
    return np.vstack(parts)


def frame_of(schema: TableSchema, codes: np.ndarray) -> pd.DataFrame:
    """A frame with these codes, in float64 and object columns: they hold values that the user's dtypes could not."""
    frame = pd.DataFrame({i: _column(codes[:, i], column) for i, column in enumerate(schema.columns)})
    frame.columns = pd.Index(schema.names)
    return frame


def row_text(schema: TableSchema, frame: pd.DataFrame, row: int) -> str:
    """A row, as errors show it."""
    values = [f"{name}={value!r}" for name, value in zip(schema.titles, plain(frame.iloc[row]), strict=True)]
    if len(values) > _SHOWN:
        values = [*values[:_SHOWN], f"… {len(values) - _SHOWN} more columns"]
    return ", ".join(values)


def unseen_category(column: Column) -> float | str:
    """A value that is not a category, and is exact in float32 if it is a number."""
    if column.numeric_categories:
        return float(np.ceil(max(column.keys) + 1)) if max(column.keys) < 2**24 else -1234567.0
    unseen = "unseen"
    while unseen in column.keys or unseen in column.missing_spellings:
        unseen += "_"
    return unseen


def _column(codes: np.ndarray, column: Column) -> pd.Series:
    if column.kind == "numeric":
        return pd.Series(codes)
    values = np.array([*column.keys, unseen_category(column), None], dtype=object)
    n = len(column.keys)
    found = values[np.where(np.isnan(codes), n + 1, codes).astype(np.int64)]
    if column.numeric_categories:
        return pd.Series(found.astype(np.float64))
    return pd.Series(found, dtype=object)


def _missing(base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The rows with a fifth of their values missing; for each column a row without its value; and a row without any."""
    some = np.where(rng.random(base.shape) < 0.2, np.nan, base)
    one = base[np.arange(base.shape[1]) % len(base)]
    np.fill_diagonal(one, np.nan)
    return np.vstack([some, one, np.full((1, base.shape[1]), np.nan)])


def _unseen(schema: TableSchema, base: np.ndarray) -> np.ndarray:
    """A row for each categorical column with an unseen category there, and a row of unseen categories only."""
    positions = schema.positions("categorical")
    rows = base[np.arange(len(positions) + 1) % len(base)]
    for k, i in enumerate(positions):
        rows[k, i] = rows[-1, i] = len(schema.columns[i].categories)
    return rows


def _out_of_range(schema: TableSchema, base: np.ndarray) -> np.ndarray:
    """A row for each numeric column and each of several values: its bounds, zero, and values outside its range."""
    rows = []
    for i in schema.positions("numeric"):
        low, high = np.nan_to_num([schema.columns[i].low, schema.columns[i].high])
        width = max(high - low, abs(high), 1.0)
        values = [low, high, 0.0, -1e30, 1e30, 1e300]
        values += [low - far * width for far in _FAR] + [high + far * width for far in _FAR]
        made = base[np.arange(len(values)) % len(base)]
        made[:, i] = values
        rows.append(made)
    return np.vstack([base[:1], *rows])


def _beside_edges(found: list[Edges], base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows with one value at a threshold or knot, or at one of the neighbouring float32 numbers."""
    places = [(i, edge + center) for i, center, edges in found for edge in beside(edges)]
    if not places:
        return base[:0]
    chosen = rng.permutation(len(places))[:_EDGE_ROWS]
    rows = base[rng.integers(len(base), size=len(chosen))]
    for row, place in zip(rows, chosen, strict=True):
        position, value = places[place]
        row[position] = value
    return rows


def beside(edges: np.ndarray) -> np.ndarray:
    """Edges in float32, and the numbers below and above each."""
    nearest = np.asarray(edges).astype(np.float32)
    sides = [np.nextafter(nearest, np.float32(side)) for side in (-np.inf, np.inf)]
    return np.concatenate([nearest, *sides]).astype(np.float64)
