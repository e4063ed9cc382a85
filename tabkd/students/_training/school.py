"""The loop of training by minibatches, and its schedule."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from tabkd.students._training.batches import learning_rates, steps_of_block
from tabkd.students._training.encoded import EncodedRows
from tabkd.students._training.lessons import Learner, Progress, blocks, n_blocks_in_all

#: The rows that "auto" passes over in total, unless a student needs fewer.
USUAL_ROWS = 4_000_000
# The most passes that "auto" makes; and the fewest, unless one pass has enough rows.
_FEWEST_PASSES, _MOST_PASSES = 2, 200


def n_passes(max_iter: int | Literal["auto"], n_rows: int, rows_in_all: int = USUAL_ROWS) -> int:
    """The number of passes over `n_rows` rows that `max_iter` means; "auto" passes over `rows_in_all` in total."""
    if max_iter == "auto":
        fewest = _FEWEST_PASSES if n_rows < rows_in_all else 1
        return int(np.clip(round(rows_in_all / n_rows), fewest, _MOST_PASSES))
    return int(max_iter)


class Schedule(NamedTuple):
    """How often each lesson is passed over, in minibatches of how many rows, and the highest learning rate."""

    passes: int
    batch_size: int
    peak_rate: float

    def rates(self, rows: EncodedRows) -> np.ndarray:
        """The learning rate of each step, (blocks, steps of a block)."""
        n_blocks = n_blocks_in_all(rows.n_real, rows.n_synthetic, self.passes, self.batch_size)
        n_steps = steps_of_block(self.batch_size)
        return learning_rates(self.peak_rate, n_blocks * n_steps).reshape(n_blocks, n_steps)


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
        Decides whether to end the training early.
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
    done = n_iter = 0
    for lesson in rows.lessons(rng):
        n_iter = 0
        for _ in range(schedule.passes):
            for batches in blocks(lesson, schedule.batch_size, rng):
                # Chunks that do not fill whole blocks can add a few steps, which use the last rate.
                trainer.step(batches, rates[min(done, len(rates) - 1)])
                done += 1
            n_iter += 1
            if progress.stalled(trainer):
                break
    return progress.best or trainer.layers, n_iter
