"""How large the MLP is and how long it learns: as requested, or as the teacher needs."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_scalar

# The hidden layers of "auto"; and of the wider network, which has so many times the knots, the units of the first layer
# that are tried, and the most weights.
_USUAL, _WIDER, _MORE_KNOTS, _MOST_WEIGHTS = (64, 32), (256, 224, 192, 160), 3, 60_000
_LEAST_WIDE = 128
# The rows that each passes over in total; first the usual one does so briefly.
_BRIEF_ROWS, _USUAL_ROWS, _WIDER_ROWS = 1_000_000, 2_000_000, 500_000
# A student may leave this share of the teacher's answers unexplained; if labels are far from the answers, this share of
# that distance; of a table with few rows, which show a teacher only roughly, this over their number; all up to a bound.
_MOST_UNEXPLAINED, _MOST_OF_NOISE, _MOST_FOR_FEW, _MOST_AT_ALL = 0.015, 0.15, 8, 0.2


class Size(NamedTuple):
    """How large a network is, and how long it learns.

    Attributes
    ----------
    hidden_layer_sizes : tuple of int or None
        Number of units of each hidden layer; None for as many as the input allows.
    n_knots, max_units : int
        Parameters of `TableEncoder`.
    weight_bits : int
        Bits of a weight in the file.
    rows_in_all : int
        How many rows ``max_iter="auto"`` passes over in total.
    """

    hidden_layer_sizes: tuple[int, ...] | None
    n_knots: int
    max_units: int
    weight_bits: int
    rows_in_all: int = _USUAL_ROWS

    @classmethod
    def of(cls, hidden_layer_sizes: str | int | Sequence[int], n_knots: int, max_units: int, weight_bits: int) -> Size:
        """The size that parameters ask for, checked to be whole numbers from 1; with "auto", the usual one."""
        if isinstance(hidden_layer_sizes, str):
            return cls(_USUAL, n_knots, max_units, weight_bits)
        sizes = np.atleast_1d(hidden_layer_sizes)
        checked = tuple(int(check_scalar(size, "hidden_layer_sizes", Integral, min_val=1)) for size in sizes)
        return cls(checked, n_knots, max_units, weight_bits)

    def brief(self) -> Size:
        """The same with little training."""
        return self._replace(rows_in_all=_BRIEF_ROWS)

    def wider(self) -> Size:
        """The size of the wider network."""
        more = (_MORE_KNOTS - 1) * self.n_knots
        return Size(None, self.n_knots + more, self.max_units + more, self.weight_bits, _WIDER_ROWS)

    def layers(self, n_inputs: int) -> tuple[int, ...]:
        """The units of each hidden layer for a number of inputs."""
        if self.hidden_layer_sizes is not None:
            return self.hidden_layer_sizes
        fitting = (width for width in _WIDER if width * (n_inputs + width // 2) <= _MOST_WEIGHTS)
        width = next(fitting, _LEAST_WIDE)
        return width, width // 2


def most_unexplained(noise: float, n_real: int) -> float:
    """The share of the teacher's answers that a student may leave unexplained.

    Parameters
    ----------
    noise : float
        That of a `SoftStream`.
    n_real : int
        The number of real rows.
    """
    return min(max(_MOST_UNEXPLAINED, _MOST_OF_NOISE * noise, _MOST_FOR_FEW / n_real), _MOST_AT_ALL)
