"""What an augmenter is: it learns a table and draws further rows of the same table."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from tabkd.table import TableSchema


class Augmenter(BaseEstimator):
    """Base class: subclasses say how codes are learnt and how rows are drawn from them.

    Rows are drawn on codes (see `tabkd.table`) and brought back into the table's own form here, so that whole numbers stay
    whole, bounds hold, and a category is always one that was seen.
    """

    def fit(self, X, y=None):
        """Learn the table `X` of shape (n, d).

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
        y : ignored

        Returns
        -------
        self
        """
        validate_data(self, X, skip_check_array=True)
        schema = TableSchema.of(X)
        return self.fit_codes(schema, schema.encode(X))

    def fit_codes(self, schema: TableSchema, codes: np.ndarray):
        """Learn the codes, float64 of shape (n, d), of a table with this schema."""
        self._validate_params()
        self.schema_ = schema
        self._fit(codes)
        return self

    def sample(self, n_samples: int, random_state=None):
        """Draw `n_samples` rows in the form of the table at fit: same columns, dtypes and categories."""
        check_is_fitted(self)
        return self.schema_.decode(self.sample_codes(n_samples, random_state))

    def sample_codes(self, n_samples: int, random_state=None) -> np.ndarray:
        """Draw the codes of `n_samples` rows, float64 of shape (n_samples, d)."""
        check_is_fitted(self)
        codes = self._sample(n_samples, check_random_state(random_state))
        return self._within_table(codes)

    def _within_table(self, codes: np.ndarray) -> np.ndarray:
        """Round whole numbers and hold every value to the range seen at fit; NaN stays."""
        for i, column in enumerate(self.schema_.columns):
            if column.kind == "numeric":
                if column.integer:
                    np.round(codes[:, i], out=codes[:, i])
                np.clip(codes[:, i], column.low, column.high, out=codes[:, i])
        return codes

    @abstractmethod
    def _fit(self, codes: np.ndarray) -> None: ...

    @abstractmethod
    def _sample(self, n_samples: int, rng: np.random.RandomState) -> np.ndarray: ...
