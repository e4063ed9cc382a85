"""What a student is: a regressor on soft targets that can learn from a stream of rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from tabkd._sklearn import validate_params
from tabkd._tables.schema import TableSchema
from tabkd._validation import TakesTables, check_table, check_targets
from tabkd._weights import check_weights


@dataclass(frozen=True)
class SoftRows:
    """Rows with their targets: codes (n, d), targets (n, K) and weights (n,), all of one length."""

    codes: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows) -> SoftRows:
        """The given rows, in the given order."""
        return SoftRows(self.codes[rows], self.targets[rows], self.weights[rows])

    @staticmethod
    def concatenate(parts: list[SoftRows]) -> SoftRows:
        """The rows of all parts, one after the other."""
        return SoftRows(
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.weights for part in parts]),
        )


class SoftStream:
    """Labelled synthetic rows, made chunk by chunk when they are asked for.

    Parameters
    ----------
    n_rows : int
        How many rows the stream gives in all.
    chunks : iterable of SoftRows
    """

    def __init__(self, n_rows: int = 0, chunks: Iterable[SoftRows] = ()):
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
    """What `skl2onnx` looks for on a model, so that it converts ours without being told of them."""

    def onnx_parser(self):
        """What `skl2onnx` asks for: the outputs of the converted model."""
        from tabkd.onnx import _skl as skl

        return skl.parser(self)

    def onnx_shape_calculator(self):
        """What `skl2onnx` asks for: the types of the outputs."""
        from tabkd.onnx import _skl as skl

        return skl.shape_calculator(self)

    def onnx_converter(self):
        """What `skl2onnx` asks for: the nodes."""
        from tabkd.onnx import _skl as skl

        return skl.converter(self)

    def __sklearn_tags__(self):
        from tabkd.onnx._skl import allow_options

        allow_options(type(self))
        return super().__sklearn_tags__()  # type: ignore[misc]


class Student(Convertible, RegressorMixin, TakesTables, BaseEstimator):
    """Base class: checks the input, and hands codes and targets to the subclass.

    Attributes
    ----------
    schema_ : TableSchema
    n_outputs_ : int
        The number K of target columns.
    task_ : {"classification", "regression"}
        "classification" where every row of the targets is a distribution.
    """

    def fit(self, X, y, sample_weight=None):
        """Learn to predict the targets.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
        y : array of shape (n, K) or (n,)
            Class probabilities, or real values.
        sample_weight : array of shape (n,), optional

        Returns
        -------
        self
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

    def fit_stream(self, schema: TableSchema, real: SoftRows, synthetic: SoftStream):
        """Learn from the real rows and from a stream of synthetic ones.

        Parameters
        ----------
        schema : TableSchema
            What the codes mean.
        real : SoftRows
        synthetic : SoftStream
            Read once; memory need not hold it whole.

        Returns
        -------
        self
        """
        validate_params(self)
        self.schema_ = schema
        self.n_outputs_ = real.targets.shape[1]
        self.task_ = "classification" if is_simplex(real.targets) else "regression"
        self._fit_rows(real, synthetic)
        return self

    def predict(self, X):
        """Predict the targets of the rows of `X`: float64 of shape (n, K), or (n,) if they were 1-D at fit."""
        check_is_fitted(self)
        X = check_table(self, X, reset=False)
        return self._shaped(self.predict_codes(self.schema_.encode(X)))

    @abstractmethod
    def _fit_rows(self, real: SoftRows, synthetic: SoftStream) -> None: ...

    @abstractmethod
    def predict_codes(self, codes: np.ndarray) -> np.ndarray:
        """Predict the targets, float64 (n, K), of codes (n, d)."""

    def _shaped(self, targets: np.ndarray) -> np.ndarray:
        return targets[:, 0] if getattr(self, "_one_dimensional", False) else targets

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
