"""Grids over students of a frozen teacher: rows that it knows by heart are warned of, others are not."""

import warnings

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_score

from tests.distilled.quick import classifier

WORDS = "seems to have memorized the rows.*PredefinedSplit"
BY_HEART = {
    "forest": RandomForestClassifier(50, random_state=0),
    "extra trees": ExtraTreesClassifier(50, random_state=0),
    "boosting": LGBMClassifier(n_estimators=300, verbosity=-1),
}
NOT_BY_HEART = {
    "linear": LogisticRegression(),
    "shallow forest": RandomForestClassifier(50, max_depth=3, random_state=0),
}


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(3000, n_informative=6, flip_y=0.2, random_state=0)
    return X[:1500], np.array(["no", "yes"])[y[:1500]], X[1500:], np.array(["no", "yes"])[y[1500:]]


def grid(teacher, **options):
    return GridSearchCV(classifier(FrozenEstimator(teacher)), {"student__max_leaf_nodes": [8, 16]}, **options)


@pytest.mark.parametrize("teacher", BY_HEART.values(), ids=BY_HEART)
def test_a_grid_on_rows_that_the_teacher_was_fitted_on_is_warned_of(rows, teacher):
    X, y, X_fresh, y_fresh = rows
    teacher.fit(X, y)
    with pytest.warns(UserWarning, match=WORDS):
        grid(teacher, cv=2).fit(X, y)
    with pytest.warns(UserWarning, match=WORDS):
        cross_val_score(classifier(FrozenEstimator(teacher)), X, y, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grid(teacher, cv=2).fit(X_fresh, y_fresh)
        # Outside of a search no score is taken of these rows.
        classifier(FrozenEstimator(teacher)).fit(X, y)


@pytest.mark.parametrize("teacher", NOT_BY_HEART.values(), ids=NOT_BY_HEART)
def test_a_teacher_that_does_not_know_its_rows_by_heart_is_not(rows, teacher):
    X, y, _, _ = rows
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grid(teacher.fit(X, y), cv=2).fit(X, y)


def test_the_way_of_the_guide_is_not_warned_of(rows):
    X, y, X_fresh, _ = rows
    held_out = np.arange(len(X)) % 4 == 0
    partial = RandomForestClassifier(50, random_state=0).fit(X[~held_out], y[~held_out])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = grid(partial, cv=PredefinedSplit(np.where(held_out, 0, -1))).fit(X, y)
        # The best of a search is a copy, too.
        search.predict_proba(X_fresh)


def of_easy_rows():
    """Two classes that a few steps tell apart."""
    X = np.random.default_rng(0).normal(size=(2000, 4))
    return X, ((X[:, 0] > 0) ^ (X[:, 1] > 0)).astype(int)


@pytest.mark.parametrize(
    ("table", "teacher"),
    [
        (lambda: load_digits(return_X_y=True), RandomForestClassifier(60, random_state=0)),
        (lambda: load_digits(return_X_y=True), RandomForestClassifier(60, min_samples_leaf=20, random_state=0)),
        (lambda: load_digits(return_X_y=True), LGBMClassifier(n_estimators=20, num_leaves=7, verbosity=-1)),
        (of_easy_rows, RandomForestClassifier(60, random_state=0)),
        (of_easy_rows, LGBMClassifier(n_estimators=20, num_leaves=7, verbosity=-1)),
    ],
    ids=["digits, forest", "digits, large leaves", "digits, boosting", "easy, forest", "easy, boosting"],
)
def test_a_teacher_that_is_right_of_fresh_rows_is_not(table, teacher):
    """A forest says of ten classes less than it knows, and of easy rows there is little to be wrong about."""
    X, y = table()
    fresh = np.arange(len(X)) % 2 == 0
    teacher.fit(X[~fresh], y[~fresh])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = classifier(FrozenEstimator(teacher), student="tree", n_synthetic=1000)
        cross_val_score(model, X[fresh], y[fresh], cv=3)
