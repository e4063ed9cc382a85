"""The inputs of training by minibatches: rows in blocks, features, learning rates and losses."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

# Rows in one call of the compiled function.
_BLOCK_ROWS = 4096
# Up to this many inputs, a product with a sparse matrix is as fast as selecting the input of each unit.
_FEW_INPUTS = 32


class Units(NamedTuple):
    """Inputs become units ``clip(x[column] * scale + bias, 0, 1)``; `level_column` holds the column of each level."""

    column: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    level_column: np.ndarray


class Batches(NamedTuple):
    """A block of rows, each array of shape (steps, batch_size, ...)."""

    inputs: np.ndarray
    levels: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


def usual_batch_size(n_rows: int) -> int:
    """What "auto" means: 512, or 256 or 128 if there would be fewer than 32 minibatches of `n_rows` rows.

    Examples
    --------
    >>> [usual_batch_size(n_rows) for n_rows in (1_000, 8_192, 16_383, 16_384)]
    [128, 256, 256, 512]
    """
    return next((size for size in (512, 256) if n_rows >= 32 * size), 128)


def steps_of_block(batch_size: int) -> int:
    """The number of minibatches in a block."""
    return max(1, _BLOCK_ROWS // batch_size)


def features(units: Units, batch: Batches) -> Any:
    """The features of a minibatch, a JAX array of shape (n, u + l): its units, then ones and zeros of its levels."""
    import jax
    import jax.numpy as jnp

    n_inputs = batch.inputs.shape[1]
    if n_inputs <= _FEW_INPUTS:
        scaled = batch.inputs @ jnp.where(jnp.arange(n_inputs)[:, None] == units.column, units.scale, 0)
    else:
        # Without the barrier XLA would select again wherever a unit is read.
        selected = jnp.take(batch.inputs, units.column, axis=1, mode="clip")
        scaled = jax.lax.optimization_barrier(selected * units.scale)
    found = jnp.clip(scaled + units.bias, 0, 1)
    if not len(units.level_column):
        return found
    one_hot = batch.levels[:, units.level_column] == jnp.arange(len(units.level_column))
    return jnp.concatenate([found, one_hot.astype(found.dtype)], axis=1)


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
