"""Distilled estimators that are fitted in an instant."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.students import MLPStudent
from tests.small_students import small_students

QUICK_MLP = MLPStudent(hidden_layer_sizes=(8,), n_knots=16, batch_size=32, max_iter=2)
QUICK = small_students(
    mlp=QUICK_MLP.get_params(),
    additive={"n_pairs": 2, "batch_size": 32, "max_iter": 40},
    tree={"min_samples_leaf": 5},
    boosted_trees={"n_estimators": 20},
)


def forest():
    return RandomForestClassifier(10, random_state=0)


def classifier(teacher="forest", **params):
    teacher = forest() if teacher == "forest" else teacher
    return DistilledClassifier(teacher, **{"student": QUICK["tree"], "n_synthetic": 400, "random_state": 0, **params})


def regressor(teacher="forest", **params):
    teacher = RandomForestRegressor(10, random_state=0) if teacher == "forest" else teacher
    return DistilledRegressor(teacher, **{"student": QUICK["tree"], "n_synthetic": 400, "random_state": 0, **params})


class Recording(ClassifierMixin, BaseEstimator):
    """A teacher that knows the classes' weighted shares; it and its clones note together what they were given."""

    fits: list = []

    def fit(self, X, y, sample_weight=None):
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.share_ = np.bincount(codes, sample_weight) / np.bincount(codes, sample_weight).sum()
        self.fits.append((len(X), sample_weight))
        return self

    def predict_proba(self, X):
        return np.tile(self.share_, (len(X), 1))

    def predict(self, X):
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]
