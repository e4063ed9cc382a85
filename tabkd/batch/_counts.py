"""The numbers of rows that a job has read, rejected and written, their drift counts, and the summary of the job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tabkd.batch._drift import Drift
from tabkd.batch._scored import Scored
from tabkd.batch._segments import SegmentCounts, segment_summary, together


@dataclass(frozen=True)
class Counts:
    """Sums over batches.

    Attributes
    ----------
    batches, read, rejected, written : int
        Numbers of batches, and of rows that were read, rejected and written.
    drift : ndarray of int64
        Counts from `tabkd.batch._drift.Drift.counts`; the number 0 if there are no batches.
    segments : dict
        The same by segment; see `tabkd.batch._segments`.
    """

    batches: int = 0
    read: int = 0
    rejected: int = 0
    written: int = 0
    drift: Any = 0
    segments: SegmentCounts = field(default_factory=dict)

    @classmethod
    def of(cls, scored: Scored) -> Counts:
        """The counts of one batch."""
        rows = scored.rows
        return cls(1, scored.n_read, len(rows.rejects), rows.table.num_rows, scored.drift, scored.segments)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.batches + other.batches,
            self.read + other.read,
            self.rejected + other.rejected,
            self.written + other.written,
            self.drift + other.drift,
            together(self.segments, other.segments),
        )

    @property
    def scored(self) -> int:
        """The number of rows with a score, written or not."""
        return self.read - self.rejected

    def to_json(self) -> dict[str, Any]:
        """The counts as values that JSON can store."""
        segments = {name: {k: of.tolist() for k, of in levels.items()} for name, levels in self.segments.items()}
        return {**vars(self), "drift": np.asarray(self.drift).tolist(), "segments": segments}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Counts:
        """The counts from the values of `to_json`."""
        segments = {
            name: {k: np.asarray(of, np.int64) for k, of in levels.items()}
            for name, levels in content["segments"].items()
        }
        return cls(**{**content, "drift": np.asarray(content["drift"], np.int64), "segments": segments})


@dataclass(frozen=True)
class Summary:
    """The result of a job.

    Attributes
    ----------
    read : int
        Number of rows of the inputs, scored and rejected ones.
    scored, rejected : int
        Numbers of rows that were scored and rejected.
    written : int
        Number of rows in the output: all scored rows, or only the alerts among them.
    threshold : float or None
        Probability from which on rows are alerts: the given one, or the smallest of the top fraction. None if all rows
        are written, or if no row was scored.
    drift : dict
        ``columns``: for each column of the model its shares of missing and of strange values and its population
        stability index. ``score_stability_index``: that of the scores. Unknown values are None. ``segments``, where
        there are segment columns: for each of them a list of its most frequent levels, each with ``level``, ``rows``
        and the same for these rows alone.
    warnings : list of str
        Sentences about differences from the training data that are large enough to check the data.
    delta_versions : dict of str to int
        For each Delta table among the inputs the version that was read.
    """

    read: int
    scored: int
    rejected: int
    written: int
    threshold: float | None
    drift: dict[str, Any]
    warnings: list[str]
    delta_versions: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, counts: Counts, drift: Drift, threshold: float | None = None) -> Summary:
        """The summary of a job's counts."""
        shares = drift.summary(counts.drift, counts.scored)
        if counts.segments:
            shares["segments"] = segment_summary(drift, counts.segments)
        warnings = drift.warnings(shares, np.asarray(counts.drift), counts.scored)
        return cls(counts.read, counts.scored, counts.rejected, counts.written, threshold, shares, warnings)
