"""How a student that learns by minibatches is trained: its passes, the batches of its encoder, and the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from tabkd.students._encoding.encoder import TableEncoder
from tabkd.students._soft_rows import SoftRows, SoftStream
from tabkd.students._training.batches import STEPS, Batches, Units, learning_rates
from tabkd.students._training.lessons import Learner, Progress, blocks, lessons, n_blocks_in_all

# Rows that "auto" passes over in total, and the fewest and most passes that it makes.
_AUTO_ROWS = 4_000_000
_AUTO_PASSES = (2, 200)


def n_passes(max_iter: int | Literal["auto"], n_rows: int) -> int:
    """The number of passes over `n_rows` rows that `max_iter` stands for."""
    if max_iter == "auto":
        return int(np.clip(round(_AUTO_ROWS / n_rows), *_AUTO_PASSES))
    return int(max_iter)


def encoded_units(encoder: TableEncoder) -> Units:
    """The units of a fitted encoder, as constants of the compiled training."""
    n_inputs = len(encoder.fill_) + len(encoder.missing_)
    selection = np.zeros((n_inputs, len(encoder.unit_column_)), np.float32)
    selection[encoder.unit_column_, np.arange(len(encoder.unit_column_))] = encoder.unit_scale_
    level_column = np.zeros(encoder.n_levels_, np.int32)
    for j, row_of in enumerate(encoder.level_of_):
        level_column[row_of[row_of < encoder.n_levels_]] = j
    return Units(selection, encoder.unit_bias_, level_column)


def encoded_batches(encoder: TableEncoder, rows: SoftRows, targets: np.ndarray) -> Batches:
    """Rows as the compiled training reads them, with what is to be learnt (n, K)."""
    return Batches(
        encoder.filled(encoder.numeric_values(rows.codes)),
        encoder.level_rows(rows.codes).astype(np.int32),
        targets.astype(np.float32),
        rows.weights.astype(np.float32),
    )


def school(
    trainer: Learner,
    encoder: TableEncoder,
    inputs_of: Callable[[SoftRows], Batches],
    real: SoftRows,
    synthetic: SoftStream,
    passes: int,
    batch_size: int,
    peak_rate: float,
    progress: Progress,
    rng: np.random.RandomState,
) -> tuple[Any, int]:
    """Train over all lessons, and note in the encoder which columns had unseen levels.

    Parameters
    ----------
    trainer : Learner
        Takes the steps.
    encoder : TableEncoder
        The encoding of the table.
    inputs_of : callable
        Encodes rows.
    real, synthetic : SoftRows and SoftStream
        The rows.
    passes : int
        Passes over each lesson.
    batch_size : int
        Rows of a minibatch.
    peak_rate : float
        The highest learning rate.
    progress : Progress
        Ends the training early, or not.
    rng : numpy.random.RandomState
        Draws the order of the rows.

    Returns
    -------
    weights : object
        The best weights by held-out rows, or the last ones.
    n_iter : int
        Passes made over the last lesson.
    """
    unseen = np.zeros(len(encoder.level_columns_), dtype=bool)

    def noted(rows: SoftRows) -> Batches:
        inputs = inputs_of(rows)
        np.logical_or(unseen, (inputs.levels >= encoder.n_levels_).any(axis=0), out=unseen)
        return inputs

    n_blocks = n_blocks_in_all(len(real), synthetic.n_rows, passes, batch_size)
    rates = learning_rates(peak_rate, n_blocks * STEPS).reshape(n_blocks, STEPS)
    done = made = 0
    for lesson in lessons(noted(real), map(noted, synthetic), synthetic.n_rows, rng):
        for made in range(1, passes + 1):  # noqa: B007  (the number of passes is returned)
            for batches in blocks(lesson, batch_size, rng):
                # Chunks that do not fill whole blocks can add a few steps, which use the last rate.
                trainer.step(batches, rates[min(done, n_blocks - 1)])
                done += 1
            if progress.stalled(trainer):
                break
    encoder.set_learnt(unseen)
    return progress.best or trainer.layers, made


def loss_of_answers(answers: np.ndarray, rows: SoftRows, scale: np.ndarray | None) -> float:
    """The mean loss of answers (n, K): cross-entropy, or the squared error in units of `scale` if there is one."""
    if scale is None:
        each = -(rows.targets * np.log(np.maximum(answers, 1e-12))).sum(axis=1)
    else:
        each = (((answers - rows.targets) / scale) ** 2).mean(axis=1)
    return float((each * rows.weights).sum() / max(rows.weights.sum(), 1e-12))
