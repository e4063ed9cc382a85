"""A budget of time for the labels of synthetic rows."""

import time

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tabkd._label_budget import Labelling
from tabkd._learning_rows import SyntheticRows, Teaching
from tabkd._tables.schema import TableSchema
from tabkd._task import Classification
from tabkd.augment import Marginal
from tests.distilled.quick import QUICK, classifier


class Slow(LogisticRegression):
    """It takes its time for each row and for each call, and counts the rows."""

    seconds_a_row = seconds_a_call = 0.0
    n_asked = 0

    def predict_proba(self, X):
        Slow.n_asked += len(X)
        time.sleep(self.seconds_a_call + self.seconds_a_row * len(X))
        return super().predict_proba(X)


@pytest.fixture
def slow(monkeypatch):
    def slow(seconds_a_row=0.0, seconds_a_call=0.0):
        monkeypatch.setattr(Slow, "seconds_a_row", seconds_a_row)
        monkeypatch.setattr(Slow, "seconds_a_call", seconds_a_call)
        monkeypatch.setattr(Slow, "n_asked", 0)
        return Slow()

    return slow


def auto(teacher, **params):
    return classifier(teacher, n_synthetic="auto", cv=None, **params)


def test_a_slow_teacher_labels_as_many_rows_as_it_can(slow, X, y):
    model = auto(slow(seconds_a_row=1e-4), max_label_seconds=0.3).fit(X, y)
    n_rows, n_wanted, rate, n_chosen = model.labelling_
    assert n_wanted == 40_000
    assert 1000 <= n_rows <= 3000
    assert 0 < rate <= 1e4
    assert n_chosen == 0  # they are labelled in less than half a minute


def test_rows_that_timed_a_slow_teacher_are_not_labelled_again(slow, X, y):
    model = auto(slow(seconds_a_row=1e-4), max_label_seconds=0.3).fit(X, y)
    assert Slow.n_asked == len(X) + model.labelling_.n_rows


def test_the_slowest_teacher_still_labels_some_rows(slow, X, y):
    assert auto(slow(seconds_a_row=5e-4), max_label_seconds=0.01).fit(X, y).labelling_.n_rows == 1000


def test_a_number_of_rows_is_obeyed_however_long_it_takes(slow, X, y):
    model = classifier(slow(seconds_a_row=1e-4), n_synthetic=2500, cv=None, max_label_seconds=0.01).fit(X, y)
    assert model.labelling_ == Labelling(2500, 2500, None)
    assert Slow.n_asked == len(X) + 2500


@pytest.mark.parametrize("student", ["mlp", "tree"])
def test_a_limit_that_does_not_bite_changes_nothing(slow, X, y, student):
    limited, free = (
        auto(slow(), student=QUICK[student], max_label_seconds=seconds).fit(X, y) for seconds in (600.0, None)
    )
    np.testing.assert_array_equal(limited.predict_proba(X), free.predict_proba(X))
    assert limited.labelling_ == free.labelling_ == Labelling(40_000, 40_000, None)


def test_the_costs_of_a_call_do_not_make_a_teacher_slow(slow, X, y):
    assert auto(slow(seconds_a_call=0.05), max_label_seconds=5.0).fit(X, y).labelling_.n_rows == 40_000


def test_without_synthetic_rows_nothing_is_labelled(slow, X, y):
    assert auto(slow(), augmenter=None).fit(X, y).labelling_ == Labelling(0, 0, None)


def test_limited_rows_are_the_same_whenever_they_are_read(slow, X, y):
    teacher = slow().fit(X, y)
    schema = TableSchema.of(X)
    teaching = Teaching(teacher, schema, Classification(teacher.classes_), 1.0, 1.0)
    rows = SyntheticRows(teaching, Marginal(), schema.encode(X), 40_000, 1.0, 7)
    slow(seconds_a_row=1e-4)
    labelling = rows.limit(0.3)
    slow()
    first, second = (list(rows) for _ in range(2))
    assert sum(map(len, first)) == rows.n_rows == labelling.n_rows
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.codes, other.codes)
        np.testing.assert_array_equal(one.targets, teaching.answers(one.codes))


@pytest.mark.parametrize(
    ("labelling", "stage"),
    [
        (Labelling(40_000, 40_000), "synthetic rows"),
        (Labelling(40_000, 40_000, 1e5), "synthetic rows"),
        (Labelling(40_000, 40_000, 1000.0), "synthetic rows, labelled in about 40 s"),
        (Labelling(6000, 40_000, 10.0), "synthetic rows of 40,000, labelled in about 10 min"),
    ],
    ids=str,
)
def test_the_progress_bar_says_beforehand_how_long_labels_take(labelling, stage):
    assert labelling.told() == stage
