"""Drift: counts of a job's rows, and how far they are from the model's training rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from tabkd import _reference as drift
from tabkd._bins import Bins, categories_of, missing_names, numbers_of, spelt
from tabkd.scoring import ExportedStudent

#: Largest difference of a column's shares from those of the training rows, and largest stability index of a column or
#: of the scores, without a warning.
SHARE_LIMIT, INDEX_LIMIT = 0.05, 0.25
_STRANGE = {"unseen": "a category unknown in training", "out_of_range": "a number out of the range in training"}
# The count of a type that cannot be compared: a sum with it is negative for any number of rows.
_NOT_KNOWN = -(2**40)
# A median is estimated from at least this many bins, and with at most this share of values out of range.
_BINS_OF_MEDIAN, _KNOWN_RANGE = 5, 0.1
# With fewer rows there are no warnings: the index could be large by chance.
_LEAST_ROWS = 500


class Drift:
    """Counts missing and strange values in each column of a model, and rows in bins of columns and scores.

    Strange values are categories that the training rows did not have, and numbers outside their range. The counts of a
    batch are one array, int64 of shape (2 d + b + c,), with b bins of the scores and c bins of all columns; the counts
    of a job are the sum over its batches.

    Parameters
    ----------
    exported : ExportedStudent
        The model; its metadata has the reference distribution of the training rows.

    Attributes
    ----------
    none : ndarray of int64
        The counts of no rows.
    """

    def __init__(self, exported: ExportedStudent) -> None:
        self._columns, self._task = exported.metadata["columns"], exported.metadata["task"]
        self._reference: Mapping[str, Any] | None = exported.metadata.get("reference")
        # None for a numeric column, and for a categorical one that the student does not use.
        self._categories = [
            {spelt(value) for value in column["categories"]} if "categories" in column else None
            for column in self._columns
        ]
        self._missing = list(map(missing_names, self._columns))
        self._parts = (self._reference or {}).get("columns") or [None] * len(self._columns)
        self._bins = [Bins.of(part, column) for part, column in zip(self._parts, self._columns, strict=True)]
        n_bins = 0 if self._reference is None else len(self._reference["shares"])
        ends = 2 * len(self._columns) + n_bins + np.cumsum([0, *(bins.n if bins else 0 for bins in self._bins)])
        self._places = [slice(start, stop) for start, stop in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
        self._scores = slice(2 * len(self._columns), 2 * len(self._columns) + n_bins)
        self.none = np.zeros(int(ends[-1]), np.int64)

    def counts(self, X: pa.Table, scores: Mapping[str, pa.Array]) -> np.ndarray:
        """The counts of a batch.

        Parameters
        ----------
        X : pyarrow.Table
            The columns of the model.
        scores : mapping of str to pyarrow.Array
            The scores, from `score_columns`.
        """
        counts = self.none.copy()
        for i, column in enumerate(X.columns):
            try:
                counts[2 * i : 2 * i + 2], counts[self._places[i]] = self._of_column(i, column)
            except pa.ArrowException:  # reported by `summary` as not known
                counts[2 * i : 2 * i + 2] = _NOT_KNOWN
        if self._reference is not None and X.num_rows:
            classes = self._task == "classification"
            columns = [part.to_numpy() for name, part in scores.items() if not classes or name != "prediction"]
            ranked = drift.ranked(np.column_stack(columns), self._task)
            counts[self._scores] = drift.counts(ranked, self._reference["edges"])
        return counts

    def _of_column(self, i: int, values: pa.ChunkedArray) -> tuple[tuple[int, int], Any]:
        """The numbers of missing values, of strange values, and of values in each bin."""
        if self._columns[i]["kind"] != "numeric":
            return self._of_categories(i, values)
        numbers = numbers_of(values)
        n_missing = int(np.count_nonzero(np.isnan(numbers)))
        low, high = self._columns[i]["low"], self._columns[i]["high"]
        bins = self._bins[i]
        found = 0 if bins is None else bins.counts_of_numbers(numbers, n_missing)
        if low is None or n_missing == len(numbers):
            return (n_missing, 0), found
        # The range is that of float64 values, here rounded to the dtype of the numbers.
        with np.errstate(over="ignore"):
            low, high = numbers.dtype.type(low), numbers.dtype.type(high)
        return (n_missing, int(np.count_nonzero(numbers < low) + np.count_nonzero(numbers > high))), found

    def _of_categories(self, i: int, values: pa.ChunkedArray) -> tuple[tuple[int, int], Any]:
        found, positions = categories_of(values)
        missing = np.array([name is None or name in self._missing[i] for name in found], bool)
        known, bins = self._categories[i], self._bins[i]
        strange = np.array([known is not None and name not in known for name in found], bool) & ~missing
        if bins is None and not (missing.any() or strange.any()):
            return (positions.null_count, 0), 0
        indices = positions.drop_null().to_numpy()
        times = np.bincount(indices, minlength=len(found))
        n_missing = len(values) - len(indices) + int(times[missing].sum())
        if bins is None:
            return (n_missing, int(times[strange].sum())), 0
        return (n_missing, int(times[strange].sum())), bins.counts_of_categories(found, times)

    def summary(self, counts: np.ndarray, n_rows: int) -> dict[str, Any]:
        """Shares of a job's rows and stability indices, for JSON; None for what is not known.

        Parameters
        ----------
        counts : ndarray of int64
            The counts of the job.
        n_rows : int
            Number of scored rows.
        """
        n_rows = max(n_rows, 1)
        columns = {}
        for i, column in enumerate(self._columns):
            missing, strange = (None if n < 0 else round(n / n_rows, 6) for n in counts[2 * i : 2 * i + 2].tolist())
            entry = {"missing": missing}
            if self._reference is not None:
                entry["missing_in_training"] = self._reference["missing"][i]
            entry["out_of_range" if column["kind"] == "numeric" else "unseen"] = strange
            entry["stability_index"] = self._index(self._part(i), counts[self._places[i]], missing)
            columns[str(column["name"])] = entry
        index = self._index(self._reference, counts[self._scores], 0)
        return {"columns": columns, "score_stability_index": index}

    def _part(self, i: int) -> Mapping[str, Any] | None:
        """The reference's entry for a column; None if it has no bins."""
        return None if self._bins[i] is None else self._parts[i]

    def _index(self, expected: Mapping[str, Any] | None, found: np.ndarray, missing: float | None) -> float | None:
        if expected is None or missing is None or not found.sum():
            return None
        return round(drift.stability_index(np.array(expected["shares"]), found), 6)

    def warnings(self, summary: Mapping[str, Any], counts: np.ndarray, n_rows: int) -> list[str]:
        """A sentence about each difference from the training data that is large enough to check the data.

        Parameters
        ----------
        summary : mapping
            The result of `summary` for these counts.
        counts : ndarray of int64
            The counts of the job.
        n_rows : int
            Number of scored rows.
        """
        if n_rows < _LEAST_ROWS:
            return []
        said = []
        for i, (name, shares) in enumerate(summary["columns"].items()):
            if shares["missing"] is None:
                said.append(f"column {name!r} has a type whose values cannot be compared with the training values")
                continue
            more = shares["missing"] - shares.get("missing_in_training", shares["missing"])
            if abs(more) > SHARE_LIMIT:
                before = f"{shares['missing_in_training']:.1%} in training"
                said.append(f"column {name!r} is missing in {shares['missing']:.1%} of the rows, {before}")
            for kind, words in _STRANGE.items():
                if shares.get(kind, 0) > SHARE_LIMIT:
                    said.append(f"column {name!r} has {words} in {shares[kind]:.1%} of the rows")
            found, part = counts[self._places[i]], self._part(i)
            if part is not None and self._has_moved(i, shares["stability_index"], int(found.sum())):
                how, index = (
                    self._how(i, part, found, shares.get("out_of_range", 0)),
                    f"stability index {shares['stability_index']:.2f}, over {INDEX_LIMIT}",
                )
                said.append(f"column {name!r} is not distributed as in training: {how} ({index})")
        index = summary["score_stability_index"]
        if index is not None and index > INDEX_LIMIT:
            said.append(f"scores are not distributed as in training: stability index {index:.2f}, over {INDEX_LIMIT}")
        return said

    def _has_moved(self, i: int, index: float | None, n_found: int) -> bool:
        """Whether the index of a column exceeds the limit by more than chance explains."""
        bins = self._bins[i]
        if index is None or n_found < _LEAST_ROWS or self._reference is None or bins is None:
            return False
        n_trained = self._reference["rows"] * (1 - self._reference["missing"][i])
        return index > INDEX_LIMIT + drift.by_chance(bins.n, max(n_trained, 1), n_found)

    def _how(self, i: int, bins: Mapping[str, Any], found: np.ndarray, strange: float) -> str:
        """How the values of a column differ from the training rows; `strange` is the share that is out of range."""
        shares, expected = found / found.sum(), np.array(bins["shares"])
        k = int(np.argmax(shares - expected))
        if "edges" in bins:
            low, high = self._columns[i]["low"], self._columns[i]["high"]
            before, now = (drift.median(bins["edges"], times, low, high) for times in (expected, found))
            # A ratio is meaningful if no value is negative. A median can be estimated from many bins if they contain
            # most values.
            told = len(shares) >= _BINS_OF_MEDIAN and strange <= _KNOWN_RANGE and low >= 0
            if told and before and now and not 0.8 < now / before < 1.25:
                return f"its median is about {now:.3g}, {now / before:.2g} × that of training"
            start, stop = [None, *bins["edges"]][k], [*bins["edges"], None][k]
            ends = [f"over {start:.4g}"] if start is not None else []
            ends += [f"up to {stop:.4g}"] if stop is not None else []
            return f"{shares[k]:.1%} of its values are {' and '.join(ends)}, {expected[k]:.1%} in training"
        levels = [self._columns[i]["categories"][level] for level in bins["levels"]]
        what = f"{levels[k]!r}" if k < len(levels) else "another category than the most frequent ones"
        return f"{shares[k]:.1%} of its values are {what}, {expected[k]:.1%} in training"
