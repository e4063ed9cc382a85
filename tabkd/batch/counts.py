"""How many rows a job has read, rejected and written, and what it noted of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tabkd.batch.columns import Scored


@dataclass(frozen=True)
class Counts:
    """Sums over batches.

    Attributes
    ----------
    batches, read, rejected, written : int
    drift : array of int64
        By `tabkd.batch.drift.Drift.counts`; the number 0 for no batches.
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
