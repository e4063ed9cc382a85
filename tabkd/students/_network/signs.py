"""Networks that are monotone by the signs of their weights.

Each unit has a role: it may only rise with the constrained inputs (1), only fall (-1), or it is free (0) and sees none
of them. A weight between two units with roles has the sign of their product; a weight from a constrained unit to a free
one is zero; weights from free units are free. With activations that rise, the outputs then keep their roles. Falling
units let the network be concave, which rising ones alone could not with an activation that is convex, such as ReLU.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

#: The smallest and the largest value of each weight of a layer, each of shape (fan_in, fan_out).
Limits: TypeAlias = tuple[np.ndarray, np.ndarray]


def hidden_roles(n_units: int, any_free: bool) -> np.ndarray:
    """The roles of a hidden layer: half of the units are free, the rest rise and fall in turn.

    Parameters
    ----------
    n_units : int
        The size of the layer.
    any_free : bool
        Whether there is a free input: without one, a free unit would see nothing.

    Examples
    --------
    >>> hidden_roles(6, any_free=True).tolist()
    [0, 0, 0, 1, -1, 1]
    """
    roles = np.where(np.arange(n_units) % 2, -1, 1)
    n_free = n_units // 2 if any_free else 0
    return np.concatenate([np.zeros(n_free), roles[: n_units - n_free]]).astype(np.int8)


def limits(roles: Sequence[np.ndarray]) -> list[Limits]:
    """The limits of the weights between consecutive layers, given the roles of each layer.

    Examples
    --------
    >>> (low, high), = limits([np.array([1, 0]), np.array([0, 1, -1])])
    >>> low.tolist(), high.tolist()
    ([[0.0, 0.0, -inf], [-inf, -inf, -inf]], [[0.0, inf, 0.0], [inf, inf, inf]])
    """
    found = []
    for above, below in pairwise(roles):
        sign, free = np.multiply.outer(above, below), above[:, None] == 0
        low = np.where(free | (sign < 0), -np.inf, 0)
        high = np.where(free | (sign > 0), np.inf, 0)
        found.append((low.astype(np.float32), high.astype(np.float32)))
    return found


def reaches(weights: Sequence[np.ndarray], rising: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each output can rise, and whether it can fall, as a set of inputs rises.

    Parameters
    ----------
    weights : list of arrays of shape (fan_in, fan_out)
        The weights of each layer, with a rising activation between them.
    rising : bool array of shape (m, n_inputs)
        The inputs of each of m sets.

    Returns
    -------
    can_rise, can_fall : bool arrays of shape (m, n_outputs)
        Whether there is a path of that sign. Where there is none, no row exists on which the output moves that way.

    Examples
    --------
    >>> first, second = np.array([[1.0, 0.0], [-1.0, 1.0]]), np.array([[2.0], [0.5]])
    >>> can_rise, can_fall = reaches([first, second], np.eye(2, dtype=bool))
    >>> can_rise.ravel().tolist(), can_fall.ravel().tolist()
    ([True, True], [False, True])
    """
    up, down = rising, np.zeros_like(rising)
    for layer in weights:
        positive, negative = ~(layer <= 0), ~(layer >= 0)  # NaN could be either
        up, down = (up @ positive) | (down @ negative), (up @ negative) | (down @ positive)
    return up, down
