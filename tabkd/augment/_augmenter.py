"""What an augmenter is: it learns a table and draws further rows of the same table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from tabkd._sklearn import validate_params
from tabkd._tables.column import Column
from tabkd._tables.schema import TableSchema
from tabkd._validation import TakesTables, check_table

#: dtypes narrower than the codes, by the names that pandas, polars and Arrow give them.
_NARROW_FLOATS = {
    "float32": np.float32,
    "float16": np.float16,
    "float[pyarrow]": np.float32,
    "halffloat[pyarrow]": np.float16,
}


#: Draws the codes of so many rows.
Draw = Callable[[int, np.random.RandomState], np.ndarray]


class Augmenter(TakesTables, BaseEstimator):
    """Base class: subclasses say how codes are learnt and how rows are drawn from them.

    Rows are drawn on codes (see `tabkd._tables.schema`) and brought back into the table's own form here, so that
    whole numbers stay whole, bounds hold, and a category is always one that was seen.
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
        X = check_table(self, X)
        schema = TableSchema.of(X)
        return self.fit_codes(schema, schema.encode(X))

    def fit_codes(self, schema: TableSchema, codes: np.ndarray):
        """Learn the codes, float64 of shape (n, d), of a table with this schema.

        Rows that the table at hand could not have, with an unseen category or a missing value in a column
        without any, are left out. The codes are kept, not copied, and never written to.

        Raises
        ------
        ValueError
            If no row is left.
        """
        validate_params(self)
        self.schema_ = schema
        codes = _rows_of_the_table(schema, codes)
        numeric = schema.positions("numeric")
        self._whole = np.array([i for i in numeric if _is_whole(schema.columns[i], codes[:, i])], dtype=np.int64)
        self._fit(codes)
        return self

    def sample(self, n_samples: int, random_state=None):
        """Draw `n_samples` rows in the form of the table at fit: same columns, dtypes and categories.

        Parameters
        ----------
        n_samples : int
            Memory grows with it: draw many rows in chunks, passing one `RandomState` on.
        random_state : int, RandomState or None

        Returns
        -------
        pandas or polars frame or array of shape (n_samples, d)
        """
        codes = self.sample_codes(n_samples, random_state)
        return self.schema_.decode(codes)

    def sample_codes(self, n_samples: int, random_state=None) -> np.ndarray:
        """Draw the codes of `n_samples` rows, float64 of shape (n_samples, d)."""
        check_is_fitted(self)
        n_samples = check_scalar(n_samples, "n_samples", (int, np.integer), min_val=0)
        codes = self._sample(n_samples, check_random_state(random_state))
        return self._within_table(codes)

    def _within_table(self, codes: np.ndarray) -> np.ndarray:
        """Round whole numbers, hold every value to the range seen at fit and to its own dtype; NaN stays."""
        codes[:, self._whole] = np.round(codes[:, self._whole]) + 0.0  # no -0
        for i, column in enumerate(self.schema_.columns):
            if column.kind == "numeric":
                np.clip(codes[:, i], column.low, column.high, out=codes[:, i])
                narrow = _NARROW_FLOATS.get(str(column.dtype).lower())
                if narrow is not None:
                    codes[:, i] = codes[:, i].astype(narrow)
        return codes

    @abstractmethod
    def _fit(self, codes: np.ndarray) -> None: ...

    @abstractmethod
    def _sample(self, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
        """Draw codes into an array of their own; `sample_codes` rounds them and holds them to the range."""


def fitted_draw(augmenter, schema: TableSchema, codes: np.ndarray) -> Draw:
    """Fit a copy of an augmenter on the codes of a table, and return what draws the codes of so many rows.

    Parameters
    ----------
    augmenter : Augmenter, or object with `fit(X)` and `sample(n_samples, random_state)`
        The latter knows the table in its own form only.
    schema : TableSchema
    codes : ndarray of shape (n, d), float64
    """
    if hasattr(augmenter, "fit_codes"):
        return clone(augmenter).fit_codes(schema, codes).sample_codes
    fitted = clone(augmenter, safe=False).fit(schema.decode(codes))
    return lambda n_samples, rng: schema.encode(fitted.sample(n_samples, random_state=rng))


def base_rows(n_rows: int, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
    """Positions of `n_samples` rows in random order, each row as often as any other, or once more."""
    times, rest = divmod(n_samples, n_rows)
    rows = np.concatenate([np.tile(np.arange(n_rows), times), rng.permutation(n_rows)[:rest]])
    rng.shuffle(rows)
    return rows


def _is_whole(column: Column, values: np.ndarray) -> bool:
    """Whether a numeric column takes whole numbers only, by dtype or by what was seen."""
    seen = values[~np.isnan(values)]
    return column.integer or bool(np.all(seen == np.round(seen)))


def _rows_of_the_table(schema: TableSchema, codes: np.ndarray) -> np.ndarray:
    foreign = np.zeros(len(codes), dtype=bool)
    for i, column in enumerate(schema.columns):
        if column.kind == "categorical":
            foreign |= codes[:, i] >= len(column.categories)
        if not column.has_missing:
            foreign |= np.isnan(codes[:, i])
    if foreign.all():
        raise ValueError(
            f"None of the {len(codes)} rows can be learnt from: each has a category that is not in the "
            "schema, or a missing value in a column that has none. Fit on the table that the schema was "
            "learnt from."
        )
    return codes[~foreign] if foreign.any() else codes
