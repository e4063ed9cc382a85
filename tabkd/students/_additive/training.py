"""Training an additive model in JAX: weights of features, and of the products of pairs, learnt together.

Its loss is convex. As for the MLP, everything about a table is an argument of the compiled scan.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple, Self

import numpy as np

from tabkd.students._additive.monotone import Directions
from tabkd.students._additive.terms import AdditiveTerms
from tabkd.students._training.batches import Batches, Units, features


class Terms(NamedTuple):
    """The weights of a sum of functions of one and of two columns.

    Attributes
    ----------
    weights : ndarray of shape (z, M)
        What each feature adds to each score.
    intercept : ndarray of shape (M,)
        The scores where every feature is zero.
    products : ndarray of shape (left, right, M)
        What the product of two features adds to each score.
    """

    weights: Any
    intercept: Any
    products: Any

    @classmethod
    def first(cls, prior: np.ndarray, n_features: int, n_left: int, n_right: int) -> Self:
        """The terms before training: every function is zero, and the scores are those of a constant, `prior` (M,)."""
        shapes = (n_features, len(prior)), (n_left, n_right, len(prior))
        weights, products = (np.zeros(shape, np.float32) for shape in shapes)
        return cls(weights, prior.astype(np.float32), products)


class Allowed(NamedTuple):
    """The limits of a step: which products (left, right) may have a weight, and how the score moves with features."""

    products: np.ndarray
    directions: Directions | None


class AdditiveTrainer:
    """The terms of an additive model in training, and the steps that improve them on a block.

    Parameters
    ----------
    terms : Terms
        The initial weights.
    units : Units
        The fixed encoding of the numeric inputs.
    left, right : int ndarrays
        The features whose products have weights.
    allowed : Allowed
        What the weights respect.
    loss : callable
        Takes scores and targets (n, M) as JAX arrays and returns the loss of each row (n,).
    """

    def __init__(
        self, terms: Terms, units: Units, left: np.ndarray, right: np.ndarray, allowed: Allowed, loss: Callable
    ) -> None:
        import jax

        self._run = _compiled(loss)
        self._fixed = (units, left.astype(np.int32), right.astype(np.int32), allowed)
        self._terms = jax.tree.map(jax.numpy.asarray, terms)
        self._state = _optimizer().init(self._terms)

    def step(self, batches: Batches, rates: np.ndarray) -> Any:
        """Take one step for each minibatch and return the mean loss."""
        self._terms, self._state, loss = self._run(self._terms, self._state, self._fixed, batches, rates)
        return loss

    @property
    def layers(self) -> AdditiveTerms:
        """The terms as NumPy arrays."""
        weights, intercept, products = map(np.asarray, _outweighing(self._terms, self._fixed[3].directions))
        return AdditiveTerms(weights, intercept, *self._fixed[1:3], products)


def binary_cross_entropy(scores: Any, targets: Any) -> Any:
    """The soft cross-entropy of each row: log-odds (n, 1) against the probability of the second class."""
    import optax

    return optax.sigmoid_binary_cross_entropy(scores, targets).sum(axis=1)


def _outweighing(terms: Any, directions: Directions | None) -> Any:
    """Terms in training, whose weights along constrained features are the excess over the least, as terms of the model.

    So a step may change a product and the weight that outweighs it at the same time.
    """
    if directions is None:
        return terms
    import jax.numpy as jnp

    return terms._replace(weights=terms.weights + (directions.signs * directions.least(terms.products, jnp))[:, None])


def _optimizer() -> Any:
    import optax

    return optax.scale_by_adam(b2=0.99)


@cache
def _compiled(loss: Callable) -> Callable:
    """The scan over a block; jit compiles it once for each shape in a process."""
    import jax
    import jax.numpy as jnp

    optimizer = _optimizer()

    def scores(terms: Any, units: Any, left: Any, right: Any, batch: Any) -> Any:
        z = features(units, batch)
        found = z @ terms.weights + terms.intercept
        if len(left):
            found += jnp.einsum("nl,lrm,nr->nm", z[:, left], terms.products, z[:, right])
        return found

    def mean_loss(terms: Any, fixed: Any, batch: Any) -> Any:
        units, left, right, allowed = fixed
        each = loss(scores(_outweighing(terms, allowed.directions), units, left, right, batch), batch.targets)
        return (each * batch.weights).sum() / jnp.maximum(batch.weights.sum(), 1e-12)

    @partial(jax.jit, donate_argnums=(0, 1))
    def run(terms: Any, state: Any, fixed: Any, batches: Any, rates: Any) -> Any:
        allowed = fixed[3]
        directions, kept = allowed.directions, allowed.products[:, :, None]

        def step(carry: Any, inputs: Any) -> Any:
            terms, state = carry
            batch, rate = inputs
            value, gradients = jax.value_and_grad(mean_loss)(terms, fixed, batch)
            updates, state = optimizer.update(gradients, state, terms)
            weights, intercept, products = jax.tree.map(lambda w, dw: w - rate * dw, terms, updates)
            if directions is not None:
                weights = jnp.where(weights * directions.signs[:, None] < 0, 0, weights)
            return (type(terms)(weights, intercept, products * kept), state), value

        (terms, state), values = jax.lax.scan(step, (terms, state), (batches, rates))
        return terms, state, values.mean()

    return run
