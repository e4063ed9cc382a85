"""Which alerts stay, come and go when the student replaces its teacher."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.linear_model import LinearRegression, LogisticRegression

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._review import cut
from tabkd.evaluation import evaluate
from tabkd.evaluation._decisions import decisions, exact_interval
from tabkd.evaluation._scores import Scores


def two_classes(teacher, student, truth=None, sample_weight=None):
    scores = {"teacher": np.asarray(teacher, float), "student": np.asarray(student, float)}
    truth = np.zeros(len(scores["teacher"]), int) if truth is None else np.asarray(truth)
    both = {name: np.column_stack([1 - p, p]) for name, p in scores.items()}
    return Scores(both, truth=truth, classes=np.array([0, 1]), sample_weight=sample_weight)


def ranked(n, swapped):
    """A teacher's scores from high to low, and a student's that puts the last rows above the first ones."""
    teacher = np.linspace(1, 0.1, n)
    student = teacher.copy()
    student[:swapped], student[n - swapped :] = teacher[n - swapped :], teacher[:swapped]
    return teacher, student


def test_alerts_that_stay_come_and_go_are_counted_with_what_they_are_worth():
    teacher, student = ranked(1000, 4)
    truth = np.zeros(1000, int)
    truth[:2] = truth[4:14] = truth[-1:] = 1
    found = decisions(two_classes(teacher, student, truth), 0.02)
    assert (found["alerts"], found["same"], found["come"], found["go"]) == (20, 16, 4, 4)
    assert found["worth"] == {"same": 10 / 16, "come": 1 / 4, "go": 2 / 4}
    assert found["changed"] == 0.2
    assert found["changed_interval"] == pytest.approx(binomtest(4, 20).proportion_ci())
    assert np.count_nonzero(student >= found["student_threshold"]) == 20
    assert np.count_nonzero(teacher >= found["teacher_threshold"]) == 20
    assert found["student_ties"] == {"alerts": 0, "rows": 0}
    assert found["reason"] is None


def test_values_are_reviewed_from_the_largest_and_worth_their_mean():
    teacher, student = ranked(100, 2)
    found = decisions(Scores({"teacher": teacher, "student": student}, truth=np.arange(100.0)), 0.1)
    assert found["worth"] == {"same": np.mean(range(2, 10)), "come": 98.5, "go": 0.5}


def test_a_tie_at_the_threshold_is_shared_and_counted():
    teacher = np.linspace(1, 0.1, 100)
    student = np.where(np.arange(100) < 40, 0.9, 0.1)
    found = decisions(two_classes(teacher, student), 0.1)
    assert found["student_ties"] == {"alerts": 10, "rows": 40}
    assert found["teacher_ties"] == {"alerts": 0, "rows": 0}
    # Of ten rows among forty in random order, a quarter are among the teacher's ten.
    assert found["same"] == pytest.approx(2.5)
    assert found["come"] == pytest.approx(found["go"]) == pytest.approx(7.5)


def test_a_copy_changes_nothing_whatever_ties():
    scores = np.repeat([0.9, 0.1], 100)
    found = decisions(two_classes(scores, scores), 0.1)
    assert (found["same"], found["go"]) == (pytest.approx(20), 0)
    assert found["changed_interval"] == pytest.approx(binomtest(0, 20).proportion_ci())
    assert found["worth"]["come"] is None


def test_too_few_alerts_have_a_reason_in_place_of_an_interval():
    found = decisions(two_classes(*ranked(900, 1)), 0.01)
    assert found["changed_interval"] is None
    assert found["reason"] == "9 test rows in the budget; an interval needs 10"
    assert found["changed"] == pytest.approx(1 / 9)


def test_equal_weights_change_nothing_and_unequal_ones_count():
    teacher, student = ranked(1000, 4)
    plain = decisions(two_classes(teacher, student), 0.02)
    equal = decisions(two_classes(teacher, student, sample_weight=np.full(1000, 3.0)), 0.02)
    for name in ("alerts", "same", "go", "changed", "student_threshold"):
        assert equal[name] == pytest.approx(plain[name])
    assert equal["changed_interval"] == pytest.approx(plain["changed_interval"])
    weights = np.ones(1000)
    weights[:4] = 3
    heavy = decisions(two_classes(teacher, student, sample_weight=weights), 0.02)
    assert heavy["go"] > 2.9 * plain["go"]
    assert heavy["come"] == pytest.approx(heavy["go"])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2), st.floats(0.01, 0.99))
def test_as_many_alerts_come_as_go_whatever_the_scores(pairs, budget):
    teacher, student = (np.array(column) / 5 for column in zip(*pairs, strict=True))
    found = decisions(two_classes(teacher, student), budget)
    assert found["come"] == pytest.approx(found["go"])
    assert found["same"] + found["go"] == pytest.approx(found["alerts"])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 40))
def test_a_cut_is_the_same_with_weights_of_one(scores, alerts):
    scores, alerts = np.array(scores, float), min(alerts, len(scores))
    plain, weighted = cut(scores, alerts), cut(scores, alerts, np.ones(len(scores)))
    assert plain == pytest.approx(weighted)
    assert plain.alerted(scores).sum() == pytest.approx(alerts)


def test_an_exact_interval_reaches_the_ends():
    assert exact_interval(0, 10)[0] == 0
    assert exact_interval(1, 10)[1] == 1
    assert exact_interval(0.3, 50) == pytest.approx(binomtest(15, 50).proportion_ci())


def test_a_report_has_the_decisions_of_each_budget_and_stores_them():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 3))
    y = (X[:, 0] + rng.normal(size=1500) > 1).astype(int)
    model = DistilledClassifier(LogisticRegression(), student="tree", n_synthetic=300, random_state=0)
    report = evaluate(model.fit(X[:500], y[:500]), X[500:], y[500:], n_resamples=20, review=[0.05, 0.001])
    assert [entry["budget"] for entry in report.review] == [0.001, 0.05]
    assert report.review[1] == decisions(report.scores, 0.05)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["review"][1]["alerts"] == 50
    lines = dict(report.summary())
    # One row in the smaller budget has no interval, and is not told.
    assert [name for name in lines if name.startswith("same alerts")] == ["same alerts at 0.05"]
    assert "new, as many lost; share of class 1: " in lines["changed alerts at 0.05"]


def test_more_classes_and_more_targets_say_why_there_is_no_review():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    params = {"student": "tree", "n_synthetic": 200}
    classes, values = np.digitize(X[:, 0], [-1, 1]), X[:, :2]
    three = DistilledClassifier(LogisticRegression(), **params).fit(X, classes)
    report = evaluate(three, X, classes, n_resamples=20)
    assert (report.review, report.reasons["review"][-15:]) == ([], "the model has 3")
    two = DistilledRegressor(LinearRegression(), **params).fit(X, values)
    report = evaluate(two, X, values, n_resamples=20)
    assert report.review == []
    assert report.reasons["review"] == "a review ranks rows by one target; the model has 2"
    assert "alerts" not in str(report.summary())


@pytest.mark.parametrize(("review", "wrong"), [((0.1, 1.5), "review is 1.5"), ((0,), "review is 0"), ((), "is empty")])
def test_a_budget_that_is_no_share_is_refused(review, wrong):
    X = np.random.default_rng(0).normal(size=(50, 2))
    model = DistilledRegressor(LinearRegression(), student="tree", n_synthetic=100).fit(X, X[:, 0])
    with pytest.raises(ValueError, match=wrong):
        evaluate(model, X, X[:, 0], review=review)
