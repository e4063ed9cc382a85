"""A teacher as large as those that win: LightGBM of 500 × 63 leaves and XGBoost of 500 × depth 6."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted


class BigTeacher(ClassifierMixin, BaseEstimator):
    """The mean of the probabilities of LightGBM and XGBoost, neither stopped early.

    Parameters
    ----------
    n_jobs : int, optional
        Threads; None for all cores.
    n_estimators : int, default=500
        Rounds of each.
    """

    def __init__(self, n_jobs=None, n_estimators=500):
        self.n_jobs = n_jobs
        self.n_estimators = n_estimators

    def fit(self, X, y):
        """Fit both on the numeric matrix `X` (n, d) and the labels `y` (n,)."""
        from lightgbm import LGBMClassifier
        from xgboost import XGBClassifier

        common = {"n_estimators": self.n_estimators, "learning_rate": 0.05, "n_jobs": self.n_jobs, "random_state": 0}
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.lightgbm_ = LGBMClassifier(num_leaves=63, verbosity=-1, **common).fit(X, codes)
        self.xgboost_ = XGBClassifier(max_depth=6, **common).fit(X, codes)
        return self

    def predict_proba(self, X):
        """Probabilities, float64 of shape (n, K)."""
        check_is_fitted(self)
        X = np.asarray(X)
        return (self.lightgbm_.predict_proba(X) + self.xgboost_.predict_proba(X)) / 2

    def predict(self, X):
        """The most probable class of each row."""
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]
