"""MUNGE: rows between a row and one of its nearest neighbours."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from numbers import Integral, Real

import numpy as np

from tabkd._blocks import row_blocks
from tabkd._sklearn import N_JOBS, Interval
from tabkd._threads import n_threads
from tabkd.augment._augmenter import Augmenter, base_rows
from tabkd.augment._neighbours import distinct_neighbours


class Munge(Augmenter):
    r"""Draw rows between a row and a near neighbour, after Buciluă, Caruana and Niculescu-Mizil.

    The rows follow the joint distribution of the columns closely, because all values of a row come from one small
    neighbourhood. Three quarters of the rows of `Mixture`, the default of the distilled estimators, are drawn this way.

    Parameters
    ----------
    p : float, default=0.5
        Probability with which each value of a row is replaced.
    s : float, default=1.0
        Local variance parameter: a number is drawn with standard deviation abs(e - e') / s.
    n_neighbors : int, default=3
        Number of nearest distinct rows from which the neighbour is chosen at random, for each row drawn. The paper
        uses 1.
    n_jobs : int or None, default=None
        Threads; None for all cores.

    Notes
    -----
    Let e be a row and e' its neighbour. With probability p, each attribute a of e changes: a nominal value
    becomes the neighbour's, and a number is drawn from a normal distribution with mean :math:`e'_a` and standard
    deviation :math:`|e_a - e'_a| / s`. A number that is missing in one of the two rows is treated as nominal, so
    that values are missing where they are missing in the data. The paper's algorithm changes e and e' together;
    here only e changes, and e' has its own turn. Within one call of `sample` no row has a second turn before
    every row has had its first.

    Duplicates of a row do not count as its neighbours, since they would only reproduce the row. The search is
    approximate beyond 1024 distinct rows, takes O(n log n) time, and does not depend on the random state.

    References
    ----------
    C. Buciluă, R. Caruana, A. Niculescu-Mizil, "Model Compression", KDD 2006, algorithm MUNGE.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.augment import Munge
    >>> X = np.array([[0.0, 10.5], [1.0, 11.5], [2.0, 12.5]])
    >>> rows = Munge().fit(X).sample(100, random_state=0)
    >>> rows.shape, bool(rows.min() >= 0.0), bool(rows.max() <= 12.5)
    ((100, 2), True, True)
    """

    treats_columns_alike = True
    _parameter_constraints = {
        "p": [Interval(Real, 0, 1, closed="both")],
        "s": [Interval(Real, 0, None, closed="neither")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": N_JOBS,
    }

    def __init__(self, *, p: float = 0.5, s: float = 1.0, n_neighbors: int = 3, n_jobs: int | None = None) -> None:
        self.p = p
        self.s = s
        self.n_neighbors = n_neighbors
        self.n_jobs = n_jobs

    def _fit(self, codes: np.ndarray) -> None:
        self._codes = codes
        self._neighbours = distinct_neighbours(self.schema_, codes, self.n_neighbors, self.n_jobs)

    def _sample(self, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
        rows = base_rows(len(self._codes), n_samples, rng)
        choice = rng.randint(self._neighbours.shape[1], size=n_samples)
        drawn = np.empty((n_samples, self._codes.shape[1]))
        blocks = list(row_blocks(drawn.shape))
        touched = [rng.random_sample(drawn[block].shape) < self.p for block in blocks]
        noise = (rng.standard_normal(drawn[block].shape) for block in blocks)

        def fill(block: slice, touched: np.ndarray, noise: np.ndarray) -> None:
            own = self._codes[rows[block]]
            beside = self._beside(own, self._codes[self._neighbours[rows[block], choice[block]]], noise)
            drawn[block] = np.where(touched, beside, own)

        # The threads fill blocks while this one draws the noise of the next.
        with ThreadPoolExecutor(n_threads(self.n_jobs)) as threads:
            for _ in threads.map(fill, blocks, touched, noise):
                pass
        return drawn

    def _beside(self, own: np.ndarray, other: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """The values that may replace those of rows `own` whose neighbours are `other`."""
        # `sample_codes` clips what overflows to the range of the table.
        with np.errstate(over="ignore", invalid="ignore"):
            spread = np.abs(own - other) / self.s
            spread[np.isnan(spread)] = 0.0
            spread[:, self.schema_.positions("categorical")] = 0.0
            return other + spread * noise
