"""The search for a student: budgets, refusals, and scikit-learn's conventions."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

from tabkd import Budget, DistillationSearch, DistilledClassifier, DistilledRegressor
from tabkd._search.budget import front
from tabkd._search.candidates import Candidate, Measures
from tabkd._search.race import preferred, promising
from tests.distilled.quick import QUICK_MLP
from tests.small_tables import mixed_frame, targets

TREES = {"tree": {"max_leaf_nodes": [4, 8, 16, 64]}, "boosted_trees": {"n_estimators": [3, 10], "max_leaf_nodes": [8]}}


def forest():
    return RandomForestClassifier(10, random_state=0)


def search(teacher=None, **params):
    template = DistilledClassifier(forest() if teacher is None else teacher, n_synthetic=1500)
    return DistillationSearch(template, **{"students": TREES, "random_state": 0, **params})


@pytest.fixture(scope="module")
def table():
    return load_breast_cancer(return_X_y=True, as_frame=True)


@pytest.fixture(scope="module")
def free(table):
    return search().fit(*table)


def test_without_a_budget_the_most_faithful_student_is_chosen(free):
    results = free.cv_results_
    finalists = results["share"] == 1
    assert 1 <= finalists.sum() < len(finalists)
    assert free.best_score_ == results["fidelity"][finalists].max()
    assert results["rank_test_score"][free.best_index_] == 1
    assert results["params"][free.best_index_] == free.best_params_


def test_the_chosen_student_learns_from_no_more_rows_than_the_candidates(monkeypatch):
    monkeypatch.setattr("tabkd._learning_rows.CHUNK_ROWS", 300)
    X = np.random.RandomState(0).rand(400, 2)
    students = {"mlp": {}, "tree": {"max_leaf_nodes": [4]}}
    found = DistillationSearch(
        LinearRegression(), students=students, budget=Budget(max_bytes=8000), n_jobs=1, random_state=0
    ).fit(X, X[:, 0])
    assert found.best_params_["student"] == "tree"
    assert found.best_estimator_.labelling_.n_rows == 300


def test_the_chosen_student_is_written_as_sql(free):
    pytest.importorskip("sqlglot")
    assert free.to_sql("sqlite", table="t") == free.best_estimator_.to_sql("sqlite", table="t")


def test_max_bytes_gives_the_best_student_within_it(free, table):
    limit = int(np.sort(free.cv_results_["n_bytes"])[2])
    found = search(budget=Budget(max_bytes=limit)).fit(*table)
    results = found.cv_results_
    assert len(found.to_onnx().SerializeToString()) <= limit
    within = (results["share"] == 1) & (results["n_bytes"] <= limit)
    assert found.best_score_ == results["fidelity"][within].max() < free.best_score_


def test_keep_gives_the_smallest_student_that_does(free, table):
    kept = free.cv_results_["skill_kept"]
    keep = float(kept.min() + kept.max()) / 2
    found = search(budget=Budget(keep=keep)).fit(*table)
    results = found.cv_results_
    enough = (results["share"] == 1) & (results["skill_kept"] >= keep)
    assert results["n_bytes"][found.best_index_] == results["n_bytes"][enough].min() < results["n_bytes"].max()


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (Budget(max_bytes=100), r"No candidate meets max_bytes=100\. The nearest is tree\(max_leaf_nodes=4\)"),
        (Budget(max_bytes=12_600, keep=1.0), r"max_bytes=12600, keep=1.0\. Of those within it, the most faithful is"),
        (Budget(max_latency_us=1e-3), r"No candidate meets max_latency_us=0.001"),
    ],
    ids=str,
)
def test_a_budget_that_no_candidate_meets_names_the_nearest_and_the_front(table, budget, message):
    with pytest.raises(ValueError, match=message) as error:
        search(budget=budget, students={"tree": {"max_leaf_nodes": [4, 8]}}).fit(*table)
    assert "The smallest of each fidelity: tree(max_leaf_nodes=4)" in str(error.value)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"max_bytes": 0}, ValueError, "max_bytes is 0; expected more than zero"),
        ({"max_bytes": 2.5}, TypeError, "max_bytes is 2.5; expected a whole number"),
        ({"keep": 98}, ValueError, "keep is 98; expected a share"),
        ({"max_latency_us": "20us"}, TypeError, "max_latency_us is '20us'; expected a number"),
    ],
    ids=str,
)
def test_a_budget_is_checked(params, error, message):
    with pytest.raises(error, match=message):
        Budget(**params)


@pytest.mark.parametrize(
    ("students", "error", "message"),
    [
        (["forest"], ValueError, "students names 'forest'; choose among 'mlp', 'additive'"),
        ([RandomForestRegressor], TypeError, "expected the name of a student"),
        ([], ValueError, "students has no candidate"),
    ],
    ids=str,
)
def test_students_are_checked(table, students, error, message):
    with pytest.raises(error, match=message):
        search(students=students).fit(*table)


def test_the_best_parameters_and_the_seed_give_the_best_estimator(free, table):
    again = clone(free).fit(*table)
    np.testing.assert_array_equal(again.predict_proba(table[0]), free.predict_proba(table[0]))
    alone = clone(free.best_estimator_).fit(*table)
    np.testing.assert_array_equal(alone.predict_proba(table[0]), free.predict_proba(table[0]))


def test_the_default_student_learns_from_all_lessons_beside_the_finalists(table):
    found = search(students={"mlp": {}, **TREES}, budget=Budget(max_bytes=16_000), refit=False)
    found.set_params(teacher__n_synthetic=100).fit(*table)
    results = found.cv_results_
    default = results["params"].index({"student": "mlp"})
    assert results["share"][default] == 1
    assert not results["meets_budget"][default]
    assert (results["share"] == 1).sum() == 3
    assert any(
        entry["n_bytes"] <= results["n_bytes"][default] and entry["fidelity"] >= results["fidelity"][default]
        for entry in found.front_
    )


def test_steps_above_one_that_is_too_large_are_not_tried(table):
    sizes = search(students=["tree"], refit=False).fit(*table).cv_results_["n_bytes"]
    limit = Budget(max_bytes=int(sizes[0]) + 100)
    found = search(students=["tree"], budget=limit, refit=False).fit(*table)
    assert [params["student__max_leaf_nodes"] for params in found.cv_results_["params"]] == [16, 64]
    with pytest.raises(ValueError, match=r"The nearest is tree\(max_leaf_nodes=16\)"):
        search(students=["tree"], budget=Budget(max_bytes=100)).fit(*table)
    grid = {"tree": {"max_leaf_nodes": [16, 64, 256]}}
    everyone = search(students=grid, budget=limit, refit=False).fit(*table)
    assert len(everyone.cv_results_["params"]) == 3


def test_a_frozen_teacher_is_used_as_it_is(table):
    teacher = forest().fit(*table)
    found = search(FrozenEstimator(teacher), students=["tree"]).fit(*table)
    assert found.best_estimator_.teacher_.estimator is teacher


def test_values_and_regressors_of_other_libraries(recwarn):
    X, y = load_diabetes(return_X_y=True)
    template = DistilledRegressor(RandomForestRegressor(10, random_state=0), n_synthetic=1000)
    from sklearn.linear_model import LinearRegression

    found = DistillationSearch(template, students=[LinearRegression(), "tree"], random_state=0).fit(X, y)
    assert set(found.cv_results_["student"]) == {"LinearRegression", "tree"}
    assert 0 < found.best_score_ < 1
    assert found.score(X, y) > 0.3
    assert not hasattr(found, "predict_proba")


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_text_columns_and_each_task_without_a_teacher_of_ones_own(task):
    X = mixed_frame(400)
    found = DistillationSearch(students=["tree"], n_iter=2, random_state=0, n_jobs=1).fit(X, targets(X, task))
    assert isinstance(found.best_estimator_, DistilledRegressor if task == "regression" else DistilledClassifier)
    assert len(found.predict(X)) == 400


def test_every_candidate_begins_from_the_same_seed(table):
    found = search(students=[QUICK_MLP, clone(QUICK_MLP)]).fit(*table)
    assert found.cv_results_["fidelity"][0] == found.cv_results_["fidelity"][1]


def runners():
    """Candidates of rising size and skill, one of which is worse than a smaller one."""
    kept = [0.7, 0.8, 0.75, 0.9, 0.95, 0.99]
    found = [Measures(1.0, 1000 * (i + 1), 10.0, share, share, 1.0) for i, share in enumerate(kept)]
    return [Candidate({"student": "tree", "student__max_depth": i}, each) for i, each in enumerate(found)]


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget(), [5, 4]),
        (Budget(max_bytes=4500), [3, 1]),
        (Budget(keep=0.85), [1, 3]),
        (Budget(keep=1.0), [4, 5]),
        (Budget(max_bytes=10), [0, 1]),
    ],
    ids=str,
)
def test_those_get_on_among_whom_the_budget_will_choose(budget, expected):
    assert [each.settings["max_depth"] for each in promising(runners(), budget, 2)] == expected


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget(), [5, 4, 3, 1, 2, 0]),
        (Budget(keep=0.78), [1, 3, 4, 5]),
        (Budget(max_bytes=4500, keep=0.78), [1, 3]),
        (Budget(max_latency_us=1), []),
    ],
    ids=str,
)
def test_the_smallest_that_keeps_enough_is_preferred_and_otherwise_the_most_faithful(budget, expected):
    assert [each.settings["max_depth"] for each in preferred(runners(), budget)] == expected


def test_the_front_leaves_out_who_is_beaten_by_a_smaller_one():
    assert [each.settings["max_depth"] for each in front(runners())] == [0, 1, 3, 4, 5]


def test_without_refit_there_are_results_and_no_predictions(table):
    found = search(refit=False, students=["tree"]).fit(*table)
    assert found.front_[-1]["chosen"]
    with pytest.raises(NotFittedError, match="refit=False"):
        found.predict(table[0])


def test_parameters_can_be_set(table):
    found = search().set_params(students=["tree"], n_iter=1, teacher__n_synthetic=200).fit(*table)
    assert found.best_params_ == {"student": "tree", "student__max_leaf_nodes": 64}


def test_every_student_is_a_candidate_by_default():
    from tabkd._search.candidates import candidates
    from tabkd.students import STUDENTS

    assert {each.student for each in candidates("all", 16)} == set(STUDENTS)
    assert len(candidates("all", 5)) == 5


def test_the_report_of_a_search_has_its_front(free, table):
    report = free.report(*table, timing=False)
    assert sum(entry["chosen"] for entry in report.front) == 1
    assert report.to_dict()["front"] == report.front
    assert report.n_bytes == len(free.to_onnx().SerializeToString())
    assert "Smaller and larger students" in report.to_html()
    assert '<circle class="student mark"' in report.to_html()


def test_the_front_can_be_drawn(free):
    pytest.importorskip("matplotlib").use("Agg")
    from tabkd.evaluation import ParetoDisplay

    display = ParetoDisplay.from_search(free).plot()
    assert display.ax_.get_xscale() == "log"
    assert len(display.others) == len(free.cv_results_["params"])
