"""Where alerts come and go: the levels and ranges of columns that have more of them than the other alerts do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tabkd._bins import Bins, categories_of, numbers_of
from tabkd._review import Overlap
from tabkd.scoring import ExportedStudent

#: Most places that are named, and fewest alerts of a named place.
MOST_PLACES, LEAST_IN_PLACE = 10, 5
# Standard deviations beyond the chance number of a place: about one place in a thousand has more.
_BEYOND_CHANCE = 3.0


class _Column(NamedTuple):
    """A column with bins.

    Attributes
    ----------
    bins : Bins
        Its bins.
    names : list of str
        What each bin is called; the last one has the missing values.
    is_numeric : bool
        Whether it holds numbers.
    """

    bins: Bins
    names: list[str]
    is_numeric: bool


class Places:
    """The bins that the reference of a model has for its columns: tenths of the training rows, and frequent levels.

    Parameters
    ----------
    exported : ExportedStudent
        The model; columns without a reference have no bins.
    """

    def __init__(self, exported: ExportedStudent):
        metadata = exported.metadata
        given = (metadata.get("reference") or {}).get("columns") or [None] * len(metadata["columns"])
        names = [str(name) for name in exported.feature_names_in_]
        found = [(name, _column(*of)) for name, *of in zip(names, metadata["columns"], given, strict=True)]
        self._columns = {name: column for name, column in found if column is not None}

    def of(self, table: pa.Table) -> np.ndarray:
        """The bin of each row in each column, uint8 of shape (n, d).

        Parameters
        ----------
        table : pyarrow.Table
            With the columns of the model.
        """
        out = np.empty((table.num_rows, len(self._columns)), np.uint8)
        for j, (name, column) in enumerate(self._columns.items()):
            out[:, j] = _binned(table.column(name), column)
        return out

    def most(self, bins: np.ndarray, alerts: Overlap) -> list[dict[str, Any]]:
        """The places where alerts come or go most, compared with all alerts of either model.

        Parameters
        ----------
        bins : ndarray of shape (n, d)
            From `of`, for the rows that alert.
        alerts : Overlap
            How much of each of these rows stays, comes and goes.

        Returns
        -------
        list of dict
            ``column``, ``values``, ``direction`` ("come" or "go"), ``rows`` that do so there, ``alerts`` of either
            model there, and ``lift``: how many times as often they do so there as overall. At most ten, those farthest
            beyond chance first.
        """
        every = alerts.same + alerts.come + alerts.go
        found: list[tuple[float, dict[str, Any]]] = []
        for j, (name, of_column) in enumerate(self._columns.items()):
            size = len(of_column.names)
            there = np.bincount(bins[:, j], every, minlength=size)
            for direction in ("come", "go"):
                moving = np.bincount(bins[:, j], getattr(alerts, direction), minlength=size)
                for k, (beyond, lift) in enumerate(zip(*over_represented(moving, there), strict=True)):
                    if beyond > _BEYOND_CHANCE and moving[k] >= LEAST_IN_PLACE:
                        where = {"column": name, "values": of_column.names[k], "direction": direction}
                        numbers = {"rows": float(moving[k]), "alerts": float(there[k]), "lift": float(lift)}
                        found.append((float(beyond), {**where, **numbers}))
        found.sort(key=lambda entry: -entry[0])
        return [place for _, place in found[:MOST_PLACES]]


def over_represented(moving: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each place is beyond chance, in standard deviations of a hypergeometric draw, and its lift."""
    n, share = there.sum(), moving.sum() / max(there.sum(), 1)
    expected = there * share
    variance = expected * (1 - share) * (n - there) / max(n - 1, 1)
    beyond = np.divide(moving - expected, np.sqrt(variance), out=np.zeros(len(there)), where=variance > 1e-12)
    return beyond, np.divide(moving, expected, out=np.zeros(len(there)), where=expected > 0)


def _column(column: Mapping[str, Any], part: Mapping[str, Any] | None) -> _Column | None:
    bins = Bins.of(part, column)
    if bins is None or part is None:
        return None
    if "edges" in part:
        is_switch = column["boolean"] and len(part["edges"]) == 1
        return _Column(bins, [*(["false", "true"] if is_switch else _ranges(part["edges"])), "missing"], True)
    levels = [str(column["categories"][level]) for level in part["levels"]]
    return _Column(bins, [*levels, "other", "missing"], False)


def _ranges(edges: Sequence[float]) -> list[str]:
    """What the bins between edges are called."""
    if not len(edges):
        return ["any"]
    inner = [f"{low:.6g} to {high:.6g}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]:.6g}", *inner, f"over {edges[-1]:.6g}"]


def _binned(values: pa.ChunkedArray, column: _Column) -> np.ndarray:
    if column.is_numeric:
        return column.bins.of_numbers(numbers_of(values))
    names, positions = categories_of(values)
    places = column.bins.of_categories([*names, None])
    return places[positions.fill_null(len(names)).to_numpy(zero_copy_only=False)]
