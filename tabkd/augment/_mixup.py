"""Rows between two rows of the table."""

from __future__ import annotations

from numbers import Real

import numpy as np

from tabkd._sklearn import Interval
from tabkd.augment._augmenter import Augmenter, base_rows


class Mixup(Augmenter):
    r"""Mix pairs of random rows of the table, after Zhang et al.

    Only rows are mixed, not their labels: in a distillation the teacher labels the mixed rows.

    Parameters
    ----------
    alpha : float, default=0.2
        Both parameters of the Beta distribution from which the share of the first row is drawn. With a small value
        most mixed rows are close to one of the two rows.

    Notes
    -----
    :math:`\tilde x = \lambda x_i + (1 - \lambda) x_j` with
    :math:`\lambda \sim \mathrm{Beta}(\alpha, \alpha)`, one for each row drawn. A category, or a number that
    is missing in one of the two rows, is taken from row i with probability :math:`\lambda` and from row j otherwise.

    References
    ----------
    H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
    Section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.augment import Mixup
    >>> X = np.array([[0.5, -0.5], [2.5, -2.5]])
    >>> rows = Mixup(alpha=1.0).fit(X).sample(100, random_state=0)
    >>> bool(np.allclose(rows[:, 0], -rows[:, 1]))
    True
    """

    treats_columns_alike = True
    _parameter_constraints = {"alpha": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, *, alpha: float = 0.2) -> None:
        self.alpha = alpha

    def _fit(self, codes: np.ndarray) -> None:
        self._codes = codes

    def _sample(self, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
        one = self._codes[base_rows(len(self._codes), n_samples, rng)]
        other = self._codes[rng.randint(len(self._codes), size=n_samples)]
        share = rng.beta(self.alpha, self.alpha, size=(n_samples, 1))
        mixed = share * one + (1.0 - share) * other
        taken = np.isnan(mixed)
        taken[:, self.schema_.positions("categorical")] = True
        from_one = rng.random_sample(mixed.shape) < share
        return np.where(taken, np.where(from_one, one, other), mixed)
