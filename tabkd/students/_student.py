"""The base class of students: regressors on soft targets that learn from a stream of rows and write their own graph."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from tabkd._monotone import check_single, directions
from tabkd._options import option
from tabkd._sklearn import validate_params
from tabkd._tables.schema import TableSchema
from tabkd._typing import ColumnLike, TableLike
from tabkd._validation import TakesTables, check_table, check_targets, learn_features
from tabkd._weights import check_weights
from tabkd.students._background import background_rows
from tabkd.students._explainable import Explainable
from tabkd.students._soft_rows import SoftRows, SoftStream, is_simplex
from tabkd.students._student_graph import StudentGraph

if TYPE_CHECKING:
    import pandas as pd


class Legend(NamedTuple):
    """What the targets of a student mean in the distilled estimator that it belongs to.

    Attributes
    ----------
    names : tuple of str
        The name of each class or value.
    predictions : callable
        Turns targets (n, K) into predictions (n, K), which differ with a temperature or a link.
    raw_factor, raw_offset : float, and array of shape (M,) or float
        The raw scores of the estimator are those of the student times the factor, plus the offset.
    """

    names: tuple[str, ...]
    predictions: Callable[[np.ndarray], np.ndarray]
    raw_factor: float = 1.0
    raw_offset: np.ndarray | float = 0.0


class Student(Explainable, StudentGraph, RegressorMixin, TakesTables, BaseEstimator, metaclass=ABCMeta):
    """Base class of students: it checks the input, and hands codes and targets to the subclass.

    A subclass learns in `_fit_rows`, predicts in `predict_codes` and writes its graph in `write_onnx`. It fits the
    encoder that reads the table as `encoder_`; without an encoder, it defines `front` and `edges` itself. Nothing else
    is needed to distil into it, to export it and to score its file.

    The graph computes in float32. Real targets may be so far from zero that float32 loses their differences: learn
    ``(targets - target_mean_) / target_scale_``, and let `write_values` write the inverse.

    Attributes
    ----------
    on_simplex : bool
        A class attribute, False by default: whether predicted probabilities are never negative and sum to one. If not,
        negative ones become zero, and each row is divided by its sum.
    answers_any_row : bool
        A class attribute, True by default: whether Python and the graph agree on any row, even with missing values,
        unseen categories or numbers up to 1e300. If not, the file is checked on real and synthetic rows only.
    schema_ : TableSchema
        What the codes mean. ``schema_.positions("numeric")`` and ``schema_.positions("categorical")`` are the positions
        of the columns of each kind. A code is a number, or a position in ``schema_.columns[i].categories``, whose
        length means an unseen category. A missing value is NaN.
    n_outputs_ : int
        Number K of target columns.
    task_ : {"classification", "regression"}
        "classification" if every row of the targets at fit was a probability distribution.
    target_mean_, target_scale_ : arrays of shape (K,)
        The mean and the standard deviation of real targets (1 for a constant one); zeros and ones for probabilities.
    background_ : array of shape (m, d), float64
        Codes of some real rows, at most 256, with which contributions compare a row.
    legend_ : Legend or None
        What the targets mean in the distilled estimator that the student belongs to, which sets it after the fit; None
        for a student that was fitted alone.
    monotonic_cst_ : int8 array of shape (d,)
        The direction of each column, from the parameter `monotonic_cst` of subclasses that take it: 1 where the
        prediction, for two classes the probability of the second, may only rise with the column, -1 where it may only
        fall, and 0 for a free column. A subclass that obeys them proves it in `proved_monotone`.

    Examples
    --------
    A ridge regression on the units of `TableEncoder`, for classes and for values of any size:

    >>> from sklearn.linear_model import Ridge
    >>> from tabkd.students import Student, TableEncoder, Tensors
    >>> class RidgeStudent(Student):
    ...     def _fit_rows(self, real, synthetic):
    ...         self.encoder_ = TableEncoder(random_state=0).fit_rows(self.schema_, real)
    ...         targets = (real.targets - self.target_mean_) / self.target_scale_
    ...         self.ridge_ = Ridge().fit(self.encoder_.transform_codes(real.codes), targets, real.weights)
    ...
    ...     def predict_codes(self, codes):
    ...         scores = self.ridge_.predict(self.encoder_.transform_codes(codes)).reshape(len(codes), -1)
    ...         return scores.astype(float) * self.target_scale_ + self.target_mean_
    ...
    ...     def write_onnx(self, graph, inputs):
    ...         units = self.encoder_.write_onnx(graph, inputs)
    ...         weights = self.ridge_.coef_.reshape(self.n_outputs_, -1).T
    ...         scores = graph.gemm(units, weights, self.ridge_.intercept_.reshape(-1))
    ...         return Tensors(self.write_values(graph, scores))
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from tabkd import DistilledRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> teacher = RandomForestRegressor(20, random_state=0)
    >>> model = DistilledRegressor(teacher, student=RidgeStudent(), n_synthetic=2000, random_state=0).fit(X, y)
    >>> proto = model.to_onnx()
    """

    _parameter_constraints: dict[str, list] = {}
    on_simplex = False
    answers_any_row = True
    legend_: Legend | None = None

    def fit(self, X: TableLike, y: ColumnLike, sample_weight: ColumnLike | None = None) -> Self:
        """Learn to predict the targets.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            Columns of numbers, booleans, strings or categories, with or without missing values.
        y : array of shape (n, K) or (n,)
            Class probabilities, or real values.
        sample_weight : array of shape (n,), optional
            Weights of the rows; equal by default.

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
            The rows of the table.
        synthetic : SoftStream
            Synthetic rows, read chunk by chunk: memory need not hold them all.

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
        learn_features(self, schema)
        self.schema_ = schema
        self.legend_ = None
        self.n_outputs_ = real.targets.shape[1]
        self.task_ = "classification" if is_simplex(real.targets) else "regression"
        self.monotonic_cst_ = directions(getattr(self, "monotonic_cst", None), schema)
        if self.monotonic_cst_.any():
            check_single(self.task_, self.n_outputs_)
        self.target_mean_, self.target_scale_ = _spread(real, self.task_)
        self.background_ = background_rows(real)
        self._fit_rows(real, synthetic)
        return self

    def predict(self, X: TableLike) -> np.ndarray:
        """Predict the targets.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            A table with the columns of the one at fit, in any order if they have names.

        Returns
        -------
        array of shape (n, K), float64
            Class probabilities, or real values; of shape (n,) if the targets were 1-D at fit.

        Raises
        ------
        ValueError
            If a column is missing or has values of another kind than at fit.
        sklearn.exceptions.NotFittedError
            If the student is not fitted.
        """
        check_is_fitted(self)
        X = check_table(self, X, reset=False)
        return self._shaped(predicted(self, self.schema_.encode(X)))

    def output_names(self, class_names: Sequence[str] | None = None) -> list[str]:
        """Name the outputs, for texts that people read.

        Parameters
        ----------
        class_names : sequence of str of shape (K,), optional
            Names to use instead.

        Returns
        -------
        list of str
            The names of the classes, if the student belongs to a distilled classifier; otherwise "class 0", "class 1"
            and so on, or "value" for one target.

        Raises
        ------
        ValueError
            If there are more or fewer names than outputs.
        """
        if class_names is not None:
            if isinstance(class_names, str):
                raise ValueError(f"{option('class_names')} is {class_names!r:.80}; expected a list of names.")
            if len(class_names) != self.n_outputs_:
                raise ValueError(
                    f"{option('class_names')} has {len(class_names)} names, but the student has {self.n_outputs_} "
                    "outputs. Give one for each, in the order of the columns of predict."
                )
            return [str(name) for name in class_names]
        if self.legend_ is not None:
            return list(self.legend_.names)
        if self.task_ == "regression" and self.n_outputs_ == 1:
            return ["value"]
        return [f"{'class' if self.task_ == 'classification' else 'value'} {k}" for k in range(self.n_outputs_)]

    def predictions_of(self, targets: np.ndarray) -> np.ndarray:
        """Turn targets into predictions of the distilled estimator that the student belongs to.

        Parameters
        ----------
        targets : ndarray of shape (n, K)
            Targets.

        Returns
        -------
        ndarray of shape (n, K)
            The same, unless the estimator has a temperature other than 1 or a link other than the identity.
        """
        return targets if self.legend_ is None else self.legend_.predictions(targets)

    def rules_frame(self) -> pd.DataFrame | None:
        """The rules that the metadata of an exported file holds, and `tabkd inspect` prints.

        Returns
        -------
        pandas.DataFrame or None
            One rule in each row; None for a student that has no rules to read.
        """
        return None

    @abstractmethod
    def _fit_rows(self, real: SoftRows, synthetic: SoftStream) -> None:
        """Learn from the rows; `schema_`, `n_outputs_`, `task_` and the spread of the targets are known.

        The arrays belong to the rows that are read: do not write into them.
        """

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

    def proved_monotone(self) -> np.ndarray:
        """Prove from the fitted parameters which constraints of `monotonic_cst_` hold for every row.

        Only the values of the column are compared with each other; a missing value may give any prediction. A file is
        written only if each constraint is proved. A subclass without a proof proves none.

        Returns
        -------
        int8 array of shape (d,)
            `monotonic_cst_`, with 0 for each column whose constraint is not proved.
        """
        return np.zeros_like(self.monotonic_cst_)

    @property
    def estimator_(self) -> BaseEstimator:
        """The estimator that users see as the student: the student itself."""
        return self

    def _shaped(self, targets: np.ndarray) -> np.ndarray:
        return targets[:, 0] if getattr(self, "_one_dimensional", False) else targets

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def predicted(student: Student, codes: np.ndarray) -> np.ndarray:
    """A student's predictions for codes (n, d), float64 (n, K).

    Raises
    ------
    ValueError
        If it returned another shape or numbers that are not finite.
    """
    targets = np.asarray(student.predict_codes(codes), dtype=np.float64)
    name, expected = type(student.estimator_).__name__, (len(codes), student.n_outputs_)
    if targets.shape != expected:
        raise ValueError(
            f"student {name} predicted targets of shape {targets.shape} for {len(codes)} rows, but {expected} is "
            "expected: a row for each row, and a column for each target."
        )
    finite = np.isfinite(targets)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ValueError(
            f"student {name} predicted {targets[row, column]} for target {column} of row {row}. It has to give a "
            "finite number for every row, even with missing values or unseen categories."
        )
    return targets


def _spread(real: SoftRows, task: str) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation of real targets; 0 and 1 for probabilities, which are not scaled."""
    if task == "classification":
        return np.zeros(real.targets.shape[1]), np.ones(real.targets.shape[1])
    scale = real.targets.std(axis=0)
    return np.average(real.targets, axis=0, weights=real.weights), np.where(scale > 0, scale, 1.0)
