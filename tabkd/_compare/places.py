"""Where alerts come and go: the levels and ranges of columns that have more of them than the other alerts do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tabkd._review import Overlap
from tabkd.batch._drift import spelt
from tabkd.scoring import ExportedStudent

#: Most places that are named, and fewest alerts that a place is named for.
MOST_PLACES, LEAST_IN_PLACE = 10, 5
# Standard deviations beyond what chance would put into a place: about one in a thousand places has more.
_BEYOND_CHANCE = 3.0


class _Bins(NamedTuple):
    """The bins of a column.

    Attributes
    ----------
    edges : ndarray
        Between the bins of numbers; empty for categories.
    of_level : dict of str to int
        The bin of each category; empty for numbers.
    names : list of str
        What each bin is called; the last one has the missing values.
    missing : set of str
        Categories that stand for a missing value.
    """

    edges: np.ndarray
    of_level: dict[str | None, int]
    names: list[str]
    missing: set[str | None]


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
        found = [(name, _bins(*of)) for name, *of in zip(names, metadata["columns"], given, strict=True)]
        self._bins = {name: bins for name, bins in found if bins is not None}

    def of(self, table: pa.Table) -> np.ndarray:
        """The bin of each row in each column, uint8 of shape (n, d).

        Parameters
        ----------
        table : pyarrow.Table
            With the columns of the model.
        """
        out = np.empty((table.num_rows, len(self._bins)), np.uint8)
        for j, (name, bins) in enumerate(self._bins.items()):
            out[:, j] = _binned(table.column(name), bins)
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
            model there, and ``lift``: how many times as often they do so there as on the whole. At most ten, those
            farthest beyond chance first.
        """
        every = alerts.same + alerts.come + alerts.go
        found: list[tuple[float, dict[str, Any]]] = []
        for j, (name, of_column) in enumerate(self._bins.items()):
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


def _bins(column: Mapping[str, Any], part: Mapping[str, Any] | None) -> _Bins | None:
    if part is None:
        return None
    if "edges" in part:
        edges = np.array(part["edges"], np.float64)
        is_switch = column["boolean"] and len(edges) == 1
        return _Bins(edges, {}, [*(["false", "true"] if is_switch else _ranges(part["edges"])), "missing"], set())
    if "categories" not in column:
        return None
    levels = [column["categories"][level] for level in part["levels"]]
    missing = set(map(spelt, ["nan"] if column["missing"] is None else column["missing"]))
    of_level = {spelt(level): k for k, level in enumerate(levels)}
    return _Bins(np.empty(0), of_level, [*map(str, levels), "other", "missing"], missing)


def _ranges(edges: Sequence[float]) -> list[str]:
    """What the bins between edges are called."""
    if not len(edges):
        return ["any"]
    inner = [f"{low:.6g} to {high:.6g}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]:.6g}", *inner, f"over {edges[-1]:.6g}"]


def _binned(values: pa.ChunkedArray, bins: _Bins) -> np.ndarray:
    missing = len(bins.names) - 1
    if bins.of_level:
        encoded = values.combine_chunks()
        encoded = encoded if pa.types.is_dictionary(encoded.type) else encoded.dictionary_encode()
        known = [spelt(value) for value in encoded.dictionary.to_pylist()]
        of = [missing if k is None or k in bins.missing else bins.of_level.get(k, missing - 1) for k in known]
        places = np.array([*of, missing], np.uint8)
        return places[encoded.indices.fill_null(len(of)).to_numpy(zero_copy_only=False)]
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.uint8())
    numbers = values.cast(pa.float64(), safe=False).to_numpy()
    return np.where(np.isnan(numbers), missing, np.searchsorted(bins.edges, numbers)).astype(np.uint8)
