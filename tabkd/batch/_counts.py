"""How many rows a job has read, rejected and written, what it noted of them, and what it says in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tabkd.batch._drift import Drift
from tabkd.batch._scored import Scored


@dataclass(frozen=True)
class Counts:
    """Sums over batches.

    Attributes
    ----------
    batches, read, rejected, written : int
    drift : array of int64
        By `tabkd.batch._drift.Drift.counts`; the number 0 for no batches.
    """

    batches: int = 0
    read: int = 0
    rejected: int = 0
    written: int = 0
    drift: Any = 0

    @classmethod
    def of(cls, scored: Scored) -> Counts:
        """Those of one batch."""
        return cls(1, scored.n_read, len(scored.rows.rejects), scored.rows.table.num_rows, scored.drift)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.batches + other.batches,
            self.read + other.read,
            self.rejected + other.rejected,
            self.written + other.written,
            self.drift + other.drift,
        )

    @property
    def scored(self) -> int:
        """Rows that have a score, be it written or not."""
        return self.read - self.rejected

    def to_json(self) -> dict[str, Any]:
        """As JSON has them."""
        return {**vars(self), "drift": np.asarray(self.drift).tolist()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Counts:
        """What `to_json` gave."""
        return cls(**{**content, "drift": np.asarray(content["drift"], np.int64)})


@dataclass(frozen=True)
class Summary:
    """What a job did.

    Attributes
    ----------
    read : int
        Rows of the inputs: those scored and those rejected.
    scored, rejected : int
    written : int
        All rows that were scored, or the alerts among them.
    threshold : float or None
        The probability from which on rows are alerts: the one that was given, or the least among the top fraction.
    drift : dict
        The shares of missing and of strange values in each column of the model, and the population stability index
        of the scores; see `tabkd.batch._drift`.
    warnings : list of str
        What of it should make its reader look at the data.
    """

    read: int
    scored: int
    rejected: int
    written: int
    threshold: float | None
    drift: dict[str, Any]
    warnings: list[str]

    @classmethod
    def of(cls, counts: Counts, drift: Drift, threshold: float | None = None) -> Summary:
        """What the counts of a job say."""
        shares = drift.summary(counts.drift, counts.scored)
        warnings = drift.warnings(shares, np.asarray(counts.drift), counts.scored)
        return cls(counts.read, counts.scored, counts.rejected, counts.written, threshold, shares, warnings)
