"""Training the MLP in JAX: one compiled scan over the minibatches of a block of rows.

Everything about a table is an argument of the compiled function, and all blocks have the same number of rows. So JAX
compiles once for each shape of table and network, and not once for every fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tabkd.students._network.muon import muon
from tabkd.students._network.signs import Limits
from tabkd.students._training.batches import Batches, Units, features

if TYPE_CHECKING:
    import jax

#: Weights (fan_in, fan_out) and biases (fan_out,) of each layer of a network.
Layers: TypeAlias = list[tuple[np.ndarray, np.ndarray]]


def initial_weights(sizes: list[int], prior: np.ndarray, rng: np.random.Generator) -> Layers:
    """He initialisation; the last bias is the prior, so that training starts from the best constant."""
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        scale = np.sqrt(2 / max(fan_in, 1))
        layers.append(
            ((rng.standard_normal((fan_in, fan_out)) * scale).astype(np.float32), np.zeros(fan_out, np.float32))
        )
    weights, _ = layers[-1]
    layers[-1] = (weights * np.float32(0.1), prior.astype(np.float32))
    return layers


class Trainer:
    """The weights of a network in training, and the steps that improve them on a block.

    Parameters
    ----------
    layers : list of (weights, bias)
        The initial weights.
    units : Units
        The fixed encoding of the numeric inputs.
    loss : callable
        Takes outputs and targets (n, K) as JAX arrays and returns the loss of each row (n,).
    weight_decay : float
        Decoupled weight decay.
    activation : callable
        Takes an array and its module, NumPy or `jax.numpy`, like `relu`.
    limits : list of Limits, default=()
        The smallest and the largest value of each weight, for each layer; none without limits. The initial weights and
        those after each step are set to the nearest values within.
    optimizer : callable, default=muon
        Gives the Optax transformation of the gradients, whose state begins with zeros.
    """

    def __init__(
        self,
        layers: Layers,
        units: Units,
        loss: Callable,
        weight_decay: float,
        activation: Callable,
        limits: Sequence[Limits] = (),
        optimizer: Callable = muon,
    ) -> None:
        import jax

        self._run = compiled(loss, activation, optimizer)
        self._units = units
        self._decay = np.float32(weight_decay)
        self._limits = list(limits)
        self._params = within(layers, self._limits)
        # The optimiser begins with zeros. JAX would compile a function for each shape to make them.
        state = jax.eval_shape(optimizer().init, self._params)
        self._state = jax.tree.map(lambda array: np.zeros(array.shape, array.dtype), state)

    def step(self, batches: Batches, rates: np.ndarray) -> jax.Array:
        """Take one step for each minibatch and return the mean loss."""
        self._params, self._state, loss = self._run(
            self._params, self._state, self._units, self._limits, batches, rates, self._decay
        )
        return loss

    @property
    def layers(self) -> Layers:
        """The weights and biases as NumPy arrays."""
        return [(np.asarray(w), np.asarray(b)) for w, b in self._params]


def relu(values: Any, xp: Any) -> Any:
    """The positive part of an array of the module `xp`, which is NumPy or `jax.numpy`."""
    # Unlike the maximum it has a slope of 0 at 0. NaN stays, so that diverged training is noticed.
    return xp.where(values <= 0, 0, values)


def within(layers: Any, limits: Sequence[Limits]) -> Any:
    """The layers with each weight at the nearest value within its limits; without limits, the layers themselves."""
    if not limits:
        return layers
    return [(w.clip(low, high), b) for (w, b), (low, high) in zip(layers, limits, strict=True)]


@cache
def compiled(loss: Callable, activation: Callable, optimizer: Callable) -> Callable:
    """The scan over a block; jit compiles it once for each shape in a process."""
    import jax
    import jax.numpy as jnp
    import optax

    steps_of = optax.with_extra_args_support(optimizer())

    def outputs(layers: Any, units: Any, batch: Any) -> Any:
        hidden = features(units, batch)
        for weights, bias in layers[:-1]:
            hidden = activation(hidden @ weights + bias, jnp)
        weights, bias = layers[-1]
        return hidden @ weights + bias

    def mean_loss(layers: Any, units: Any, batch: Any) -> Any:
        each = loss(outputs(layers, units, batch), batch.targets)
        return (each * batch.weights).sum() / jnp.maximum(batch.weights.sum(), 1e-12)

    @partial(jax.jit, donate_argnums=(0, 1))
    def run(layers: Any, state: Any, units: Any, limits: Any, batches: Any, rates: Any, decay: Any) -> Any:
        def step(carry: Any, inputs: Any) -> Any:
            layers, state = carry
            batch, rate = inputs
            value, gradients = jax.value_and_grad(mean_loss)(layers, units, batch)
            updates, state = steps_of.update(gradients, state, layers, limits=limits)
            layers = [
                (w - rate * (dw + decay * w), b - rate * db) for (w, b), (dw, db) in zip(layers, updates, strict=True)
            ]
            return (within(layers, limits), state), value

        (layers, state), values = jax.lax.scan(step, (layers, state), (batches, rates))
        return layers, state, values.mean()

    return run
