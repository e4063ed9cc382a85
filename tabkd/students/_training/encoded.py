"""A table as training by minibatches reads it, with the encoding of a `TableEncoder`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tabkd.students._encoding.encoder import TableEncoder
from tabkd.students._soft_rows import SoftRows, SoftStream
from tabkd.students._training.batches import Batches, Units
from tabkd.students._training.lessons import lessons


def encoded_units(encoder: TableEncoder) -> Units:
    """The units of a fitted encoder, as constants of the compiled training."""
    level_column = np.zeros(encoder.n_levels_, np.int32)
    for j, row_of in enumerate(encoder.level_of_):
        level_column[row_of[row_of < encoder.n_levels_]] = j
    return Units(encoder.unit_column_.astype(np.int32), encoder.unit_scale_, encoder.unit_bias_, level_column)


class EncodedRows:
    """Real and synthetic rows, encoded when they are read.

    Parameters
    ----------
    encoder : TableEncoder
        The encoding of the table.
    real, synthetic : SoftRows and SoftStream
        The rows.
    learnt : callable
        Turns targets (n, K) into those of the training (n, M).

    Attributes
    ----------
    unseen : bool ndarray
        Whether rows that were read had unseen levels, for each column of levels.
    """

    def __init__(
        self, encoder: TableEncoder, real: SoftRows, synthetic: SoftStream, learnt: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        self._encoder, self._real, self._synthetic, self._learnt = encoder, real, synthetic, learnt
        self.n_real, self.n_synthetic = len(real), synthetic.n_rows
        self.unseen = np.zeros(len(encoder.level_columns_), dtype=bool)

    def lessons(self, rng: np.random.RandomState) -> Iterator[Batches]:
        """The lessons of `tabkd.students._training.lessons.lessons`."""
        return lessons(self._batches(self._real), map(self._batches, self._synthetic), self.n_synthetic, rng)

    def _batches(self, rows: SoftRows) -> Batches:
        encoder, levels = self._encoder, self._encoder.level_rows(rows.codes)
        self.unseen |= (levels >= encoder.n_levels_).any(axis=0)
        return Batches(
            encoder.filled(encoder.numeric_values(rows.codes)),
            levels.astype(np.int32),
            self._learnt(rows.targets).astype(np.float32),
            rows.weights.astype(np.float32),
        )
