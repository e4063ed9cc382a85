"""The scores that a report keeps, and that nobody is asked twice for them."""

import ast
import dataclasses
import graphlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

import tabkd.evaluation
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.evaluation import evaluate


class AskedTree(DecisionTreeRegressor):
    """A tree that counts the rows that it is asked about."""

    rows_asked = 0

    def predict(self, X, check_input=True):
        self.rows_asked += len(X)
        return super().predict(X, check_input)


class AskedForest(RandomForestClassifier):
    """A forest that counts the rows that it is asked about."""

    rows_asked = 0

    def predict_proba(self, X):
        self.rows_asked += len(X)
        return super().predict_proba(X)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 3))
    labels = np.array(["good", "bad", "fine"])[np.digitize(X[:, 0] + X[:, 1] + rng.normal(size=1000), [-1, 1])]
    return X[:600], labels[:600], X[600:], labels[600:], rng.uniform(1, 2, 400)


@pytest.fixture(scope="module")
def model(rows):
    X, y, *_ = rows
    forest = AskedForest(10, min_samples_leaf=5, random_state=0)
    return DistilledClassifier(forest, student=AskedTree(max_depth=4), n_synthetic=0, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def report(rows, model):
    X, y, X_test, y_test, weights = rows
    return evaluate(model, X_test, y_test, X_train=X, y_train=y, sample_weight=weights)


def test_a_report_keeps_what_every_contestant_said_of_the_test_rows(rows, model, report):
    *_, X_test, y_test, weights = rows
    scores = report.scores
    assert list(scores) == list(report.metrics) == ["teacher", "student", "hard", "prior"]
    assert {array.shape for array in scores.values()} == {(400, 3)}
    np.testing.assert_allclose(scores["teacher"], model.teacher_.predict_proba(X_test))
    np.testing.assert_allclose(scores["student"], model.predict_proba(X_test))
    assert scores.classes.tolist() == report.classes == ["bad", "fine", "good"]
    assert scores.classes[scores.truth].tolist() == y_test.tolist()
    np.testing.assert_array_equal(scores.sample_weight, weights)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_scores_of_real_values_have_the_shape_of_the_truth(rows, n_outputs):
    X, _, X_test, *_ = rows
    y, y_test = (table[:, :n_outputs] if n_outputs > 1 else table[:, 0] for table in (X, X_test))
    model = DistilledRegressor(LinearRegression(), student="tree", n_synthetic=0, random_state=0).fit(X, y)
    scores = evaluate(model, X_test, y_test, X_train=X, y_train=y).scores
    assert list(scores) == ["teacher", "student", "hard", "prior"]
    assert {array.shape for array in scores.values()} == {scores.truth.shape} == {y_test.shape}
    np.testing.assert_array_equal(scores.truth, y_test)
    assert scores.sample_weight is None
    assert scores.weights.tolist() == [1] * 400


def test_scores_stay_as_they_are_when_the_arrays_of_the_caller_change(rows):
    X, _, X_test, *_ = rows
    y_test, weights = X_test[:, 0].copy(), np.ones(400)
    model = DistilledRegressor(LinearRegression(), student="tree", n_synthetic=0, random_state=0).fit(X, X[:, 0])
    report = evaluate(model, X_test, y_test, sample_weight=weights)
    y_test[:], weights[:] = 0, 0
    np.testing.assert_array_equal(report.scores.truth, X_test[:, 0])
    assert report.scores.sample_weight.tolist() == [1] * 400


def test_scores_are_neither_stored_nor_shown(report):
    assert "scores" not in report.to_dict()
    assert len(repr(report)) < 2000
    assert repr(report.scores) == "<Scores of teacher, student, hard, prior on 400 rows>"


def test_reports_that_differ_by_their_scores_alone_are_equal(report):
    without = dataclasses.replace(report, scores=None, exhibits=None)
    assert without == report
    assert dataclasses.replace(report, n_test=1) != report
    assert report.scores != without.scores
    assert report.scores == report.scores


def test_a_pickled_report_has_the_scores_unless_they_are_left_out(report):
    whole = pickle.dumps(report)
    again = pickle.loads(whole)
    assert again.to_dict() == report.to_dict()
    assert again.scores != report.scores
    np.testing.assert_array_equal(again.scores["student"], report.scores["student"])
    small = pickle.dumps(dataclasses.replace(report, scores=None, exhibits=None))
    assert len(small) < 10_000 < len(whole)
    assert pickle.loads(small).scores is None


def test_scores_do_not_hold_the_training_rows(rows):
    X, y, X_test, y_test, _ = rows
    wide = np.column_stack([X, np.zeros((600, 500))])
    model = DistilledClassifier(RandomForestClassifier(3, random_state=0), student="tree", n_synthetic=0)
    model.fit(wide, y)
    report = evaluate(model, np.column_stack([X_test, np.zeros((400, 500))]), y_test, X_train=wide, y_train=y)
    assert len(pickle.dumps(report)) < 200_000 < wide.nbytes


def test_teacher_and_student_are_asked_once_about_every_test_row(rows, model):
    X, y, X_test, y_test, _ = rows
    teacher, student = model.teacher_, model.student_
    before = teacher.rows_asked, student.rows_asked
    evaluate(model, X_test, y_test, X_train=X, y_train=y)
    assert (teacher.rows_asked - before[0], student.rows_asked - before[1]) == (400, 400)


def test_no_module_of_the_evaluation_needs_what_needs_it():
    """Also not within functions, nor for types alone."""
    folder = Path(tabkd.evaluation.__file__).parent
    needs = {path.stem: _modules_imported(path) for path in folder.glob("*.py") if path.stem != "__init__"}
    assert "_findings" in needs["_report"]
    graphlib.TopologicalSorter(needs).prepare()


def _modules_imported(path):
    package, found = "tabkd.evaluation", set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            found |= {name.name for name in node.names if name.name.startswith("_")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
            found.add(node.module.removeprefix(f"{package}."))
    return found
