"""XGBoost's classifier for any labels: it is the only one that requires the classes 0 … K − 1."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from tabkd._typing import ColumnLike, TableLike


class IntegerClasses(ClassifierMixin, BaseEstimator):
    """A classifier fitted on the positions 0 … K − 1 of its classes, which XGBoost requires.

    It has the estimator's own parameters in addition to `estimator`, so that a search finds them under the same names.

    Parameters
    ----------
    estimator : classifier
        The classifier to clone and fit.
    """

    def __init__(self, estimator: BaseEstimator) -> None:
        self.estimator = estimator

    def fit(self, X: TableLike, y: ColumnLike, sample_weight: ColumnLike | None = None, **fit_params: Any) -> Self:
        """Fit a clone of the estimator on the positions of the classes."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        if sample_weight is not None:
            fit_params["sample_weight"] = sample_weight
        if fit_params.get("eval_set") is not None:
            fit_params["eval_set"] = [(rows, self._codes(labels)) for rows, labels in fit_params["eval_set"]]
        self.estimator_ = clone(self.estimator).fit(X, codes, **fit_params)
        return self

    def predict_proba(self, X: TableLike) -> np.ndarray:
        """Probabilities of shape (n, K), in the order of `classes_`."""
        return self.estimator_.predict_proba(X)

    def predict(self, X: TableLike) -> np.ndarray:
        """The most probable class of each row."""
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    @property
    def feature_importances_(self) -> np.ndarray:
        """The feature importances of the fitted estimator."""
        return self.estimator_.feature_importances_

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The estimator, and with `deep` its parameters under their own names."""
        return {"estimator": self.estimator} | (self.estimator.get_params(deep) if deep else {})

    def set_params(self, **params: Any) -> Self:
        """Set `estimator`, or its parameters under their own names."""
        self.estimator = params.pop("estimator", self.estimator)
        self.estimator.set_params(**params)
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """The routing of metadata: `fit` passes it on to the estimator."""
        fit = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=fit)

    def _codes(self, labels: ColumnLike) -> np.ndarray:
        labels = np.asarray(labels)
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            raise ValueError(f"eval_set has the classes {unknown.tolist()[:5]}, which y does not have: leave them out.")
        return np.searchsorted(self.classes_, labels)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def with_integer_classes(teacher: Any, y: ColumnLike) -> Any:
    """The unfitted teacher, prepared for any labels: XGBoost's classifiers in it are fitted on positions of classes.

    Each of them is wrapped where it is, so that everything around it still receives the labels themselves.

    Parameters
    ----------
    teacher : estimator
        An unfitted estimator; a meta-estimator is changed in place.
    y : array of shape (n,)
        The labels.
    """
    classes = np.unique(y)
    if np.array_equal(classes, np.arange(len(classes))):
        return teacher
    if _is_xgboost(teacher):
        return IntegerClasses(teacher)
    if not hasattr(teacher, "get_params"):
        return teacher
    parts = teacher.get_params(deep=True)
    frozen = tuple(f"{name}__" for name, part in parts.items() if isinstance(part, FrozenEstimator))
    found = {n: IntegerClasses(p) for n, p in parts.items() if _is_xgboost(p) and not n.startswith(frozen)}
    return teacher.set_params(**found) if found else teacher


def _is_xgboost(estimator: Any) -> bool:
    return type(estimator).__module__.startswith("xgboost.") and is_classifier(estimator)
