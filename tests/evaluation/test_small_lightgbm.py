"""The small LightGBM that a student must beat, and the advice that follows from it."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from tabkd import DistilledClassifier, load
from tabkd.evaluation import evaluate
from tabkd.evaluation._small_lightgbm import SmallLightGBM
from tabkd.teachers._objective import Objective
from tests.small_tables import category_frame, mixed_frame, numeric_frame, targets

TASKS = ("binary", "multiclass", "regression")


@pytest.mark.parametrize("make", [numeric_frame, category_frame, mixed_frame])
@pytest.mark.parametrize("task", TASKS)
def test_it_learns_within_its_bytes(make, task):
    frame = make(1500)
    y = targets(frame, task)
    model = SmallLightGBM(20_000, task="regression" if task == "regression" else "classification")
    model.fit(frame[:1000], y[:1000])
    assert 2_000 < model.n_bytes_ <= 20_000
    said = model.predict(frame[1000:])
    if task == "regression":
        assert r2_score(y[1000:], said) > 0.8
    else:
        prior = log_loss(y[1000:], [np.unique(y[:1000], return_counts=True)[1] / 1000] * 500, labels=model.classes_)
        assert log_loss(y[1000:], said, labels=model.classes_) < 0.5 * prior


def test_more_bytes_hold_more_trees_and_the_fewest_hold_one():
    frame = numeric_frame(1000)
    y = targets(frame, "regression")
    small, large = (SmallLightGBM(n, task="regression").fit(frame, y) for n in (1, 40_000))
    assert small.n_trees_ == 1 < large.n_trees_


@pytest.mark.parametrize("level", [0.1, 0.9])
def test_it_is_fitted_for_the_loss_that_it_is_given(level):
    frame = numeric_frame(3000)
    y = targets(frame, "regression") + np.random.default_rng(0).normal(size=3000)
    model = SmallLightGBM(20_000, task="regression", objective=Objective("quantile", level))
    said = model.fit(frame[:2000], y[:2000]).predict(frame[2000:])
    assert np.mean(y[2000:] < said) == pytest.approx(level, abs=0.06)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_it_is_fitted_with_weights(task):
    """A row of weight nine is nine rows: the mean prediction is the weighted mean of the labels."""
    frame = numeric_frame(2000)
    y = targets(frame, task)
    y = y[np.random.default_rng(0).permutation(2000)]  # no column tells anything, so that the mean is what is learnt
    high = (y == "yes") if task == "binary" else y > np.median(y)
    weights = np.where(high, 9.0, 1.0)
    model = SmallLightGBM(5_000, task="classification" if task == "binary" else task)
    said = model.fit(frame, y, weights).predict(frame)
    values = high.astype(float) if task == "binary" else y
    mean = said[:, 1].mean() if task == "binary" else said.mean()
    expected = np.average(values, weights=weights)
    assert mean == pytest.approx(expected, rel=0.1)
    assert abs(mean - expected) < abs(mean - values.mean())


def test_a_table_of_few_rows_with_rare_classes():
    frame = numeric_frame(12)
    y = np.array(["a"] * 8 + ["b"] * 3 + ["c"])
    assert SmallLightGBM(5000, task="classification").fit(frame, y).predict(frame).shape == (12, 3)


@pytest.fixture(scope="module")
def rows():
    """Classes that follow from a smooth quadratic, which trees are bad at."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 6)).astype(np.float32)
    logit = 2 * X[:, 0] * X[:, 1] + 2 * X[:, 2] * X[:, 3] - X[:, 4] * X[:, 5]
    y = (rng.random(6000) < 1 / (1 + np.exp(-logit))).astype(int)
    return X[:2000], y[:2000], X[2000:], y[2000:]


def report_of(teacher, rows, tmp_path):
    X_train, y_train, X_test, y_test = rows
    model = DistilledClassifier(teacher, n_synthetic=40_000, random_state=0).fit(X_train, y_train)
    model.to_onnx(tmp_path / "student.onnx")
    exported = load(tmp_path / "student.onnx")
    return evaluate(model, X_test, y_test, X_train=X_train, y_train=y_train, exported=exported, timing=False)


def test_a_student_that_is_better_than_it_is_worth_it(rows, tmp_path):
    good = make_pipeline(PolynomialFeatures(2), LogisticRegression())
    report = report_of(good, rows, tmp_path)
    assert report.metrics["small"]["log_loss"] > report.metrics["student"]["log_loss"]
    assert report.verdict == "distil"
    assert report.advice.startswith("Distil: by log-loss, the student keeps ")


def test_a_teacher_that_is_worse_than_it_is_advised_against(rows, tmp_path):
    linear = FrozenEstimator(LogisticRegression().fit(*rows[:2]))
    report = report_of(linear, rows, tmp_path)
    assert report.verdict == "do not distil"
    assert ", a LightGBM of " in report.advice
    assert "is better than the student (" in report.advice
    assert "and than the teacher itself (" in report.advice
    assert report.to_dict()["advice"] == report.advice
