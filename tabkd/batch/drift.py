"""What a job notes of its rows while it scores them, and how far that is from what the model was taught on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabkd import drift
from tabkd.scoring import Scorer

#: Shares of a column that may differ from the training rows', and the index of the scores, before it is told.
SHARE_LIMIT, INDEX_LIMIT = 0.05, 0.25
_STRANGE = {"unseen": "a category unknown in training", "out_of_range": "a number out of the range in training"}
# Of a type that cannot be compared: no number of rows makes a sum with it positive.
_NOT_KNOWN = -(2**40)
# Of fewer rows nothing is told: the index is then large by chance.
_LEAST_ROWS = 500


class Drift:
    """Counts of missing and of strange values in each column of a model, and of scores in each bin.

    Strange are categories that the training rows did not have, and numbers outside of their range. The counts of a
    batch are one array, int64 (2 d + b,), and those of a job their sum.

    Parameters
    ----------
    scorer : Scorer
    """

    def __init__(self, scorer: Scorer):
        self._columns, self._task = scorer.metadata["columns"], scorer.metadata["task"]
        self._reference: Mapping[str, Any] | None = scorer.metadata.get("reference")
        # None of a column that the student does not use.
        self._categories = [
            {_spelt(value) for value in column["categories"]} if "categories" in column else None
            for column in self._columns
        ]
        self._missing = [
            set(map(_spelt, ["nan"] if column["missing"] is None else column["missing"])) for column in self._columns
        ]
        n_bins = 0 if self._reference is None else len(self._reference["shares"])
        #: Of no rows.
        self.none = np.zeros(2 * len(self._columns) + n_bins, np.int64)

    def counts(self, X: pa.Table, scores: Mapping[str, pa.Array]) -> np.ndarray:
        """Those of a batch.

        Parameters
        ----------
        X : pyarrow.Table
            The columns of the model.
        scores : mapping of str to pyarrow.Array
            By `score_columns`.
        """
        counts = self.none.copy()
        for i, column in enumerate(X.columns):
            try:
                counts[2 * i : 2 * i + 2] = self._of_column(i, column)
            except pa.ArrowException:  # told as not known by `summary`
                counts[2 * i : 2 * i + 2] = _NOT_KNOWN
        if self._reference is not None and X.num_rows:
            classes = self._task == "classification"
            columns = [part.to_numpy() for name, part in scores.items() if not classes or name != "prediction"]
            ranked = drift.ranked(np.column_stack(columns), self._task)
            counts[2 * len(X.columns) :] = drift.counts(ranked, self._reference["edges"])
        return counts

    def _of_column(self, i: int, values: pa.ChunkedArray) -> tuple[int, int]:
        """How many values are missing, and how many strange."""
        column = self._columns[i]
        if column["kind"] != "numeric":
            return self._of_categories(i, values)
        if pa.types.is_boolean(values.type) or column["low"] is None:
            return values.null_count, 0
        if not pa.types.is_float32(values.type):  # comparisons know no halves, and no large integers beside floats
            values = values.cast(pa.float64(), safe=False)
        # NaN is missing, and less than nothing.
        n_present = values.length() - _n(pc.is_null(values, nan_is_null=True))
        low, high = column["low"], column["high"]
        ends = pc.min_max(values)
        if not n_present or (ends["min"].as_py() >= low and ends["max"].as_py() <= high):
            return values.length() - n_present, 0
        return values.length() - n_present, _n(pc.less(values, low)) + _n(pc.greater(values, high))

    def _of_categories(self, i: int, values: pa.ChunkedArray) -> tuple[int, int]:
        values = values.combine_chunks()
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        found = values.dictionary.to_pylist()
        missing = [value is None or _spelt(value) in self._missing[i] for value in found]
        known = self._categories[i]
        strange = [not m and known is not None and _spelt(v) not in known for v, m in zip(found, missing, strict=True)]
        if not (any(missing) or any(strange)):
            return values.null_count, 0
        times = np.bincount(values.indices.drop_null().to_numpy(), minlength=len(found))
        return len(values) - len(values.indices.drop_null()) + int(times[missing].sum()), int(times[strange].sum())

    def summary(self, counts: np.ndarray, n_rows: int) -> dict[str, Any]:
        """The shares of a job's rows, as JSON has them, None for what is not known, and the index of the scores."""
        n_rows = max(n_rows, 1)
        columns = {}
        for i, column in enumerate(self._columns):
            missing, strange = (None if n < 0 else round(n / n_rows, 6) for n in counts[2 * i : 2 * i + 2].tolist())
            entry = {"missing": missing}
            if self._reference is not None:
                entry["missing_in_training"] = self._reference["missing"][i]
            entry["out_of_range" if column["kind"] == "numeric" else "unseen"] = strange
            columns[str(column["name"])] = entry
        found = counts[2 * len(self._columns) :]
        index = None
        if self._reference is not None and found.sum():
            index = round(drift.stability_index(np.array(self._reference["shares"]), found), 6)
        return {"columns": columns, "score_stability_index": index}

    def warnings(self, summary: Mapping[str, Any], n_rows: int) -> list[str]:
        """What of a summary should make its reader look at the data, in a sentence each."""
        if n_rows < _LEAST_ROWS:
            return []
        told = []
        for name, shares in summary["columns"].items():
            if shares["missing"] is None:
                told.append(f"column {name!r} has a type whose values cannot be compared with those of training")
                continue
            more = shares["missing"] - shares.get("missing_in_training", shares["missing"])
            if abs(more) > SHARE_LIMIT:
                before = f"{shares['missing_in_training']:.1%} in training"
                told.append(f"column {name!r} is missing in {shares['missing']:.1%} of the rows, {before}")
            for kind, words in _STRANGE.items():
                if shares.get(kind, 0) > SHARE_LIMIT:
                    told.append(f"column {name!r} has {words} in {shares[kind]:.1%} of the rows")
        index = summary["score_stability_index"]
        if index is not None and index > INDEX_LIMIT:
            told.append(f"scores are not distributed as in training: stability index {index:.2f}, over {INDEX_LIMIT}")
        return told


def _n(mask) -> int:
    """How many values of a mask are true."""
    return pc.sum(mask).as_py() or 0


def _spelt(category) -> str:
    """A category as text, a number in one way whatever its type."""
    return str(float(category)) if isinstance(category, (int, float)) else str(category)
