"""Drift by segment: the counts of drift for each level of a column of the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tabkd.batch._drift import Drift
from tabkd.scoring._arrow_columns import decoded

#: The most levels that have a separate entry; all others share one.
MOST_SEGMENTS = 20
#: The names of the rest, and of the rows without a value.
REST, MISSING = "all others", "missing"
# Most levels that are counted before it is known which ones are frequent in all rows.
_MOST_COUNTED = 100

#: For each segment column, and each of its levels: the number of rows, followed by the counts of `Drift`.
SegmentCounts = dict[str, dict[str, np.ndarray]]


def levels_of(values: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """The levels of some rows as text, in the order in which they appear, and the position of each row's level."""
    encoded = decoded(values).combine_chunks().dictionary_encode()
    names = [*map(_spelt, encoded.dictionary.to_pylist()), MISSING]
    indices = encoded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
    place: dict[str, int] = {}
    positions = np.zeros(len(names), np.int64)
    for k in np.unique(indices).tolist():  # NaN and null are one level
        positions[k] = place.setdefault(names[k], len(place))
    return list(place), positions[indices]


def segment_counts(
    drift: Drift, columns: Sequence[str], table: pa.Table, X: pa.Table, scores: Mapping[str, pa.Array]
) -> SegmentCounts:
    """The counts of a batch by segment.

    Parameters
    ----------
    drift : Drift
        What counts.
    columns : sequence of str
        The segment columns.
    table : pyarrow.Table
        The rows with these columns.
    X : pyarrow.Table
        The columns of the model for these rows.
    scores : mapping of str to pyarrow.Array
        Their scores.
    """
    found: SegmentCounts = {}
    for column in columns:
        names, codes = levels_of(table.column(column))
        found[column] = {}
        # Only some levels of an id, which has one for each row, are counted separately.
        frequent = np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")[:_MOST_COUNTED]
        groups = {names[k]: codes == k for k in np.sort(frequent).tolist()}
        if len(names) > len(frequent):
            groups[REST] = ~np.isin(codes, frequent)
        for name, rows in groups.items():
            mine = pa.array(np.flatnonzero(rows))
            counts = drift.counts(X.take(mine), {key: values.take(mine) for key, values in scores.items()})
            found[column][name] = np.concatenate([[len(mine)], counts])
    return found


def together(one: SegmentCounts, other: SegmentCounts) -> SegmentCounts:
    """The sums of two counts; levels beyond a hundred are counted together."""
    total = {column: dict(levels) for column, levels in one.items()}
    for column, levels in other.items():
        mine = total.setdefault(column, {})
        for name, counts in levels.items():
            place = name if name in mine or len(mine) < _MOST_COUNTED else REST
            mine[place] = mine.get(place, 0) + counts
    return total


def segment_summary(drift: Drift, counts: SegmentCounts) -> dict[str, list[dict[str, Any]]]:
    """For each segment column its most frequent levels and the rest, each with its rows and its `Drift.summary`."""
    return {column: _levels(drift, levels) for column, levels in counts.items()}


def _levels(drift: Drift, counts: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    order = sorted((name for name in counts if name != REST), key=lambda name: -counts[name][0])
    told = {name: counts[name] for name in order[:MOST_SEGMENTS]}
    if rest := [counts[name] for name in (*order[MOST_SEGMENTS:], REST) if name in counts]:
        told[REST] = np.sum(rest, axis=0)
    return [{"level": name, "rows": int(of[0]), **drift.summary(of[1:], int(of[0]))} for name, of in told.items()]


def _spelt(value: Any) -> str:
    if value is None or value != value:
        return MISSING
    return f"{value:.15g}" if isinstance(value, float) else str(value)
