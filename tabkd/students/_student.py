"""The base class of students: regressors on soft targets that can learn from a stream of rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from tabkd._sklearn import validate_params
from tabkd._tables.schema import TableSchema
from tabkd._typing import ColumnLike, TableLike
from tabkd._validation import TakesTables, check_table, check_targets
from tabkd._weights import check_weights


@dataclass(frozen=True)
class SoftRows:
    """Encoded rows with their targets and weights.

    Attributes
    ----------
    codes : ndarray of shape (n, d), float64
        Rows encoded by a `TableSchema`.
    targets : ndarray of shape (n, K)
        Class probabilities, or real values.
    weights : ndarray of shape (n,)
        Weights of the rows.
    """

    codes: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: np.ndarray) -> SoftRows:
        """The given rows in the given order.

        Parameters
        ----------
        rows : ndarray of int or bool
            Positions of rows, or a mask.

        Returns
        -------
        SoftRows
            The selected rows.
        """
        return SoftRows(self.codes[rows], self.targets[rows], self.weights[rows])

    @staticmethod
    def concatenate(parts: list[SoftRows]) -> SoftRows:
        """The rows of all parts, one part after the other.

        Parameters
        ----------
        parts : list of SoftRows
            At least one.

        Returns
        -------
        SoftRows
            All rows.
        """
        return SoftRows(
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.weights for part in parts]),
        )


class SoftStream:
    """Labelled synthetic rows, drawn chunk by chunk during iteration.

    Parameters
    ----------
    n_rows : int, default=0
        Number of rows of all chunks together.
    chunks : iterable of SoftRows, default=()
        The rows.
    """

    def __init__(self, n_rows: int = 0, chunks: Iterable[SoftRows] = ()) -> None:
        self.n_rows = n_rows
        self._chunks = chunks

    def __iter__(self) -> Iterator[SoftRows]:
        return iter(self._chunks)


def is_simplex(targets: np.ndarray) -> bool:
    """Whether every row of `targets` (n, K) is a probability distribution over two or more classes."""
    return bool(
        targets.ndim == 2
        and targets.shape[1] > 1
        and targets.min() >= 0
        and np.allclose(targets.sum(axis=1), 1, atol=1e-4)
    )


class Convertible:
    """The methods with which skl2onnx converts a model that is not registered with it."""

    def onnx_parser(self) -> Callable:
        """The parser that skl2onnx calls: it declares the outputs.

        Returns
        -------
        callable
            A parser of skl2onnx.
        """
        from tabkd.onnx import _skl as skl

        return skl.parser(self)

    def onnx_shape_calculator(self) -> Callable:
        """The shape calculator that skl2onnx calls: it sets the types of the outputs.

        Returns
        -------
        callable
            A shape calculator of skl2onnx.
        """
        from tabkd.onnx import _skl as skl

        return skl.shape_calculator(self)

    def onnx_converter(self) -> Callable:
        """The converter that skl2onnx calls: it writes the nodes.

        Returns
        -------
        callable
            A converter of skl2onnx.
        """
        from tabkd.onnx import _skl as skl

        return skl.converter(self)

    def __sklearn_tags__(self) -> Tags:
        from tabkd.onnx._skl import allow_options

        allow_options(type(self))
        return super().__sklearn_tags__()  # type: ignore[misc]


class Student(Convertible, RegressorMixin, TakesTables, BaseEstimator):
    """Base class of the students: it checks the input, and passes codes and targets to the subclass.

    Attributes
    ----------
    schema_ : TableSchema
        The columns of the table at fit.
    n_outputs_ : int
        Number K of target columns.
    task_ : {"classification", "regression"}
        "classification" if every row of the targets at fit was a probability distribution.
    """

    def fit(self, X: TableLike, y: ColumnLike, sample_weight: ColumnLike | None = None) -> Self:
        """Learn to predict the targets.

        Parameters
        ----------
        X : pandas or polars frame, or array of shape (n, d)
            The rows to learn from.
        y : array of shape (n, K) or (n,)
            Class probabilities, or real values.
        sample_weight : array of shape (n,) or None, default=None
            Weights of the rows; None weights all rows equally.

        Returns
        -------
        self : Student
            The fitted student.

        Raises
        ------
        ValueError
            If a parameter, the table, the targets or the weights are invalid.
        """
        X = check_table(self, X)
        schema = TableSchema.of(X)
        codes = schema.encode(X)
        targets = check_targets(self, y, ravel=False)
        check_consistent_length(codes, targets)
        weights = check_weights(sample_weight, codes)
        self._one_dimensional = targets.ndim == 1
        rows = SoftRows(codes, targets.reshape(len(targets), -1), weights)
        return self.fit_stream(schema, rows, SoftStream())

    def fit_stream(self, schema: TableSchema, real: SoftRows, synthetic: SoftStream) -> Self:
        """Learn from real rows and from a stream of synthetic rows.

        Parameters
        ----------
        schema : TableSchema
            The columns of the table, with which the codes are encoded.
        real : SoftRows
            The rows of the table with their soft targets.
        synthetic : SoftStream
            Synthetic rows with their soft targets. The stream is read once, chunk by chunk.

        Returns
        -------
        self : Student
            The fitted student.

        Raises
        ------
        ValueError
            If a parameter is invalid or a number of the table is beyond float32.
        """
        validate_params(self)
        self.schema_ = schema
        self.n_outputs_ = real.targets.shape[1]
        self.task_ = "classification" if is_simplex(real.targets) else "regression"
        self._fit_rows(real, synthetic)
        return self

    def predict(self, X: TableLike) -> np.ndarray:
        """Predict the targets.

        Parameters
        ----------
        X : pandas or polars frame, or array of shape (n, d)
            A table with the columns of the one at fit, in any order if they have names.

        Returns
        -------
        ndarray of shape (n, K) or (n,), float64
            Class probabilities, or real values; one-dimensional if the targets were so at fit.

        Raises
        ------
        ValueError
            If a column is missing or has values of another kind than at fit.
        sklearn.exceptions.NotFittedError
            If the student is not fitted.
        """
        check_is_fitted(self)
        X = check_table(self, X, reset=False)
        return self._shaped(self.predict_codes(self.schema_.encode(X)))

    @abstractmethod
    def _fit_rows(self, real: SoftRows, synthetic: SoftStream) -> None: ...

    @abstractmethod
    def predict_codes(self, codes: np.ndarray) -> np.ndarray:
        """Predict the targets of encoded rows.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, K), float64
            Class probabilities, or real values.
        """

    def _shaped(self, targets: np.ndarray) -> np.ndarray:
        return targets[:, 0] if getattr(self, "_one_dimensional", False) else targets

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
