"""Reports from end to end: weighted teachers, deviances, rivals that win, few rows, lost classes, and how they show."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn import metrics as sklearn_metrics
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import DataConversionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from tabkd import DistilledClassifier, DistilledRegressor, load
from tabkd.evaluation import evaluate
from tabkd.evaluation._small_lightgbm import SmallLightGBM
from tabkd.teachers._objective import Objective

TREE = DecisionTreeRegressor(max_leaf_nodes=64, min_samples_leaf=20, random_state=0)


def distilled(estimator, teacher, X, y, student=TREE, **fit):
    return estimator(teacher, student=student, n_synthetic=0, random_state=0).fit(X, y, **fit)


def written(model, path):
    model.to_onnx(path)
    return load(path)


@pytest.fixture(scope="module")
def credit():
    """Rare defaults that follow from a smooth function; training rows, then test rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9000, 6))
    logit = X[:, 0] + X[:, 1] ** 2 + X[:, 2] * X[:, 3] - 3.5
    y = (rng.random(9000) < 1 / (1 + np.exp(-logit))).astype(int)
    return X[:4000], y[:4000], X[4000:], y[4000:]


@pytest.fixture(scope="module")
def claims():
    """Claim frequencies (claims over exposure) with their exposures; training rows, then test rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9000, 4))
    exposure = rng.uniform(0.05, 1, 9000)
    frequency = rng.poisson(np.exp(0.6 * X[:, 0] + 0.4 * X[:, 1] - 1) * exposure) / exposure
    return X[:5000], frequency[:5000], exposure[:5000], X[5000:], frequency[5000:], exposure[5000:]


# The measure that decides


def test_a_teacher_that_favours_a_class_is_judged_by_its_ranking(credit, tmp_path):
    X, y, X_test, y_test = credit
    teacher = LGBMClassifier(
        n_estimators=60, learning_rate=0.05, num_leaves=8, class_weight={0: 1, 1: 30}, verbosity=-1
    )
    model = distilled(DistilledClassifier, teacher, X, y)
    exported = written(model, tmp_path / "s.onnx")
    report = evaluate(model, X_test, y_test, X_train=X, y_train=y, exported=exported, timing=False)
    # By log-loss the teacher is worse than a constant, though it ranks well.
    assert report.metrics["teacher"]["log_loss"] > report.metrics["prior"]["log_loss"]
    auc = {
        "teacher": sklearn_metrics.roc_auc_score(y_test, model.teacher_.predict_proba(X_test)[:, 1]),
        "student": sklearn_metrics.roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]),
    }
    assert report.metric == "roc_auc"
    assert "class_weight={0: 1, 1: 30}" in report.reasons["metric"]
    assert report.skill_kept == pytest.approx((auc["student"] - 0.5) / (auc["teacher"] - 0.5))
    assert report.skill_kept > 0.85
    low, high = report.skill_kept_interval
    assert low < report.skill_kept < high < low + 0.1
    assert "by ROC AUC" in report.advice
    # The rival was fitted with the weights of the teacher, and so was the twin: their probabilities are as high.
    assert report.metrics["small"]["ece"] > 0.1
    assert report.metrics["hard"]["ece"] > 0.1
    by_log_loss = evaluate(model, X_test, y_test, X_train=X, y_train=y, metric="neg_log_loss")
    assert by_log_loss.metric == "neg_log_loss"
    assert np.isnan(by_log_loss.skill_kept)
    assert "no better than a constant by log-loss (" in by_log_loss.reasons["skill_kept"]
    assert by_log_loss.verdict == "do not distil"


def test_a_bare_teacher_whose_probabilities_are_no_frequencies_is_judged_by_its_ranking(credit):
    X, y, X_test, y_test = credit
    weighted = LGBMClassifier(n_estimators=60, class_weight={0: 1, 1: 30}, num_leaves=8, verbosity=-1).fit(X, y)

    class Bare:
        classes_ = np.array([0, 1])

        def predict_proba(self, X):
            return weighted.predict_proba(X)

    report = evaluate(distilled(DistilledClassifier, Bare(), X, y), X_test, y_test, X_train=X, y_train=y)
    assert report.metric == "roc_auc"
    assert "so ROC AUC decides" in report.reasons["metric"]
    assert np.isfinite(report.skill_kept)


def test_a_random_forest_without_weights_is_judged_by_its_log_loss(credit):
    X, y, X_test, y_test = credit
    teacher = RandomForestClassifier(50, min_samples_leaf=5, random_state=0)
    model = distilled(DistilledClassifier, teacher, X, y)
    report = evaluate(model, X_test, y_test, X_train=X, y_train=y)
    assert (report.metric, report.measure) == ("neg_log_loss", "log_loss")
    assert "metric" not in report.reasons
    losses = {name: values["log_loss"] for name, values in report.metrics.items()}
    kept = (losses["prior"] - losses["student"]) / (losses["prior"] - losses["teacher"])
    assert report.skill_kept == pytest.approx(kept)


def test_a_poisson_teacher_with_exposures_is_judged_by_its_weighted_deviance(claims, tmp_path):
    X, y, w, X_test, y_test, w_test = claims
    teacher = LGBMRegressor(n_estimators=40, objective="poisson", learning_rate=0.1, num_leaves=8, verbosity=-1)
    model = distilled(DistilledRegressor, teacher, X, y, sample_weight=w)
    options = {"X_train": X, "y_train": y, "sample_weight": w_test, "sample_weight_train": w}
    exported = written(model, tmp_path / "s.onnx")
    report = evaluate(model, X_test, y_test, exported=exported, timing=False, **options)
    assert report.metric == "neg_mean_poisson_deviance"
    assert "by Poisson deviance" in report.advice

    def deviance(prediction):
        return sklearn_metrics.mean_poisson_deviance(y_test, prediction, sample_weight=w_test)

    of_teacher, of_student = deviance(model.teacher_.predict(X_test)), deviance(model.predict(X_test))
    constant = deviance(np.full(len(X_test), np.average(y_test, weights=w_test)))
    of_prior = deviance(np.full(len(X_test), np.average(y, weights=w)))
    found = {name: values["poisson_deviance"] for name, values in report.metrics.items()}
    assert found["teacher"] == pytest.approx(of_teacher)
    assert found["student"] == pytest.approx(of_student)
    assert found["prior"] == pytest.approx(of_prior)
    assert report.skill_kept == pytest.approx((constant - of_student) / (constant - of_teacher))
    assert report.metrics["teacher"]["rmse"] == pytest.approx(
        sklearn_metrics.root_mean_squared_error(y_test, model.teacher_.predict(X_test), sample_weight=w_test)
    )
    # Twin and rival are fitted with the same weights, and the twin answers no less than the teacher.
    least = model.teacher_.predict(X).min()
    twin = clone(TREE).fit(X, y, sample_weight=w)
    rival = SmallLightGBM(exported.n_bytes, task="regression", objective=Objective("poisson")).fit(X, y, w)
    assert found["hard"] == pytest.approx(deviance(np.maximum(twin.predict(X_test), least)))
    assert found["small"] == pytest.approx(deviance(rival.predict(X_test)))


@pytest.mark.parametrize(
    ("params", "metric", "constant"),
    [
        ({"objective": "quantile", "alpha": 0.9}, "neg_mean_pinball_loss:alpha=0.9", lambda y: np.quantile(y, 0.9)),
        ({"objective": "mae"}, "neg_mean_absolute_error", np.median),
        ({"objective": "tweedie", "tweedie_variance_power": 1.2}, "neg_mean_tweedie_deviance:power=1.2", np.mean),
        ({}, "r2", np.mean),
    ],
)
def test_the_rival_and_the_constant_are_fitted_for_the_loss_of_the_teacher(claims, tmp_path, params, metric, constant):
    X, _, _, X_test, _, _ = claims
    X, rng = X[:2000], np.random.default_rng(1)
    y, y_test = (np.exp(0.6 * X[:, 0]) * rng.gamma(2, size=len(X)) for X in (X, X_test))
    teacher = FrozenEstimator(LGBMRegressor(n_estimators=30, num_leaves=8, verbosity=-1, **params).fit(X, y))
    model = distilled(DistilledRegressor, teacher, X, y)
    exported = written(model, tmp_path / "s.onnx")
    report = evaluate(model, X_test, y_test, X_train=X, y_train=y, exported=exported, timing=False)
    assert report.metric == metric
    mae = sklearn_metrics.mean_absolute_error(y_test, np.full(len(y_test), constant(y)))
    assert report.metrics["prior"]["mae"] == pytest.approx(mae, rel=0.02)
    key = report.measure
    if metric == "r2":
        assert report.metrics["small"][key] > report.metrics["prior"][key]
    else:
        assert report.metrics["small"][key] < report.metrics["prior"][key]
    # A rival that is fitted for the mean is no rival under another loss.
    if "quantile" in params.values():
        assert report.metrics["small"][key] < 1.2 * report.metrics["teacher"][key]


def test_weights_of_the_test_rows_count_in_every_measure(credit):
    """Rows of weight zero are no rows, and weight two is the row twice."""
    X, y, X_test, y_test = credit
    model = distilled(DistilledClassifier, RandomForestClassifier(20, min_samples_leaf=5, random_state=0), X, y)
    w = np.random.default_rng(1).integers(0, 3, len(y_test))
    rows = np.repeat(np.arange(len(w)), w)
    weighted = evaluate(model, X_test, y_test, X_train=X, y_train=y, sample_weight=w)
    repeated = evaluate(model, X_test[rows], y_test[rows], X_train=X, y_train=y)
    for name in weighted.metrics:
        for key in ("log_loss", "roc_auc", "average_precision", "brier", "accuracy"):
            assert weighted.metrics[name][key] == pytest.approx(repeated.metrics[name][key])
    assert weighted.skill_kept == pytest.approx(repeated.skill_kept)
    assert weighted.fidelity == pytest.approx(repeated.fidelity)
    assert weighted.per_class[1]["student_recall"] == pytest.approx(repeated.per_class[1]["student_recall"])


def test_weights_of_the_training_rows_reach_the_prior_and_the_twin(credit):
    X, y, X_test, y_test = credit
    model = distilled(DistilledClassifier, RandomForestClassifier(20, min_samples_leaf=5, random_state=0), X, y)
    w = np.where(y == 1, 9.0, 1.0)
    report = evaluate(model, X_test, y_test, X_train=X, y_train=y, sample_weight_train=w)
    share = np.average(y, weights=w)
    expected = sklearn_metrics.log_loss(y_test, np.tile([1 - share, share], (len(y_test), 1)))
    assert report.metrics["prior"]["log_loss"] == pytest.approx(expected)
    assert report.metrics["hard"]["ece"] > 0.1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sample_weight": [-1.0] * 5000}, "[Nn]egative"),
        ({"sample_weight": [0.0] * 5000}, "zero for every test row"),
        ({"sample_weight": [1.0] * 3}, "inconsistent|shape"),
        ({"sample_weight_train": [1.0] * 4000}, "pass these as well"),
        ({"metric": "auc"}, "'auc' is not known for classification.*roc_auc"),
    ],
)
def test_wrong_weights_and_metrics_are_refused(credit, options, words):
    X, y, X_test, y_test = credit
    model = distilled(DistilledClassifier, LogisticRegression(), X[:200], y[:200])
    with pytest.raises(ValueError, match=words):
        evaluate(model, X_test, y_test, **options)


# The verdict


def test_few_rows_do_not_tell(credit):
    X, y, X_test, y_test = credit
    model = distilled(DistilledClassifier, RandomForestClassifier(20, min_samples_leaf=5, random_state=0), X, y)
    report = evaluate(model, X_test[:25], y_test[:25], X_train=X, y_train=y)
    assert "too few test rows" in report.reasons.get("skill_kept_interval", report.reasons.get("skill_kept"))
    assert report.verdict == "cannot tell"
    assert report.advice.startswith("These 25 test rows cannot decide whether to distil: an interval needs 30 rows")


def test_an_interval_without_ends_is_shown_with_its_reason(credit):
    X, y, X_test, y_test = credit
    model = distilled(DistilledClassifier, RandomForestClassifier(20, min_samples_leaf=5, random_state=0), X, y)
    report = evaluate(model, X_test, y_test)
    reason = "too few test rows to tell the teacher's gain from zero"
    report = dataclasses.replace(report, skill_kept_interval=(-np.inf, np.inf), reasons={"skill_kept_interval": reason})
    assert dict(report.summary())["skill kept"] == f"{report.skill_kept:.1%} ({reason})"


def test_some_rows_do_not_tell_a_student_from_a_rival_that_is_alike(credit):
    """The rival of this student is a tree of other seeds: on 300 rows the interval is wide."""
    X, y, X_test, y_test = credit
    model = distilled(DistilledClassifier, LogisticRegression(), X, y)
    report = evaluate(model, X_test[:300], y_test[:300], X_train=X, y_train=y)
    assert report.verdict == "cannot tell"
    assert "cannot decide whether to distil: by log-loss" in report.advice


def test_a_twin_on_the_labels_that_beats_the_student_is_said(tmp_path):
    """The student saw soft targets of few rows, and labels say all: log-loss next to nothing for teacher and twin."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 4))
    y = np.where(X[:, 0] > 0, "attack", "normal")
    teacher = FrozenEstimator(RandomForestClassifier(30, random_state=0).fit(X[:3000], y[:3000]))
    model = distilled(DistilledClassifier, teacher, X[:60], y[:60])
    report = evaluate(model, X[3000:], y[3000:], X_train=X[:3000], y_train=y[:3000])
    losses = {name: values["log_loss"] for name, values in report.metrics.items()}
    assert losses["student"] > 2 * losses["hard"]
    assert report.verdict == "do not distil"
    assert "the same student fitted on the labels is better than the student" in report.advice
    # What the teacher gains over the twin is nothing to have a share of.
    assert np.isnan(report.recovered_gap)
    assert "the same student on the labels" in report.reasons["recovered_gap"]
    assert dict(report.summary())["recovered gap"].startswith("– (the teacher")


def test_without_rivals_the_verdict_says_what_to_pass(credit):
    X, y, X_test, y_test = credit
    model = distilled(DistilledClassifier, LogisticRegression(), X, y)
    report = evaluate(model, X_test, y_test)
    assert report.verdict == "cannot tell"
    assert "Pass X_train and y_train" in report.advice


def test_a_lost_class_is_named_and_recalls_are_reported(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 3))
    y = np.where(X[:, 0] > 0, "a", "b").astype(object)
    y[(X[:, 1] > 1.6) & (X[:, 2] > 0)] = "<rare>"
    teacher = RandomForestClassifier(30, random_state=0)
    student = DecisionTreeRegressor(max_leaf_nodes=2)
    model = distilled(DistilledClassifier, teacher, X[:2000], y[:2000], student=student)
    report = evaluate(model, X[2000:], y[2000:], X_train=X[:2000], y_train=y[:2000])
    rare = report.per_class["<rare>"]
    assert rare["support"] == (y[2000:] == "<rare>").sum()
    expected = sklearn_metrics.recall_score(
        y[2000:], model.teacher_.predict(X[2000:]), labels=["<rare>"], average="macro"
    )
    assert rare["teacher_recall"] == pytest.approx(expected)
    assert rare["student_recall"] == 0
    assert "The student misses a class that the teacher finds: '<rare>' (0 of its" in report.warnings[0]
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert content["per_class"]["<rare>"]["student_recall"] == 0
    assert {"verdict", "advice", "warnings", "metric", "reasons"} <= set(content)


# Every kind of model


def test_several_outputs_are_judged_together(claims):
    X, y, _, X_test, y_test, _ = claims
    both, both_test = (np.column_stack([y, 5 * X[:, 0]]) for X, y in ((X, y), (X_test, y_test)))
    model = distilled(DistilledRegressor, RandomForestRegressor(20, min_samples_leaf=5, random_state=0), X, both)
    w = np.ones(len(both_test))
    report = evaluate(model, X_test, both_test, X_train=X, y_train=both, sample_weight=w)
    assert report.metric == "r2"
    assert list(report.metrics) == ["teacher", "student", "hard", "prior"]
    r2 = {name: values["r2"] for name, values in report.metrics.items()}
    assert report.skill_kept == pytest.approx(r2["student"] / r2["teacher"])
    assert report.verdict in ("distil", "do not distil", "cannot tell")
    absolute = evaluate(model, X_test, both_test, X_train=X, y_train=both, metric="neg_mean_absolute_error")
    assert absolute.metrics["student"]["mae"] == pytest.approx(
        sklearn_metrics.mean_absolute_error(both_test, model.predict(X_test))
    )


def test_a_foreign_student_without_weights_has_a_twin_where_the_teacher_favours_a_class(credit):
    from sklearn.neighbors import KNeighborsRegressor

    X, y, X_test, y_test = credit
    teacher = LogisticRegression(class_weight="balanced")
    model = distilled(DistilledClassifier, teacher, X, y, student=KNeighborsRegressor(50))
    report = evaluate(model, X_test, y_test, X_train=X, y_train=y)
    assert report.metric == "roc_auc"
    assert report.metrics["hard"]["roc_auc"] > 0.5


def test_values_in_a_column_are_values(claims):
    X, y, _, X_test, y_test, _ = claims
    model = distilled(DistilledRegressor, LinearRegression(), X[:500], y[:500])
    flat = evaluate(model, X_test, y_test, X_train=X[:500], y_train=y[:500])
    with pytest.warns(DataConversionWarning, match="y has shape"):
        column = evaluate(model, X_test, pd.DataFrame({"y": y_test}), X_train=X[:500], y_train=y[:500, None])
    assert column.metrics == flat.metrics


@pytest.mark.parametrize("container", [pd.Series, list, lambda y: pd.Series(y).convert_dtypes()])
def test_labels_in_any_container_are_labels(container):
    X, y = load_breast_cancer(return_X_y=True)
    model = distilled(DistilledClassifier, RandomForestClassifier(5, random_state=0), X[:300], y[:300])
    expected = evaluate(model, X[300:], y[300:], X_train=X[:300], y_train=y[:300])
    found = evaluate(model, X[300:], container(y[300:]), X_train=X[:300], y_train=container(y[:300]))
    assert found.metrics == expected.metrics
    with pytest.warns(DataConversionWarning, match=r"y has shape \(269, 1\)"):
        assert evaluate(model, X[300:], pd.DataFrame({"y": y[300:]})).metrics["student"] == expected.metrics["student"]


def test_test_rows_of_one_value_or_class_have_reasons_and_no_error(claims, credit):
    X, y, _, X_test, _, _ = claims
    model = distilled(DistilledRegressor, LinearRegression(), X[:500], y[:500])
    report = evaluate(model, X_test[:40], np.ones(40), X_train=X[:500], y_train=y[:500])
    assert np.isnan(report.skill_kept)
    assert report.reasons["skill_kept"] == report.reasons["r2"] == "the test rows have one value only"
    assert report.verdict == "cannot tell"
    X, y, X_test, _ = credit
    model = distilled(DistilledClassifier, LogisticRegression(), X, y)
    report = evaluate(model, X_test[:40], np.zeros(40, int), X_train=X, y_train=y, metric="roc_auc")
    assert report.reasons["roc_auc"] == report.reasons["skill_kept"] == "the test rows have one class only"
    assert report.reasons["recall_at_0.001"] == "no test row has class 1"
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_frozen_gamma_teacher_on_rows_with_zeros_is_judged_by_r2(claims, tmp_path):
    X, y, _, X_test, y_test, _ = claims
    X, y = X[:1000], y[:1000]
    teacher = LGBMRegressor(n_estimators=20, objective="gamma", verbosity=-1).fit(X, y + 1)
    model = distilled(DistilledRegressor, FrozenEstimator(teacher), X, y)
    exported = written(model, tmp_path / "s.onnx")
    report = evaluate(model, X_test, y_test, X_train=X, y_train=y, exported=exported, timing=False)
    assert report.metric == "r2"
    assert "Gamma deviance needs positive values, and y_test has 0" in report.reasons["metric"]
    assert np.isfinite(report.metrics["small"]["r2"])


# How it shows


@pytest.fixture(scope="module")
def report(credit):
    X, y, X_test, y_test = credit
    labels = np.array(["<b>fine</b>", "[/x] fraud"])
    model = distilled(DistilledClassifier, RandomForestClassifier(20, class_weight="balanced"), X, labels[y])
    return evaluate(model, X_test, labels[y_test], X_train=X, y_train=labels[y])


def test_a_report_is_a_few_lines(report):
    text = repr(report)
    assert str(report) == text
    assert len(text.splitlines()) < 12
    assert report.verdict in text.splitlines()[0]
    assert report.advice in text
    assert "ROC AUC" in text
    assert "skill kept: " in text


def test_a_report_in_a_notebook_has_names_escaped(report):
    from xml.etree import ElementTree

    named = dataclasses.replace(report, teacher="<script>", warnings=["The student loses '<b>fine</b>' & more."])
    page = named._repr_html_()
    ElementTree.fromstring(page)
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;fine&lt;/b&gt;" in page
    assert "<script>" not in page


def test_a_report_prints_names_that_look_like_markup(report, capsys):
    from tabkd._cli import terminal
    from tabkd._cli.distill import print_report

    print_report(terminal.console(), report)
    output = capsys.readouterr().out
    assert report.advice in output
    assert "class_weight='balanced'" in output
    said = "class '[/x] fraud' and '[b]fine'"
    named = dataclasses.replace(report, advice=said, warnings=[f"lost {said}"], reasons={"metric": f"for {said}"})
    print_report(terminal.console(), named)
    output = capsys.readouterr().out
    assert output.count(said) == 3
