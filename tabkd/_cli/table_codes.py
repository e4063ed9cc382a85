"""A table as the matrix that scikit-learn teachers take."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from tabkd._tables.schema import TableSchema


class TableCodes(TransformerMixin, BaseEstimator):
    """A table as float codes: numbers as they are, categories by position, NaN for missing and unseen.

    Parameters
    ----------
    as_frame : bool, default=False
        Give a frame whose categorical columns have pandas' category dtype, as LightGBM wants them, and not
        a matrix.

    Attributes
    ----------
    schema_ : TableSchema
    """

    def __init__(self, as_frame: bool = False):
        self.as_frame = as_frame

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the columns of `X`."""
        self.schema_ = TableSchema.of(X)
        return self

    def transform(self, X: Any) -> Any:
        """The codes of `X`, of shape (n, d)."""
        check_is_fitted(self)
        # A copy: the codes of a frame of floats are the frame's own values.
        codes, categorical = np.array(self.schema_.encode(X)), self.schema_.positions("categorical")
        for i in categorical:
            codes[codes[:, i] >= len(self.schema_.columns[i].categories), i] = np.nan
        # scikit-learn's histogram gradient boosting has no bins for a column without a value.
        codes[:, [np.isnan(column.low) for column in self.schema_.columns]] = 0
        if not self.as_frame:
            return codes
        frame = pd.DataFrame(codes, columns=[f"column_{i}" for i in range(codes.shape[1])])
        levels = {i: pd.RangeIndex(len(self.schema_.columns[i].categories)) for i in categorical}
        return frame.astype({f"column_{i}": pd.CategoricalDtype(level) for i, level in levels.items()})
