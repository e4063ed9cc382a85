"""Rows of which an augmenter draws only some columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tabkd.augment._augmenter import Augmenter, base_rows, fitted_draw


class OfColumns(Augmenter):
    """Draw some columns; each row has all others from one row of the table.

    If a teacher hardly depends on some columns of a wide table, near rows should be near in the other columns; they
    then also take less time to find and to draw.

    Parameters
    ----------
    augmenter : Augmenter
        Draws the columns; it does not see the others.
    columns : sequence of int
        Their positions.

    Examples
    --------
    >>> from tabkd.augment import Munge
    >>> X = np.array([[0.5, 10.0], [1.5, 20.0], [2.5, 30.0]])
    >>> rows = OfColumns(Munge(), [0]).fit(X).sample(100, random_state=0)
    >>> len(set(rows[:, 0])), np.unique(rows[:, 1])
    (26, array([10., 20., 30.]))
    """

    def __init__(self, augmenter: Augmenter, columns: np.ndarray) -> None:
        self.augmenter = augmenter
        self.columns = columns

    def _fit(self, codes: np.ndarray) -> None:
        self._codes = codes
        schema = replace(self.schema_, columns=tuple(self.schema_.columns[i] for i in self.columns), _position={})
        self._draw = fitted_draw(self.augmenter, schema, codes[:, self.columns])

    def _sample(self, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
        drawn = self._codes[base_rows(len(self._codes), n_samples, rng)]
        drawn[:, self.columns] = self._draw(n_samples, rng)
        return drawn

    def _within_table(self, codes: np.ndarray) -> np.ndarray:
        """The codes as they are: the augmenter has rounded and clipped its own."""
        return codes
