"""The steps of a network: Muon for the weights of hidden layers that have no limits, Adam for all others.

The momentum M of a weight matrix is replaced by a matrix with the same singular vectors whose singular values are all
about one, so that a step moves the layer's output along rare directions as far as along frequent ones. A teacher's
answers have less noise than labels, so those directions are worth learning. Weights with limits cannot take all of
such a step: cut off, it would move the layer in other directions.

K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024: the iteration.
N. Amsel et al., "The Polar Express", 2025: the best polynomial of each iteration.
J. Liu et al., "Muon is Scalable for LLM Training", 2025, equation 4: steps of a matrix as large as those of Adam.

Muon in `optax.contrib` begins with a state that is not all zeros, and `Trainer` needs zeros, so that nothing has to be
compiled for the state.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

# The decay of Adam's squared gradients and of Muon's momentum; how large a step's entries are on average.
_SQUARES, _MOMENTUM, _STEP_SIZE = 0.99, 0.95, 0.2
# Newton-Schulz: three odd quintic polynomials, one after the other, bring singular values between 0.01 and 1 to within
# 0.27 of one. Each is the closest to one on the interval that the one before leaves.
_POLYNOMIALS = ((8.0934, -23.6204, 17.4462), (3.6366, -2.7219, 0.5365), (2.6613, -1.9772, 0.4526))


def muon() -> Any:
    """The Optax transformation of the gradients of a network's layers, a list of (weights, bias)."""
    import jax.numpy as jnp
    import optax

    adam = optax.scale_by_adam(b2=_SQUARES)

    def init(layers: Any) -> Any:
        return adam.init(layers), [jnp.zeros_like(weights) for weights, _ in layers[:-1]]

    def update(gradients: Any, state: Any, layers: Any = None, *, limits: Any = (), **_: Any) -> Any:
        of_adam, momenta = state
        free = [(low < 0) & (high > 0) for low, high in limits[:-1]] or [None] * len(momenta)
        of_hidden = [_only(dw, where) for (dw, _), where in zip(gradients[:-1], free, strict=True)]
        momenta = [_mean(momentum, dw) for momentum, dw in zip(momenta, of_hidden, strict=True)]
        (*steps, last), of_adam = adam.update(gradients, of_adam, layers)
        steps = [
            (_only(_step(_mean(momentum, dw), where), where, of_weights), of_bias)
            for momentum, dw, where, (of_weights, of_bias) in zip(momenta, of_hidden, free, steps, strict=True)
        ]
        return [*steps, last], (of_adam, momenta)

    return optax.GradientTransformationExtraArgs(init, update)


def _only(values: Any, where: Any, others: Any = 0.0) -> Any:
    """The values at these weights, and others elsewhere; None is everywhere."""
    import jax.numpy as jnp

    return values if where is None else jnp.where(where, values, others)


def _mean(momentum: Any, gradient: Any) -> Any:
    """The moving mean of gradients; taken twice it looks ahead (Nesterov)."""
    return _MOMENTUM * momentum + (1 - _MOMENTUM) * gradient


def _step(momentum: Any, where: Any) -> Any:
    """The step of a weight matrix (fan_in, fan_out), before the learning rate; other rows than these are zeros."""
    import jax.numpy as jnp

    n_rows, n_columns = momentum.shape
    larger = max(n_rows, n_columns) if where is None else jnp.maximum(where.any(axis=1).sum(), n_columns)
    return orthogonal(momentum) * (_STEP_SIZE * larger**0.5)


def orthogonal(matrix: Any) -> Any:
    """A JAX matrix with its singular values moved to about one; zeros stay.

    An odd polynomial of a matrix X is X times a polynomial of X'X. So all but the first and the last product are of
    matrices as small as the smaller side of X.
    """
    import jax.numpy as jnp

    x = matrix / (jnp.linalg.norm(matrix) + 1e-12)
    is_tall = x.shape[0] > x.shape[1]
    square = x.T @ x if is_tall else x @ x.T
    one, polynomials = jnp.eye(len(square), dtype=x.dtype), []
    for a, b, c in _POLYNOMIALS:
        polynomials.append(a * one + b * square + c * (square @ square))
        square = square @ polynomials[-1] @ polynomials[-1]
    factor = reduce(jnp.matmul, polynomials)
    return x @ factor if is_tall else factor @ x
