"""The rows of labelled files as a stream: in random order, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tabkd._labelled_parquet import LabelledParquet
from tabkd._learning_rows import CHUNK_ROWS, TaughtRows, Teaching
from tabkd._progress import Silent
from tabkd._tables.schema import TableSchema
from tabkd._task import Task
from tabkd.students import SoftRows

if TYPE_CHECKING:
    from tabkd._labelled_files import LabelledFiles

# The numbers, of eight bytes, that a pool of rows holds.
_POOL_VALUES = 2**27


def labelled_files(
    X_unlabeled: Any, schema: TableSchema, task: Task, n_outputs: int, n_synthetic: int | str
) -> LabelledFiles | None:
    """The files of labelled rows, whose columns are checked; None for rows in memory.

    Raises
    ------
    ValueError
        If synthetic rows are requested too.
    """
    if not isinstance(X_unlabeled, LabelledParquet):
        return None
    from tabkd._labelled_files import LabelledFiles  # which imports what reads files

    if n_synthetic not in ("auto", 0):
        raise ValueError(
            f"n_synthetic={n_synthetic!r}, but the rows of {X_unlabeled!r} replace synthetic ones. Leave "
            "n_synthetic at 'auto', or give the rows as a table."
        )
    return LabelledFiles(X_unlabeled, schema, task, n_outputs)


class LabelledRows(TaughtRows):
    """Rows of Parquet files, chunk by chunk; each chunk is a random sample of all rows.

    Rows are assigned at random to a few pools. One pool at a time is in memory, so each reading of the stream reads the
    files once for each pool.

    Parameters
    ----------
    files : LabelledFiles
        The files.
    teaching : Teaching
        Turns the labels into targets.
    weight : float
        The weight of each row, unless the files have weights.
    seed : int
        The seed of the order of the rows.
    bar : Silent, optional
        Counts the rows of each chunk that is read for the first time.
    **of_targets
        As for `TaughtRows`.
    """

    def __init__(
        self,
        files: LabelledFiles,
        teaching: Teaching,
        weight: float,
        seed: int,
        bar: Silent | None = None,
        **of_targets: Any,
    ) -> None:
        super().__init__(teaching, files.n_rows, bar, **of_targets)
        self._files, self._weight, self._seed = files, weight, seed
        self._n_told = 0

    def __iter__(self) -> Iterator[SoftRows]:
        rng = np.random.default_rng(self._seed)
        n_pools = math.ceil(self.n_rows * self._files.n_values / _POOL_VALUES)
        pool_of = rng.permutation(np.resize(np.arange(n_pools, dtype=np.uint16), self.n_rows))
        n_read = 0
        for pool in range(n_pools):
            for chunk in self._dealt(pool_of, pool, rng):
                n_read += len(chunk)
                if n_read > self._n_told:
                    self._bar.advance(n_read - self._n_told)
                    self._n_told = n_read
                yield chunk

    def _dealt(self, pool_of: np.ndarray, pool: int, rng: np.random.Generator) -> Iterator[SoftRows]:
        """The rows of one pool in random order, in chunks of about the same size."""
        rows = self._read(pool_of, pool)
        order = rng.permutation(len(rows.weights))
        for chunk in np.array_split(order, math.ceil(len(order) / CHUNK_ROWS)):
            yield self._taught(*(part[chunk] for part in rows))

    def _read(self, pool_of: np.ndarray, pool: int) -> _Pool:
        """The rows of one pool, in the order of the files."""
        files, n_rows = self._files, int(np.count_nonzero(pool_of == pool))
        rows = _Pool(
            np.empty((n_rows, len(files.schema.columns))), np.empty((n_rows, len(files.labels))), np.empty(n_rows)
        )
        first = filled = 0
        for batch in files.batches():
            chosen = pool_of[first : first + len(batch.positions)] == pool
            first += len(chosen)
            # Labels of other pools are checked as well, so that a wrong one is found before the first lesson.
            answers, weights = files.answers(batch)[chosen], files.weights(batch, self._weight)[chosen]
            if not len(answers):
                continue
            here = slice(filled, filled := filled + len(answers))
            rows.codes[here], rows.answers[here], rows.weights[here] = files.codes(batch, chosen), answers, weights
        return rows


class _Pool(NamedTuple):
    """Rows in memory: codes (n, d), answers (n, K) and weights (n,)."""

    codes: np.ndarray
    answers: np.ndarray
    weights: np.ndarray
