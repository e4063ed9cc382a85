"""How often the student goes against its teacher where one column is moved."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.evaluation import evaluate
from tabkd.evaluation._against import moves


class Turned(RegressorMixin, BaseEstimator):
    """A student that answers to one column the other way round."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, X, y):
        self.line_ = LinearRegression().fit(X, y)
        self.line_.coef_[..., self.column] *= -1
        return self

    def predict(self, X):
        return self.line_.predict(X)


def table(n=400):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(n, 3)), columns=["a", "b", "c"])
    return frame, (frame["a"] + frame["b"] + frame["c"]).to_numpy()


def report(student, **params):
    X, y = table()
    model = DistilledRegressor(LinearRegression(), student=student, n_synthetic=200, random_state=0, **params)
    return evaluate(model.fit(X[:300], y[:300]), X[300:], y[300:], n_resamples=20)


def test_a_column_that_the_student_reads_the_other_way_round_is_found():
    found = report(Turned())
    assert found.against_teacher["columns"] == {"a": 1.0}
    assert 0.3 < found.against_teacher["share"] < 0.37
    assert found.to_dict()["against_teacher"] == found.against_teacher
    assert dict(found.summary())["against teacher"].endswith("opposite directions; most for a (100.0%)")


def test_a_student_that_moves_with_its_teacher_shows_no_line():
    found = report(LinearRegression())
    assert found.against_teacher == {"share": 0.0, "moves": found.against_teacher["moves"], "columns": {}}
    assert "against teacher" not in dict(found.summary())


def test_a_student_with_its_teachers_constraints_never_goes_against_them():
    X, y = table()
    teacher = RandomForestClassifier(20, monotonic_cst=[1, 1, 1], random_state=0)
    model = DistilledClassifier(teacher, student="boosted_trees", n_synthetic=500, random_state=0)
    found = evaluate(model.fit(X[:300], y[:300] > 0), X[300:], y[300:] > 0, n_resamples=20)
    assert found.against_teacher["share"] == 0


@pytest.mark.parametrize("y", [np.digitize(table()[1], [-1, 1]), None])
def test_several_scores_have_no_direction(y):
    X, value = table()
    if y is None:
        y, model = np.column_stack([value, -value]), DistilledRegressor(LinearRegression(), student="tree")
    else:
        model = DistilledClassifier(LogisticRegression(), student="tree")
    found = evaluate(model.set_params(n_synthetic=200).fit(X[:300], y[:300]), X[300:], y[300:], n_resamples=20)
    assert found.against_teacher is None


def test_columns_without_numbers_are_not_moved():
    X, y = table()
    X = pd.DataFrame({"a": np.where(X["a"] > 0, "x", "y")})
    model = DistilledRegressor(OfText(), student="tree", n_synthetic=200, random_state=0)
    assert evaluate(model.fit(X[:300], y[:300]), X[300:], y[300:], n_resamples=20).against_teacher is None


class OfText(RegressorMixin, BaseEstimator):
    """A teacher of text."""

    def fit(self, X, y):
        self.is_fitted_ = True
        return self

    def predict(self, X):
        return (X["a"] == "x").to_numpy(dtype=float)


def test_values_are_moved_past_equal_ones_and_a_tenth_of_all():
    codes = np.column_stack([np.repeat(np.arange(10.0), 10), np.zeros(100), np.full(100, np.nan)])
    rows, columns, values = moves(codes, np.arange(3), np.random.default_rng(0))
    assert set(columns) == {0}
    assert np.array_equal(values, np.minimum(codes[rows, 0] + 2, 9))
    assert sorted(rows) == list(range(90))
