"""The measures against scikit-learn, against values by hand, and on test sets that lack something."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.evaluation import _intervals as intervals
from tabkd.evaluation import _metrics as measure
from tabkd.evaluation import evaluate
from tabkd.evaluation._fidelity import classification_fidelity, regression_fidelity
from tabkd.evaluation._timing import speed
from tabkd.teachers._teacher import teacher_name


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def probabilities(rng, n, K):
    return measure.normalised(rng.random((n, K)) ** 2)


@pytest.mark.parametrize("K", [2, 4])
def test_classification_metrics_are_those_of_scikit_learn(rng, K):
    P, y = probabilities(rng, 300, K), rng.integers(0, K, 300)
    found = measure.classification_metrics(y, P)
    labels = list(range(K))
    score = P[:, 1] if K == 2 else P
    assert found["log_loss"] == pytest.approx(sklearn_metrics.log_loss(y, P, labels=labels))
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(y, P.argmax(axis=1)))
    assert found["roc_auc"] == pytest.approx(sklearn_metrics.roc_auc_score(y, score, multi_class="ovr"))
    assert found["brier"] == pytest.approx(sklearn_metrics.brier_score_loss(y, score, labels=labels))
    onehot = np.eye(K)[y]
    expected = sklearn_metrics.average_precision_score(onehot[:, 1] if K == 2 else onehot, score)
    assert found["average_precision"] == pytest.approx(expected)


@pytest.mark.parametrize("K", [2, 3])
def test_a_test_set_of_one_class_gives_nan_and_no_error(rng, K):
    found = measure.classification_metrics(np.zeros(20, dtype=int), probabilities(rng, 20, K))
    assert np.isnan(found["roc_auc"])
    assert np.isnan(found["average_precision"])
    assert np.isfinite(found["log_loss"])
    assert np.isfinite(found["ece"])


def test_a_class_without_test_rows_is_left_out_of_the_mean(rng):
    P, y = probabilities(rng, 200, 4), rng.integers(0, 3, 200)
    expected = np.mean([sklearn_metrics.roc_auc_score(y == k, P[:, k]) for k in range(3)])
    assert measure.classification_metrics(y, P)["roc_auc"] == pytest.approx(expected)


def test_an_impossible_class_costs_a_finite_loss():
    losses = measure.log_losses(np.array([0]), np.array([[0.0, 1.0]]))
    assert np.isfinite(losses).all()


def test_class_codes_follow_the_order_of_the_classes():
    assert measure.class_codes(["b", "a", "b"], ["a", "b"]).tolist() == [1, 0, 1]


def test_unknown_labels_are_named():
    with pytest.raises(ValueError, match=r"\['c'\].*not in training.*1 of 3"):
        measure.class_codes(["a", "b", "c"], np.array(["a", "b"]))


def test_rows_of_no_probability_become_uniform():
    assert measure.normalised([[0.0, -1.0], [1.0, 3.0]]).tolist() == [[0.5, 0.5], [0.25, 0.75]]


def test_at_budget_counts_the_top_rows():
    positive = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 1], dtype=bool)
    score = np.arange(10)[::-1]
    assert measure.at_budget(positive, score, 0.3) == pytest.approx((2 / 3, 2 / 3))


def test_at_budget_reviews_one_row_at_least():
    recall, precision = measure.at_budget(np.array([True, False]), np.array([0.9, 0.1]), 0.001)
    assert (recall, precision) == (1.0, 1.0)


def test_at_budget_shares_ties_whatever_the_order_of_the_rows(rng):
    positive = np.array([True] * 5 + [False] * 95)
    expected = (0.1, 0.05)  # every row has the same score: a tenth of the fraud in a tenth of the rows
    for _ in range(3):
        assert measure.at_budget(rng.permutation(positive), np.zeros(100), 0.1) == pytest.approx(expected)


def test_at_budget_without_positives_has_no_recall():
    recall, precision = measure.at_budget(np.zeros(10, dtype=bool), np.arange(10), 0.1)
    assert np.isnan(recall)
    assert precision == 0


def test_calibration_error_of_calibrated_and_of_false_probabilities(rng):
    p = rng.uniform(0, 1, 50_000)
    codes = (rng.random(50_000) < p).astype(int)
    assert measure.expected_calibration_error(codes, np.column_stack([1 - p, p])) < 0.01
    wrong = np.column_stack([p, 1 - p])
    assert measure.expected_calibration_error(codes, wrong) == pytest.approx(0.5, abs=0.02)


def test_kept_share_is_the_ratio_of_gains():
    share = intervals.kept_share(np.full(50, 1.0), np.full(50, 0.6), np.full(50, 0.5))
    assert share.value == pytest.approx(0.8)
    assert (share.low, share.high) == pytest.approx((0.8, 0.8))


def test_kept_share_interval_covers_the_truth(rng):
    """Gains of 1 and 0.8 a row, with noise: the 95 % interval misses about one time in twenty."""
    missed = 0
    for seed in range(60):
        noise = np.random.default_rng(seed).normal(0, 1, (3, 400))
        reference, student, teacher = 2 + noise[0], 1.2 + 0.5 * noise[1], 1 + 0.5 * noise[2]
        share = intervals.kept_share(reference, student, teacher, n_resamples=300)
        missed += not share.low <= 0.8 <= share.high
    assert missed <= 8


def test_kept_share_is_unbounded_where_the_gap_cannot_be_told_from_zero(rng):
    noise = rng.normal(0, 1, (3, 100))
    share = intervals.kept_share(noise[0] + 0.01 - noise[0].mean(), noise[1], noise[2] - noise[2].mean())
    assert np.isfinite(share.value)
    assert (share.low, share.high) == (-np.inf, np.inf)


def test_kept_share_is_nan_where_the_teacher_gains_nothing():
    share = intervals.kept_share(np.ones(10), np.ones(10), np.full(10, 2.0))
    assert np.isnan([share.value, share.low, share.high]).all()


def test_mean_difference_covers_the_truth_and_knows_no_bounds_for_one_row(rng):
    lead = rng.normal(0.1, 1, 2000)
    found = intervals.mean_difference(lead, np.zeros(2000), n_resamples=299)
    assert found.low < 0.1 < found.high
    assert found.high - found.low < 0.15
    assert intervals.mean_difference([1.0], [0.0]).low == -np.inf


def test_kept_share_of_a_large_test_set_is_quick_and_agrees(rng):
    n = 100_000
    losses = (2 + rng.normal(0, 1, n), 1.2 + rng.normal(0, 1, n), 1 + rng.normal(0, 1, n))
    share = intervals.kept_share(*losses, n_resamples=200)
    assert share.value == pytest.approx(0.8, abs=0.02)
    # The delta method: sd of the ratio is about sqrt((1 + 0.04 + 0.64) / n).
    assert (share.high - share.low) / 2 == pytest.approx(1.96 * np.sqrt(1.68 / n), rel=0.25)


def test_scaled_squared_errors_add_up_to_r2(rng):
    y, prediction = rng.normal(size=(80, 2)), rng.normal(size=(80, 2))
    r2 = sklearn_metrics.r2_score(y, prediction)
    assert 1 - measure.scaled_squared_errors(y, prediction).mean() == pytest.approx(r2)


@pytest.mark.parametrize("shape", [(60,), (60, 3)])
def test_regression_metrics_are_those_of_scikit_learn(rng, shape):
    y, prediction = rng.normal(size=shape), rng.normal(size=shape)
    found = measure.regression_metrics(y, prediction)
    assert found["r2"] == pytest.approx(sklearn_metrics.r2_score(y, prediction))
    assert found["rmse"] == pytest.approx(sklearn_metrics.root_mean_squared_error(y, prediction))
    assert found["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(y, prediction))


def test_fidelity_to_oneself_is_perfect(rng):
    P = probabilities(rng, 50, 3)
    assert classification_fidelity(P, P) == pytest.approx({"agreement": 1.0, "kl": 0.0, "logit_correlation": 1.0})
    y = rng.normal(size=(50, 2))
    found = regression_fidelity(y, y)
    assert found == pytest.approx({"r2_to_teacher": 1.0, "rmse_to_teacher": 0.0, "correlation": 1.0})


def test_kl_by_hand():
    teacher, student = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    expected = 0.5 * np.log(2) + 0.5 * np.log(2 / 3)
    assert classification_fidelity(teacher, student)["kl"] == pytest.approx(expected)


def small_classifier():
    student = DecisionTreeRegressor(max_depth=3, random_state=0)
    return DistilledClassifier(RandomForestClassifier(20, random_state=0), student=student, augmenter=None)


def small_regressor():
    student = DecisionTreeRegressor(max_depth=3, random_state=0)
    return DistilledRegressor(RandomForestRegressor(20, random_state=0), student=student, augmenter=None)


def halves(loaded):
    X, y = loaded
    return X[::2], y[::2], X[1::2], y[1::2]


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris])
def test_report_of_a_classifier(load):
    X_train, y_train, X_test, y_test = halves(load(return_X_y=True))
    model = small_classifier().fit(X_train, y_train)
    report = evaluate(model, X_test, y_test, X_train=X_train, y_train=y_train, n_resamples=99)
    assert list(report.metrics) == ["teacher", "student", "hard", "prior"]
    frequencies = np.bincount(y_train) / len(y_train)
    prior = sklearn_metrics.log_loss(y_test, np.tile(frequencies, (len(y_test), 1)))
    losses = {name: values["log_loss"] for name, values in report.metrics.items()}
    assert losses["prior"] == pytest.approx(prior)
    kept = (prior - losses["student"]) / (prior - losses["teacher"])
    assert report.skill_kept == pytest.approx(kept)
    assert report.skill_kept_interval[0] < kept < report.skill_kept_interval[1]


def test_report_of_labels_that_are_text():
    X_train, y_train, X_test, y_test = halves(load_iris(return_X_y=True))
    names = np.array(["c", "a", "b"])
    model = small_classifier().fit(X_train, names[y_train])
    report = evaluate(model, X_test, names[y_test], n_resamples=99)
    assert report.classes == ["a", "b", "c"]
    assert report.metrics["teacher"]["accuracy"] > 0.9


@pytest.mark.parametrize("outputs", [1, 2])
def test_report_of_a_regressor(outputs):
    X, y = load_diabetes(return_X_y=True)
    y = y if outputs == 1 else np.column_stack([y, X[:, 2] * 100])
    X_train, y_train, X_test, y_test = halves((X, y))
    model = small_regressor().fit(X_train, y_train)
    report = evaluate(model, X_test, y_test, X_train=X_train, y_train=y_train, n_resamples=99)
    r2 = {name: values["r2"] for name, values in report.metrics.items()}
    assert r2["teacher"] == pytest.approx(model.teacher_.score(X_test, y_test))
    assert report.skill_kept == pytest.approx(r2["student"] / r2["teacher"])
    gap = (r2["student"] - r2["hard"]) / (r2["teacher"] - r2["hard"])
    if r2["teacher"] > r2["hard"]:
        assert report.recovered_gap == pytest.approx(gap)


def test_without_training_rows_there_is_no_hard_label_student():
    X_train, y_train, X_test, y_test = halves(load_breast_cancer(return_X_y=True))
    report = evaluate(small_classifier().fit(X_train, y_train), X_test, y_test, n_resamples=99)
    assert "hard" not in report.metrics
    assert report.recovered_gap is None


def test_a_report_is_frozen_and_json_safe():
    X_train, y_train, X_test, _ = halves(load_breast_cancer(return_X_y=True))
    model = small_classifier().fit(X_train, y_train)
    report = evaluate(model, X_test, np.zeros(len(X_test), dtype=int), n_resamples=99)
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert content["metrics"]["teacher"]["roc_auc"] is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.skill_kept = 2.0


def test_a_report_prints_without_colour_or_terminal(capsys):
    from rich.console import Console

    X_train, y_train, X_test, y_test = halves(load_breast_cancer(return_X_y=True))
    model = small_classifier().fit(X_train, y_train)
    report = evaluate(model, X_test, y_test, X_train=X_train, y_train=y_train, exported=model, n_resamples=99)
    Console(width=120).print(report.to_table())
    assert "log-loss" in capsys.readouterr().out
    assert [label for label, _ in report.summary()][:2] == ["skill kept", "recovered gap"]
    assert report.speed["ratio"] == pytest.approx(
        report.speed["student"]["rows_per_second"] / report.speed["teacher"]["rows_per_second"]
    )


def test_an_empty_test_is_refused():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="0 rows"):
        evaluate(small_classifier().fit(X, y), X[:0], y[:0])


def test_speed_tells_slow_from_fast_and_repeats_rows_where_there_are_few():
    import time

    sizes = []

    def slow(X):
        sizes.append(len(X))
        time.sleep(0.004)

    found = speed({"slow": slow, "fast": lambda X: None}, np.zeros((10, 2)), batch_size=64, seconds=0.05)
    assert set(sizes) == {64, 1}
    assert found["slow"]["rows_per_second"] < found["fast"]["rows_per_second"]
    assert found["slow"]["one_row_p99_us"] >= found["slow"]["one_row_p50_us"] >= 4000


def test_estimators_are_named_by_what_is_inside():
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier())
    assert teacher_name(FrozenEstimator(pipeline)) == "RandomForestClassifier"
