"""MUNGE: rows between a row and its near neighbours."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from tabkd._sklearn import N_JOBS, Interval
from tabkd.augment._augmenter import Augmenter, base_rows
from tabkd.augment._neighbours import distinct_neighbours


class Munge(Augmenter):
    r"""Draw rows from between near neighbours of the table, after Buciluă, Caruana and Niculescu-Mizil.

    Rows follow the joint distribution of the columns closely, for every attribute comes from one small
    neighbourhood. It is the greater part of the default of the distilled estimators, `Mixture`.

    Parameters
    ----------
    p : float, default=0.5
        Probability with which each attribute of a row is drawn anew.
    s : float, default=1.0
        Local variance parameter: a number is drawn with standard deviation abs(e - e') / s.
    n_neighbors : int, default=3
        The neighbour is one of this many nearest distinct rows, at random for each row drawn. The paper
        takes 1.
    n_jobs : int, optional
        Threads of the search for neighbours; None for all cores.

    Notes
    -----
    For a row e and its neighbour e', each attribute with probability p: a nominal value becomes
    the neighbour's, a number is drawn from :math:`N(e'_a, |e_a - e'_a| / s)`. A number that is missing in
    one of the two is treated as nominal, so that values are missing where they are missing in the data. The
    paper's algorithm changes e and e' together; here each row drawn starts from one row, and its neighbours
    start rows of their own. Rows start in turn: none is used again before all others were, within one call
    of `sample`.

    A duplicate of a row is no neighbour of it: it would give the row back. The search is approximate beyond
    1024 distinct rows, takes n log n, and does not depend on a random state.

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

    _parameter_constraints = {
        "p": [Interval(Real, 0, 1, closed="both")],
        "s": [Interval(Real, 0, None, closed="neither")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": N_JOBS,
    }

    def __init__(self, *, p=0.5, s=1.0, n_neighbors=3, n_jobs=None):
        self.p = p
        self.s = s
        self.n_neighbors = n_neighbors
        self.n_jobs = n_jobs

    def _fit(self, codes):
        self._codes = codes
        self._neighbours = distinct_neighbours(self.schema_, codes, self.n_neighbors, self.n_jobs)

    def _sample(self, n_samples, rng):
        rows = base_rows(len(self._codes), n_samples, rng)
        choice = rng.randint(self._neighbours.shape[1], size=n_samples)
        drawn = self._codes[rows]
        other = self._codes[self._neighbours[rows, choice]]
        untouched = rng.random_sample(drawn.shape) >= self.p
        # What leaves the range of floats is held to the table's by `sample_codes`.
        with np.errstate(over="ignore", invalid="ignore"):
            spread = np.abs(drawn - other) / self.s
            spread[np.isnan(spread)] = 0.0
            spread[:, self.schema_.positions("categorical")] = 0.0
            spread *= rng.standard_normal(drawn.shape)
            other += spread
        np.copyto(other, drawn, where=untouched)
        return other
