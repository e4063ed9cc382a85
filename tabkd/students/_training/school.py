"""The loop of training by minibatches, and its schedule."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Self

import numpy as np

from tabkd.students._training.batches import STEPS, learning_rates
from tabkd.students._training.encoded import EncodedRows
from tabkd.students._training.lessons import Learner, Progress, blocks, n_blocks_in_all

# The most passes that "auto" makes; and the fewest, unless one pass has enough rows.
_FEWEST_PASSES, _MOST_PASSES = 2, 200


class Effort(NamedTuple):
    """The meaning of "auto".

    Attributes
    ----------
    n_rows : int
        Rows to pass over in total.
    usual_passes : int
        No more passes over each row, unless it takes more to pass over `least_rows` in total.
    least_rows : int
    """

    n_rows: int = 4_000_000
    usual_passes: int = _MOST_PASSES
    least_rows: int = 0


def n_passes(max_iter: int | Literal["auto"], n_rows: int, effort: Effort) -> int:
    """The number of passes over `n_rows` rows that `max_iter` means."""
    if max_iter == "auto":
        most = min(max(effort.usual_passes, round(effort.least_rows / n_rows)), _MOST_PASSES)
        fewest = _FEWEST_PASSES if n_rows < effort.n_rows else 1
        return int(np.clip(round(effort.n_rows / n_rows), fewest, most))
    return int(max_iter)


class Schedule(NamedTuple):
    """How often each lesson is passed over, in minibatches of how many rows, and the highest learning rate."""

    passes: int
    batch_size: int
    peak_rate: float

    @classmethod
    def of(
        cls, max_iter: int | Literal["auto"], n_rows: int, batch_size: int, peak_rate: float, effort: Effort
    ) -> Self:
        """The schedule for a number of rows, with the passes that `max_iter` asks for."""
        return cls(n_passes(max_iter, n_rows, effort), batch_size, peak_rate)

    def rates(self, rows: EncodedRows) -> np.ndarray:
        """The learning rate of each step, (blocks, STEPS)."""
        n_blocks = n_blocks_in_all(rows.n_real, rows.n_synthetic, self.passes, self.batch_size)
        return learning_rates(self.peak_rate, n_blocks * STEPS).reshape(n_blocks, STEPS)


def school(
    trainer: Learner, rows: EncodedRows, schedule: Schedule, progress: Progress, rng: np.random.RandomState
) -> tuple[Any, int]:
    """Train over all lessons.

    Parameters
    ----------
    trainer : Learner
        Takes the steps.
    rows : EncodedRows
        The rows.
    schedule : Schedule
        Their passes and the learning rates.
    progress : Progress
        Decides whether to end or give up the training early.
    rng : numpy.random.RandomState
        Draws the order of the rows.

    Returns
    -------
    weights : object
        The best weights by held-out rows, or the last ones.
    n_iter : int
        Passes made over the last lesson.
    """
    rates = schedule.rates(rows)
    done = made = 0
    for lesson in rows.lessons(rng):
        for made in range(1, schedule.passes + 1):
            for batches in blocks(lesson, schedule.batch_size, rng):
                # Chunks that do not fill whole blocks can add a few steps, which use the last rate.
                trainer.step(batches, rates[min(done, len(rates) - 1)])
                done += 1
            if progress.is_hopeless(trainer, done / len(rates)):
                return trainer.layers, made
            if progress.stalled(trainer):
                break
    return progress.best or trainer.layers, made
