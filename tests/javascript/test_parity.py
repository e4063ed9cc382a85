"""A student in JavaScript gives the answers of ONNX Runtime."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from tabkd import DistilledClassifier, DistilledRegressor, ExportedStudent
from tabkd._javascript.text import javascript
from tabkd.students import STUDENTS, MLPStudent
from tests.export.hard import FAST, fast_students, mixed_table, teacher
from tests.javascript.node import contributions, needs_node, records, scores
from tests.small_tables import mixed_frame, numeric_frame, targets

pytestmark = needs_node
CLASSES = ("binary", "multiclass")


def table(n, seed=0):
    """Columns of every kind, one that never varies, and one of dates; later rows have further levels and values."""
    frame = mixed_frame(n, seed).assign(constant=1.0)
    days = pd.to_datetime(["2026-01-01", "2026-02-01", "2026-03-01"])
    return frame.assign(day=pd.Categorical(days[np.arange(n) % 3]))


def new_rows(n):
    """Rows with levels that were not there at fit, and numbers far away."""
    rows = records(table(n, seed=1))
    for i, row in enumerate(rows):
        if i % 7 == 0:
            row |= {"country": "fr", "shop": "</script>", "grade": 9, "day": "2027-01-01 00:00:00"}
        if i % 11 == 0:
            row |= {"amount": -1e300, "visits": None, "online": None, "age": 2**53 - 1, "constant": 7}
        if i % 13 == 0:
            row |= {"amount": 3.5e38, "visits": 0.1, "online": 0.5, "member": 1, "grade": "2", "extra": "x"}
    return rows


@cache
def default_teacher(task):
    """The default teacher of a task, fitted once for all students."""
    kind = DistilledClassifier if task in CLASSES else DistilledRegressor
    X = table(300)
    return FrozenEstimator(kind(student="tree", **FAST).fit(X, targets(X, task)).teacher_)


def assert_same(node, content, rows, explained=True):
    """JavaScript and ONNX Runtime score the rows alike."""
    exported = ExportedStudent(content)
    node.load("student", javascript(content))
    answers = node.score("student", rows, contributions=False)
    assert isinstance(answers, list), answers
    if exported.metadata["task"] == "classification":
        expected, spread = exported.predict_proba(rows), 1
        assert list(answers[0]["probabilities"]) == [str(label) for label in exported.classes_]
    else:
        expected = exported.predict(rows).reshape(len(rows), -1)
        spread = expected.std(axis=0).max()
    np.testing.assert_allclose(scores(answers), expected, rtol=0, atol=1e-5 * spread)
    assert set(answers[0]) < {"probabilities", "values"}
    if not explained:
        return
    some = rows[:200]
    reasons, with_reasons = exported.contributions(some), node.score("student", some)
    np.testing.assert_allclose(
        contributions(with_reasons), reasons.values, rtol=0, atol=1e-5 * (reasons.values.std() or 1)
    )
    assert with_reasons[0]["base_value"] == reasons.base_values[0].tolist()
    # A script without contributions gives the same scores, and a row alone is scored like among others.
    node.load("plain", javascript(content, contributions=False))
    for others in (with_reasons, node.score("plain", some), [node.score("plain", row) for row in some[:20]]):
        np.testing.assert_allclose(scores(others), scores(answers[: len(others)]), rtol=0, atol=1e-6 * spread)
    assert "contributions" not in node.score("plain", rows[0])


@pytest.mark.parametrize("task", [*CLASSES, "regression", "two targets"])
@pytest.mark.parametrize("student", STUDENTS)
def test_every_student_scores_mixed_rows_like_onnx_runtime(student, task, node):
    X = table(300)
    kind = DistilledClassifier if task in CLASSES else DistilledRegressor
    model = kind(default_teacher(task), student=fast_students()[student], **FAST).fit(X, targets(X, task))
    assert_same(node, model.to_onnx(contributions=True).SerializeToString(), new_rows(1000))


@pytest.mark.parametrize("student", STUDENTS)
def test_hard_columns_are_read_like_in_python(student, node):
    X, signal = mixed_table()
    one = fast_students()[student]
    if student == "mlp":
        one.set_params(max_levels=20)
    model = DistilledClassifier(teacher(), student=one, **FAST).fit(X, np.where(signal > 1, "yes", "nö"))
    assert_same(node, model.to_onnx().SerializeToString(), records(X), explained=False)


def test_weights_of_one_byte_score_the_same(node):
    student = MLPStudent(hidden_layer_sizes=(32, 16), weight_bits=8, max_iter=3)
    X = table(300)
    model = DistilledClassifier(default_teacher("binary"), student=student, **FAST).fit(X, targets(X, "binary"))
    assert_same(node, model.to_onnx(contributions=True).SerializeToString(), new_rows(300))


@pytest.mark.parametrize("student", STUDENTS)
def test_a_table_of_numbers_with_a_log_link_and_a_constraint_scores_the_same(student, node):
    X = numeric_frame(300).astype(float)
    X["time"] = 1.7e9 + np.arange(300.0) % 50
    y = np.exp(targets(numeric_frame(300), "regression"))
    forest, one = RandomForestRegressor(5, random_state=0), fast_students()[student]
    model = DistilledRegressor(forest, student=one, link="log", monotonic_cst={"visits": -1}, **FAST).fit(X, y)
    rows = records(pd.concat([X] * 4))
    for i, row in enumerate(rows):
        row |= {"share": None} if i % 5 == 0 else {}
    assert_same(node, model.to_onnx(contributions=True).SerializeToString(), rows)


@pytest.mark.parametrize("student", [name for name in STUDENTS if name != "boosted_trees"])  # they refuse it
@pytest.mark.parametrize("columns", [["a"], ["a", "b"]])
def test_a_table_whose_columns_never_vary_scores_the_same(student, columns, node):
    X, y = pd.DataFrame({"a": np.ones(100), "b": ["x"] * 100})[columns], np.tile(["u", "v"], 50)
    model = DistilledClassifier(DummyClassifier(), student=fast_students()[student], **FAST).fit(X, y)
    rows = [{"a": value, "b": "y"} for value in (1, 2, None)] * 300
    assert_same(node, model.to_onnx(contributions=True).SerializeToString(), rows)


@pytest.mark.parametrize(
    "student",
    [
        Ridge(),
        RandomForestRegressor(3, max_depth=5, random_state=0),
        MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", max_iter=400, random_state=0),
        make_pipeline(SimpleImputer(), StandardScaler(), Ridge()),
    ],
    ids=["linear", "forest", "network", "pipeline"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_student_of_scikit_learn_scores_the_same(student, node):
    X = numeric_frame(300)
    model = DistilledRegressor(RandomForestRegressor(5, random_state=0), student=student, **FAST)
    model.fit(X, targets(X, "regression"))
    assert_same(node, model.to_onnx().SerializeToString(), records(X), explained=False)


def test_an_operator_that_is_not_there_is_named():
    X = numeric_frame(100)
    model = DistilledRegressor(RandomForestRegressor(5, random_state=0), student=SVR(), **FAST)
    content = model.fit(X, targets(X, "regression")).to_onnx().SerializeToString()
    with pytest.raises(NotImplementedError, match="cannot run the operators SVMRegressor"):
        javascript(content)
