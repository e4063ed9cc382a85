"""The rows that students learn from."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tabkd._learning_rows import CHUNK_ROWS, SyntheticRows, Teaching, real_rows
from tabkd._progress import Silent
from tabkd._tables.schema import TableSchema
from tabkd._task import Classification
from tabkd.augment import Marginal
from tabkd.students import SoftRows, TreeStudent

N = CHUNK_ROWS + 500


class Counting(LogisticRegression):
    """It counts the rows that it is asked about."""

    n_asked = 0

    def predict_proba(self, X):
        Counting.n_asked += len(X)
        return super().predict_proba(X)


@pytest.fixture
def teaching():
    X = np.random.default_rng(0).normal(size=(200, 3))
    y = np.where(X[:, 0] > 0, "yes", "no")
    teacher = Counting().fit(X, y)
    Counting.n_asked = 0
    schema = TableSchema.of(X)
    return Teaching(teacher, schema, Classification(teacher.classes_), 1.0, 0.6), schema.encode(X), y


def synthetic(teaching, codes, **options):
    return SyntheticRows(teaching, Marginal(), codes, N, 0.5, 7, **options)


def test_synthetic_rows_are_the_same_whenever_they_are_read(teaching):
    teaching, codes, _ = teaching
    rows = synthetic(teaching, codes)
    first, second = (SoftRows.concatenate(list(rows)) for _ in range(2))
    assert len(first) == N
    np.testing.assert_array_equal(first.codes, second.codes)
    np.testing.assert_array_equal(first.targets, second.targets)
    assert (first.weights == 0.5).all()


class Counter(Silent):
    def __init__(self):
        self.counted = []

    def advance(self, steps=1):
        self.counted.append(steps)


def test_rows_that_are_read_again_are_not_labelled_again(teaching):
    teaching, codes, _ = teaching
    bar = Counter()
    rows = synthetic(teaching, codes, bar=bar)
    for _ in range(2):
        assert sum(map(len, rows)) == N
    assert Counting.n_asked == sum(bar.counted) == N


def test_kept_rows_are_labelled_once_and_teach_several_students(teaching):
    teaching, codes, y = teaching
    real = real_rows(teaching, codes, teaching.blended(teaching.answers(codes), y), np.ones(len(codes)))
    asked = Counting.n_asked
    kept = synthetic(teaching, codes).kept()
    students = [TreeStudent(max_leaf_nodes=n, random_state=0).fit_stream(teaching.schema, real, kept) for n in (4, 8)]
    assert Counting.n_asked == asked + N
    again = TreeStudent(max_leaf_nodes=8, random_state=0).fit_stream(teaching.schema, real, synthetic(teaching, codes))
    np.testing.assert_array_equal(students[1].predict_codes(codes), again.predict_codes(codes))


def test_unlabelled_rows_ask_no_teacher(teaching):
    teaching, codes, _ = teaching
    asked = Counting.n_asked
    assert synthetic(teaching, codes).unlabelled(100).shape == (100, 3)
    assert Counting.n_asked == asked


def test_rows_are_counted_as_they_are_labelled(teaching):
    teaching, codes, _ = teaching
    bar = Counter()
    rows = synthetic(teaching, codes, bar=bar)
    next(iter(rows))
    assert bar.counted == [CHUNK_ROWS]


def test_rows_are_optional_until_one_student_has_needed_a_second_chunk(teaching):
    teaching, codes, _ = teaching
    rows, found = synthetic(teaching, codes, is_optional=True), []
    for _ in rows:
        found.append((rows.is_optional, rows.labelled().is_optional))
    assert found[0] == (True, True)
    assert set(found[1:]) == {(False, False)}


def test_labelled_rows_blend_answers_and_labels(teaching):
    teaching, codes, y = teaching
    answers = teaching.answers(codes)
    rows = real_rows(teaching, codes, teaching.blended(answers, y), np.ones(len(codes)), X_unlabeled=np.zeros((2, 3)))
    labels = (y[:, None] == ["no", "yes"]).astype(float)
    np.testing.assert_allclose(rows.targets[:-2], 0.6 * answers + 0.4 * labels)
    np.testing.assert_allclose(rows.targets[-2:], teaching.answers(np.zeros((2, 3))))
