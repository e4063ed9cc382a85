"""Rows that are chosen for a slow teacher, because two first students disagree on them."""

import time

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from tabkd import _disputed_rows
from tabkd._disputed_rows import disagreement, is_worth_choosing, with_disputed
from tabkd._label_budget import Labelling
from tabkd._learning_rows import SyntheticRows, Teaching
from tabkd._tables.schema import TableSchema
from tabkd._task import Classification, Regression
from tabkd.augment import Marginal
from tabkd.students import SoftRows
from tests.distilled.quick import QUICK, QUICK_MLP, classifier
from tests.small_tables import targets

N_ROWS = 600


class Counting:
    """A teacher that counts the rows that it was asked about."""

    def __init__(self, teacher):
        self.teacher, self.n_asked = teacher, 0

    def __getattr__(self, name):
        if name == "teacher":  # copies have no attributes at first
            raise AttributeError(name)
        return getattr(self.teacher, name)

    def predict_proba(self, X):
        self.n_asked += len(X)
        return self.teacher.predict_proba(X)

    def predict(self, X):
        self.n_asked += len(X)
        return self.teacher.predict(X)


@pytest.fixture(autouse=True)
def quick_first_students(monkeypatch):
    """First students that are fitted in an instant."""
    monkeypatch.setattr(
        _disputed_rows,
        "MLPStudent",
        lambda random_state: type(QUICK_MLP)(**QUICK_MLP.get_params() | {"random_state": random_state}),
    )


def lessons(X, task):
    """A counting teacher, its synthetic rows, and the real rows that it has answered."""
    y = targets(X, "binary" if task == "classification" else "regression")
    kind = LogisticRegression() if task == "classification" else LinearRegression()
    teacher, schema = Counting(kind.fit(X, y)), TableSchema.of(X)
    learnt = Classification(np.unique(y)) if task == "classification" else Regression(one_dimensional=True)
    teaching = Teaching(teacher, schema, learnt, 1.0, 1.0)
    codes = schema.encode(X)
    real = teaching.rows(codes, teaching.answers(codes), np.ones(len(codes)))
    teacher.n_asked = 0
    return teacher, teaching, SyntheticRows(teaching, Marginal(), codes, N_ROWS, 1.0, 7), real


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_half_of_the_rows_are_those_that_first_students_dispute(X, task):
    teacher, teaching, rows, real = lessons(X, task)
    random = rows.unlabelled(N_ROWS // 2)
    assert (rows.others(N_ROWS // 2) != random).any(axis=1).mean() > 0.5
    stream, n_chosen = with_disputed(rows, teaching.schema, real, np.random.RandomState(0))
    found = SoftRows.concatenate(list(stream))
    assert len(found) == stream.n_rows == N_ROWS
    assert n_chosen == N_ROWS // 2
    np.testing.assert_array_equal(found.codes[:n_chosen], random)
    # The teacher is asked about no candidate that is not chosen.
    assert teacher.n_asked == N_ROWS
    np.testing.assert_array_equal(found.targets, teaching.answers(found.codes))
    # The first students once more: they dispute the chosen rows more than the random ones.
    rng, (first,) = np.random.RandomState(0), list(rows)
    one, other = (
        _disputed_rows._first_student(teaching.schema, real, rows.kept(), rng).predict_codes(found.codes)
        for _ in range(2)
    )
    assert len(first) == n_chosen
    disputed = disagreement(one, other, task)
    assert disputed[n_chosen:].min() > np.quantile(disputed[:n_chosen], 0.8)


def test_rows_that_the_teacher_was_timed_on_are_not_labelled_again(X):
    teacher, teaching, rows, real = lessons(X, "classification")
    rows.n_rows = 40_000
    slow = teacher.teacher

    class Slow(Counting):
        def predict_proba(self, X):
            time.sleep(1e-4 * len(X))
            return super().predict_proba(X)

    rows._teaching = Teaching(Slow(slow), teaching.schema, teaching.task, 1.0, 1.0)
    labelling = rows.limit(0.3)
    assert rows.n_timed > 0
    stream, n_chosen = with_disputed(rows, teaching.schema, real, np.random.RandomState(0))
    assert rows._teaching.teacher.n_asked == stream.n_rows == labelling.n_rows
    assert n_chosen == labelling.n_rows // 2


def test_without_labels_left_nothing_is_chosen(X):
    _, teaching, rows, real = lessons(X, "classification")
    rows.n_rows = 1
    assert with_disputed(rows, teaching.schema, real, np.random.RandomState(0)) == (rows, 0)


@pytest.mark.parametrize(
    ("labelling", "worth"),
    [
        (Labelling(4000, 40_000, 40.0), True),
        (Labelling(40_000, 40_000, 400.0), False),
        (Labelling(20_000, 40_000, 40.0), False),  # random ones teach as much
        (Labelling(2000, 40_000, 0.1), False),  # too few to spare half of them
        (Labelling(4000, 40_000, 4000.0), False),  # quicker labelled than chosen
        (Labelling(4000, 4000), False),
    ],
    ids=str,
)
def test_rows_are_chosen_where_a_budget_leaves_few(labelling, worth):
    assert is_worth_choosing(labelling) == worth


def test_a_fit_under_a_budget_chooses_and_says_so(X, y, monkeypatch, capsys):
    class Slow(LogisticRegression):
        def predict_proba(self, X):
            time.sleep(1e-4 * len(X))
            return super().predict_proba(X)

    monkeypatch.setattr(_disputed_rows, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(_disputed_rows, "_FEWEST_ROWS", 1000)
    params = {"n_synthetic": "auto", "cv": None, "max_label_seconds": 0.3, "student": QUICK["tree"]}
    model = classifier(Slow(), **params, verbose=1).fit(X, y)
    n_rows, n_wanted, _, n_chosen = model.labelling_
    assert (n_wanted, n_chosen) == (40_000, n_rows // 2)
    assert f"{n_chosen:,} of the rows to label are chosen" in capsys.readouterr().out
    assert model.score(X, y) > 0.7


def test_disagreement_has_no_unit():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 50, 2))
    found = disagreement(one, other, "regression")
    np.testing.assert_allclose(disagreement(one * [3.0, 1e6], other * [3.0, 1e6], "regression"), found)
    np.testing.assert_array_equal(disagreement(one, one, "regression"), 0)


def test_nearly_impossible_classes_are_no_dispute():
    one = np.array([[1 - 1e-9, 1e-9], [0.5, 0.5], [0.9, 0.1]])
    other = np.array([[1 - 1e-5, 1e-5], [0.4, 0.6], [0.9, 0.1]])
    impossible, disputed, same = disagreement(one, other, "classification")
    assert impossible < 1e-6
    assert disputed > 0.01
    assert same == 0
