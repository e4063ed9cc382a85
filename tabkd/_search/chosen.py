"""What a fitted search does with the chosen student: predict, score, write the file, report."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from tabkd._options import option
from tabkd._typing import ColumnLike, TableLike
from tabkd.scoring import ExportedStudent
from tabkd.teachers._teacher import unfrozen

if TYPE_CHECKING:
    from onnx import ModelProto

    from tabkd.evaluation import Report


def _has(name: str) -> Any:
    return lambda search: hasattr(search._shown(), name)


class AsChosen(BaseEstimator):
    """The methods of a search that use its chosen estimator.

    Attributes
    ----------
    best_estimator_ : DistilledClassifier or DistilledRegressor
        Missing without `refit`.
    front_ : list of dict
        What the report shows.
    """

    teacher: Any
    best_estimator_: Any
    front_: list[dict[str, Any]]

    def predict(self, X: TableLike) -> np.ndarray:
        """Predict with the chosen student.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            The columns of the fit, by name where they have names.

        Returns
        -------
        array of shape (n,) or (n, K)
            Labels or values.
        """
        return self._best().predict(X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: TableLike) -> np.ndarray:
        """Predict the probabilities of the classes with the chosen student.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            The columns of the fit, by name where they have names.

        Returns
        -------
        array of shape (n, K), float64
            Each row sums to one.
        """
        return self._best().predict_proba(X)

    def score(self, X: TableLike, y: ColumnLike, sample_weight: ColumnLike | None = None) -> float:
        """Measure the accuracy, or R², of the chosen student.

        Parameters
        ----------
        X : pandas or polars frame or array of shape (n, d)
            Rows that the search was not fitted on.
        y : array of shape (n,) or (n, K)
            Their labels or values.
        sample_weight : array of shape (n,), optional
            How much each row counts.

        Returns
        -------
        float
            The measure.
        """
        return self._best().score(X, y, sample_weight)

    def to_onnx(self, path: str | PathLike | None = None, **options: Any) -> ModelProto:
        """Write the chosen student as one ONNX model; see `DistilledClassifier.to_onnx`.

        Parameters
        ----------
        path : str or path-like, optional
            Where to write the file.
        **options : object
            Further arguments of `DistilledClassifier.to_onnx`.

        Returns
        -------
        onnx.ModelProto
            The model, as in the file.
        """
        return self._best().to_onnx(path, **options)

    def to_sql(self, dialect: str, **options: Any) -> str:
        """Write the chosen student as one SELECT, and prove it; see `DistilledClassifier.to_sql`.

        Parameters
        ----------
        dialect : {"duckdb", "sqlite", "postgres", "spark", "snowflake", "bigquery", "tsql"}
            The dialect of SQL.
        **options : object
            Further arguments of `DistilledClassifier.to_sql`.

        Returns
        -------
        str
            The statement.
        """
        return self._best().to_sql(dialect, **options)

    def report(self, X_test: TableLike, y_test: ColumnLike, **options: Any) -> Report:
        """Measure the chosen student, as `DistilledClassifier.report` does, with the front of the search.

        Parameters
        ----------
        X_test : pandas or polars frame or array of shape (n, d)
            Rows that the search was not fitted on.
        y_test : array of shape (n,) or (n, K)
            Their labels or values.
        **options : object
            Further arguments of :func:`tabkd.evaluation.evaluate`.

        Returns
        -------
        tabkd.evaluation.Report
            With the attribute `front`.
        """
        best = self._best()
        if "exported" not in options:
            # The file to which the budget applies, without contributions.
            options["exported"] = ExportedStudent(best.to_onnx().SerializeToString())
        return replace(best.report(X_test, y_test, **options), front=self.front_)

    @property
    def classes_(self) -> np.ndarray:
        """The labels, for a classifier."""
        return self._best().classes_

    def _best(self) -> Any:
        check_is_fitted(self, "cv_results_")
        if not hasattr(self, "best_estimator_"):
            raise NotFittedError(
                f"{type(self).__name__} was fitted with {option('refit', False)}, so there is no best_estimator_; fit "
                f"one with best_params_, or use {option('refit', True)}."
            )
        return self.best_estimator_

    def _shown(self) -> Any:
        """The estimator that decides the kind of the search: the chosen one, or before the fit the teacher."""
        best = getattr(self, "best_estimator_", None)
        return unfrozen(self.teacher) if best is None else best

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "cv_results_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        shown = self._shown()
        if hasattr(shown, "__sklearn_tags__"):
            of_shown = get_tags(shown)
            tags.estimator_type = of_shown.estimator_type
            tags.classifier_tags = deepcopy(of_shown.classifier_tags)
            tags.regressor_tags = deepcopy(of_shown.regressor_tags)
            tags.target_tags.multi_output = of_shown.estimator_type == "regressor"
        tags.target_tags.required = True
        return tags
