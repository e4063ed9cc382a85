"""The base class of augmenters, which learn a table and draw further rows of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from tabkd._sklearn import validate_params
from tabkd._tables.column import Column
from tabkd._tables.schema import TableSchema
from tabkd._typing import RandomState, TableLike
from tabkd._validation import TakesTables, check_table

#: dtypes narrower than the codes, by the names that pandas, polars and Arrow give them.
_NARROW_FLOATS = {
    "float32": np.float32,
    "float16": np.float16,
    "float[pyarrow]": np.float32,
    "halffloat[pyarrow]": np.float16,
}


#: Draws the codes of a number of rows.
Draw = Callable[[int, np.random.RandomState], np.ndarray]


class Augmenter(TakesTables, BaseEstimator):
    """Base class of the augmenters: they learn a table and draw further rows of the same table.

    A subclass implements two methods: ``_fit(codes)`` learns from an array of codes, float64 of shape (n, d), and
    ``_sample(n_samples, rng)`` draws codes, float64 of shape (n_samples, d), by a `numpy.random.RandomState`. A code
    is the value of a numeric column or the position of a category; NaN is a missing value. The base class converts
    tables to codes and back, so that whole numbers stay whole, values stay within the range seen at fit, and a category
    is always one that was seen.

    Attributes
    ----------
    schema_ : TableSchema
        The columns of the table at fit: names, dtypes, categories and ranges.
    treats_columns_alike : bool
        Whether each column is drawn by the same rule, so that a distilled estimator may give it only some columns of a
        wide table: those on which the teacher's answers depend. False unless a subclass sets it.

    Examples
    --------
    An augmenter that draws rows of the table with replacement:

    >>> import numpy as np
    >>> from tabkd.augment import Augmenter
    >>> class Bootstrap(Augmenter):
    ...     def _fit(self, codes):
    ...         self._codes = codes
    ...
    ...     def _sample(self, n_samples, rng):
    ...         return self._codes[rng.randint(len(self._codes), size=n_samples)]
    >>> Bootstrap().fit(np.array([[0.5, 1.0], [1.5, 2.0]])).sample(3, random_state=0)
    array([[0.5, 1. ],
           [1.5, 2. ],
           [1.5, 2. ]])
    """

    _parameter_constraints: dict[str, list] = {}
    treats_columns_alike = False

    def fit(self, X: TableLike, y: Any = None) -> Self:
        """Learn a table.

        Parameters
        ----------
        X : pandas or polars frame, or array of shape (n, d)
            The rows to learn from: numbers, strings, categories and missing values.
        y : object, optional
            Ignored; part of scikit-learn's interface.

        Returns
        -------
        self : Augmenter
            The fitted augmenter.

        Raises
        ------
        ValueError
            If a parameter or the table is invalid.
        """
        X = check_table(self, X)
        schema = TableSchema.of(X)
        return self.fit_codes(schema, schema.encode(X))

    def fit_codes(self, schema: TableSchema, codes: np.ndarray) -> Self:
        """Learn a table from its codes.

        Rows that do not fit the schema are left out: those with an unseen category, or with a missing value in a
        column that has none.

        Parameters
        ----------
        schema : TableSchema
            The columns of the table.
        codes : ndarray of shape (n, d), float64
            The rows, encoded by `schema`. They are never changed, and kept without a copy if they are C-contiguous.

        Returns
        -------
        self : Augmenter
            The fitted augmenter.

        Raises
        ------
        ValueError
            If a parameter is invalid or no row is left.
        """
        validate_params(self)
        self.schema_ = schema
        # Augmenters draw whole rows, whose values would be far apart in memory in the columns of a frame.
        codes = np.ascontiguousarray(_rows_of_the_table(schema, codes))
        numeric = schema.positions("numeric")
        self._whole = np.array([i for i in numeric if _is_whole(schema.columns[i], codes[:, i])], dtype=np.int64)
        self._fit(codes)
        return self

    def sample(self, n_samples: int, random_state: RandomState = None) -> Any:
        """Draw rows in the form of the table at fit.

        Parameters
        ----------
        n_samples : int
            Number of rows. Memory grows with it: draw many rows in chunks, each with the same `RandomState` instance.
        random_state : int, RandomState instance or None, default=None
            Seed, or generator of the random numbers.

        Returns
        -------
        pandas or polars frame, or array of shape (n_samples, d)
            The rows, with the columns, dtypes and categories of the table at fit.

        Raises
        ------
        ValueError
            If `n_samples` is negative.
        sklearn.exceptions.NotFittedError
            If the augmenter is not fitted.
        """
        codes = self.sample_codes(n_samples, random_state)
        return self.schema_.decode(codes)

    def sample_codes(self, n_samples: int, random_state: RandomState = None) -> np.ndarray:
        """Draw rows as codes.

        Parameters
        ----------
        n_samples : int
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Seed, or generator of the random numbers.

        Returns
        -------
        ndarray of shape (n_samples, d), float64
            Codes that `schema_` decodes.

        Raises
        ------
        ValueError
            If `n_samples` is negative.
        sklearn.exceptions.NotFittedError
            If the augmenter is not fitted.
        """
        check_is_fitted(self)
        n_samples = check_scalar(n_samples, "n_samples", (int, np.integer), min_val=0)
        # A copy, because `_sample` may return rows of the table.
        codes = np.array(self._sample(n_samples, check_random_state(random_state)), dtype=np.float64)
        check_drawn(self, codes, (n_samples, len(self.schema_.columns)))
        return self._within_table(codes)

    def _within_table(self, codes: np.ndarray) -> np.ndarray:
        """Round whole numbers and clip every value to the range seen at fit and to its dtype; NaN stays."""
        codes[:, self._whole] = np.round(codes[:, self._whole]) + 0.0  # no -0
        for i, column in enumerate(self.schema_.columns):
            if column.kind == "categorical":
                self._check_categories(codes[:, i], column)
            else:
                np.clip(codes[:, i], column.low, column.high, out=codes[:, i])
                narrow = _NARROW_FLOATS.get(str(column.dtype).lower())
                if narrow is not None:
                    codes[:, i] = codes[:, i].astype(narrow)
        return codes

    def _check_categories(self, drawn: np.ndarray, column: Column) -> None:
        known = np.isnan(drawn) | np.isin(drawn, np.arange(len(column.categories)))
        if not known.all():
            raise ValueError(
                f"augmenter {type(self).__name__} drew {drawn[~known][0]} for column {column.name!r}, but the "
                f"positions of its categories are whole numbers from 0 to {len(column.categories) - 1}."
            )

    @abstractmethod
    def _fit(self, codes: np.ndarray) -> None: ...

    @abstractmethod
    def _sample(self, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
        """Draw codes into a new array; `sample_codes` rounds and clips them."""


def fitted_draw(augmenter: Any, schema: TableSchema, codes: np.ndarray) -> Draw:
    """Fit a copy of an augmenter on the codes of a table, and return the function that draws the codes of new rows.

    Parameters
    ----------
    augmenter : Augmenter, or object with `fit(X)` and `sample(n_samples, random_state)`
        An object that is not an `Augmenter` gets the table itself, not its codes.
    schema : TableSchema
        The columns of the table.
    codes : ndarray of shape (n, d), float64
        The rows of the table, encoded by `schema`.
    """
    if hasattr(augmenter, "fit_codes"):
        return clone(augmenter).fit_codes(schema, codes).sample_codes
    fitted = clone(augmenter, safe=False).fit(schema.decode(codes))

    def draw(n_samples: int, rng: np.random.RandomState) -> np.ndarray:
        drawn = schema.encode(fitted.sample(n_samples, random_state=rng))
        check_drawn(augmenter, drawn, (n_samples, len(schema.columns)))
        return drawn

    return draw


def check_drawn(augmenter: Any, codes: np.ndarray, expected: tuple[int, int]) -> None:
    """Refuse codes of another shape than was asked for.

    Raises
    ------
    ValueError
    """
    if codes.shape != expected:
        raise ValueError(
            f"augmenter {type(augmenter).__name__} drew rows of shape {codes.shape}, but {expected} is expected: as "
            "many rows as asked for, with the columns of the table."
        )


def base_rows(n_rows: int, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
    """Positions of `n_samples` rows in random order; no row occurs more than once more often than another."""
    times, rest = divmod(n_samples, n_rows)
    rows = np.concatenate([np.tile(np.arange(n_rows), times), rng.permutation(n_rows)[:rest]])
    rng.shuffle(rows)
    return rows


def _is_whole(column: Column, values: np.ndarray) -> bool:
    """Whether a numeric column has whole numbers only, by its dtype or by its values."""
    seen = values[~np.isnan(values)]
    return column.integer or bool(np.all(seen == np.round(seen)))


def _rows_of_the_table(schema: TableSchema, codes: np.ndarray) -> np.ndarray:
    """The rows that fit the schema."""
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
