"""What training by minibatches reads: rows in blocks, units, learning rates and losses."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

#: Minibatches in one call of the compiled function.
STEPS = 32


class Units(NamedTuple):
    """Inputs become units by ``clip(x @ selection + bias, 0, 1)``; `level_column` holds the column of each level."""

    selection: np.ndarray
    bias: np.ndarray
    level_column: np.ndarray


class Batches(NamedTuple):
    """A block of rows, each array of shape (STEPS, batch_size, ...)."""

    inputs: np.ndarray
    levels: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


def learning_rates(peak: float, n_steps: int) -> np.ndarray:
    """The learning rate of each step: a short linear rise, then a half cosine down to zero.

    It is computed in NumPy, because Optax would compile its schedule for every number of steps, which takes half a
    second.
    """
    rise = max(1, n_steps // 20)
    steps = np.arange(n_steps)
    fall = 0.5 * peak * (1 + np.cos(np.pi * np.clip((steps - rise) / max(n_steps - rise, 1), 0, 1)))
    return np.where(steps < rise, peak * (0.1 + 0.9 * steps / rise), fall).astype(np.float32)


def cross_entropy(outputs: Any, targets: Any) -> Any:
    """The soft cross-entropy of each row: targets against the softmax of the outputs."""
    import optax

    return optax.softmax_cross_entropy(outputs, targets)


def squared_error(outputs: Any, targets: Any) -> Any:
    """The mean squared error of each row."""
    return ((outputs - targets) ** 2).mean(axis=1)
