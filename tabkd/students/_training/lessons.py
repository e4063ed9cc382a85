"""The order in which the MLP learns: lessons of real and synthetic rows, split into blocks of minibatches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from tabkd.students._soft_rows import SoftRows
from tabkd.students._training.batches import Batches, steps_of_block

# Fewest real rows for each synthetic one.
_REAL_SHARE = 0.25
# Passes without progress on held-out rows before training ends.
_PATIENCE = 5


class Learner(Protocol):
    """What is trained, such as `Trainer`."""

    def step(self, batches: Batches, rates: np.ndarray) -> Any:
        """Take one step for each minibatch."""

    @property
    def layers(self) -> Any:
        """The weights."""


def lessons(
    real: Batches, synthetic: Iterable[Batches], n_synthetic: int, rng: np.random.RandomState
) -> Iterator[Batches]:
    """Rows that are learnt together: each chunk of synthetic rows with its share of real rows.

    Without synthetic rows, the real ones are the only lesson.
    """
    if n_synthetic == 0:
        yield real
        return
    turns = _Turns(len(real.weights), rng)
    for chunk in synthetic:
        share = turns.take(_n_real(len(chunk.weights), len(real.weights), n_synthetic))
        yield Batches(*(np.concatenate([made, given[share]]) for made, given in zip(chunk, real, strict=True)))


def blocks(lesson: Batches, batch_size: int, rng: np.random.RandomState) -> Iterator[Batches]:
    """The rows of a lesson, shuffled, in blocks of minibatches.

    All blocks have the same size, so that training is compiled once: the last block is filled with rows of the first,
    or dropped in this pass if less than half of it is there.
    """
    n_rows, steps = len(lesson.weights), steps_of_block(batch_size)
    size = steps * batch_size
    order = np.resize(rng.permutation(n_rows), max(1, round(n_rows / size)) * size)
    for rows in order.reshape(-1, steps, batch_size):
        yield Batches(*(part.take(rows, axis=0) for part in lesson))


def n_blocks_in_all(n_real: int, n_synthetic: int, passes: int, batch_size: int) -> int:
    """The approximate number of blocks in `passes` passes over all lessons."""
    n_rows = n_synthetic + _n_real(n_synthetic, n_real, n_synthetic) if n_synthetic else n_real
    return max(1, round(passes * n_rows / (steps_of_block(batch_size) * batch_size)))


def hold_out(rows: SoftRows, rng: np.random.RandomState) -> tuple[SoftRows, SoftRows]:
    """Nine tenths of the rows for training and one tenth for early stopping; fewer than ten rows are used for both."""
    order = rng.permutation(len(rows))
    n = len(rows) // 10
    return (rows.take(order[n:]), rows.take(order[:n])) if n else (rows, rows)


class Progress:
    """Keeps the layers with the smallest loss, and ends training after `_PATIENCE` passes without progress.

    Parameters
    ----------
    loss : callable or None
        Computes the loss of layers on held-out rows; None never ends training.
    """

    def __init__(self, loss: Callable | None) -> None:
        self._loss = loss
        self._least, self._age = np.inf, 0
        self.best: Any = None

    def stalled(self, trainer: Learner) -> bool:
        """Evaluate the layers of `trainer` after a pass, and return whether to stop."""
        if self._loss is None:
            return False
        layers = trainer.layers
        loss = self._loss(layers)
        self._age += 1
        if self.best is None or loss < self._least:
            self._least, self.best, self._age = loss, layers, 0
        return self._age >= _PATIENCE


def _n_real(n_chunk: int, n_real: int, n_synthetic: int) -> int:
    """The number of real rows for a chunk: at least `_REAL_SHARE`, and enough for every real row to be used once."""
    return round(n_chunk * max(_REAL_SHARE, n_real / n_synthetic))


class _Turns:
    """Row numbers in random order; every row comes once before any row comes again."""

    def __init__(self, n_rows: int, rng: np.random.RandomState) -> None:
        self._n_rows, self._rng = n_rows, rng
        self._left = np.empty(0, dtype=np.int64)

    def take(self, n: int) -> np.ndarray:
        parts, have = [self._left], len(self._left)
        while have < n:
            parts.append(self._rng.permutation(self._n_rows))
            have += self._n_rows
        rows = np.concatenate(parts)
        self._left = rows[n:]
        return rows[:n]
