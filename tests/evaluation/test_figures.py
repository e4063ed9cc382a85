"""The figures of a report, as numbers."""

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from tabkd.evaluation._decisions import decisions
from tabkd.evaluation._figures import figures
from tabkd.evaluation._scores import Scores
from tabkd.evaluation._single_score import single_score

RNG = np.random.default_rng(0)
N = 2000


def two_classes(student=None, sample_weight=None):
    teacher = RNG.random(N)
    student = np.clip(teacher + RNG.normal(scale=0.1, size=N), 0, 1) if student is None else student
    both = {name: np.column_stack([1 - p, p]) for name, p in (("teacher", teacher), ("student", student))}
    truth = (RNG.random(N) < teacher).astype(int)
    return Scores(both, truth=truth, classes=np.array(["no", "yes"]), sample_weight=sample_weight)


def test_curves_have_the_area_that_scikit_learn_measures():
    scores = two_classes()
    shown = figures(single_score(scores), scores)
    for name in ("teacher", "student"):
        curve = shown["roc"][name]
        area = np.trapezoid(curve["y"], curve["x"])
        assert area == pytest.approx(roc_auc_score(scores.truth, scores[name][:, 1]), abs=0.01)
    assert shown["marks"] == {"budget": None, "roc": {}, "precision_recall": {}}


def test_marks_are_where_the_alerts_of_the_budget_are():
    scores = two_classes(sample_weight=RNG.uniform(0.1, 5, N))
    marks = figures(single_score(scores), scores, 0.05)["marks"]
    alerts = decisions(scores, 0.05)
    for name in ("teacher", "student"):
        alerted = scores[name][:, 1] >= alerts[f"{name}_threshold"]
        of = (scores.truth, alerted)
        recall, precision = marks["precision_recall"][name]
        assert recall == pytest.approx(recall_score(*of, sample_weight=scores.weights), abs=0.005)
        assert precision == pytest.approx(precision_score(*of, sample_weight=scores.weights), abs=0.02)
        assert marks["roc"][name][1] == recall


def test_a_point_of_the_calibration_is_the_mean_score_and_outcome_of_a_tenth_of_the_rows():
    scores = two_classes()
    shown = figures(single_score(scores), scores)["calibration"]["student"]
    parts = np.array_split(np.argsort(scores["student"][:, 1], kind="stable"), 10)
    assert shown["x"] == pytest.approx([scores["student"][part, 1].mean() for part in parts], abs=0.01)
    assert shown["y"] == pytest.approx([scores.truth[part].mean() for part in parts], abs=0.02)


def test_shares_of_the_distribution_and_of_the_map_add_up_to_one():
    scores = two_classes(sample_weight=RNG.uniform(0.1, 5, N))
    shown = figures(single_score(scores), scores)
    assert sum(shown["distribution"]["teacher"]) == pytest.approx(1, abs=1e-3)
    assert np.sum(shown["pairs"]["shares"]) == pytest.approx(1, abs=1e-3)


def test_rows_that_tie_at_the_budget_count_by_their_share_of_it():
    scores = two_classes(student=np.full(N, 0.5))
    marks = figures(single_score(scores), scores, 0.05)["marks"]
    assert marks["precision_recall"]["student"] == pytest.approx((0.05, scores.truth.mean()))
    assert marks["roc"]["student"] == pytest.approx((0.05, 0.05))


def test_rows_of_one_class_have_no_curves_even_where_weights_leave_no_other():
    scores = two_classes()
    weights = np.where(scores.truth == 1, 0.0, 1.0)
    scores = Scores(scores.by_contestant, truth=scores.truth, classes=scores.classes, sample_weight=weights)
    shown = figures(single_score(scores), scores, 0.05)
    assert "roc" not in shown
    assert "calibration" in shown


def test_several_classes_are_compared_by_the_one_that_the_teacher_prefers():
    teacher = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])
    student = np.array([[0.2, 0.6, 0.2], [0.4, 0.3, 0.3]])
    scores = Scores({"teacher": teacher, "student": student}, truth=np.array([1, 2]), classes=np.array([0, 1, 2]))
    found = single_score(scores)
    assert (found.teacher.tolist(), found.student.tolist(), found.outcome.tolist()) == ([0.7, 0.5], [0.6, 0.4], [1, 0])
    assert "roc" not in figures(found, scores)


def test_several_targets_have_no_one_score():
    values = np.zeros((5, 2))
    assert single_score(Scores({"teacher": values, "student": values}, truth=values)) is None
