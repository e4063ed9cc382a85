"""Contributions of columns: they add up to the score, and they are Shapley values of the student."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from tabkd import DistilledClassifier, DistilledRegressor, ExportedStudent
from tabkd.students import STUDENTS, MLPStudent, SoftRows, Student, TreeStudent
from tabkd.students._background import background_rows, mixed
from tabkd.students._network.readout import Readout
from tabkd.students._registry import student_names
from tests.export.hard import FAST, fast_students, mixed_table
from tests.small_students import small_students

TASKS = ["binary", "multiclass", "regression", "targets"]
SMALL = {"mlp": {"max_iter": 5, "hidden_layer_sizes": (16, 8), "random_state": 0}, "boosted_trees": {"n_estimators": 9}}


def soft(scores):
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def targets(signal, task):
    signal = (signal - signal.mean()) / signal.std()
    zeros = np.zeros(len(signal))
    return {
        "binary": soft(np.column_stack([zeros, 2 * signal])),
        "multiclass": soft(np.column_stack([zeros, 2 * signal, signal**2])),
        "regression": 1e6 + 3 * signal,
        "targets": np.column_stack([signal, 1e4 + 10 * signal**2]),
    }[task]


@pytest.fixture(scope="module")
def four_columns():
    """Four columns that interact, with missing values."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4))
    signal = X[:, 0] * X[:, 1] + (X[:, 2] > 0) * X[:, 3] + X[:, 3]
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, signal


def over_all_subsets(student, codes):
    """Shapley values by their definition, (n, M, d)."""
    n, d = codes.shape
    background = student.background_
    worth = {}
    for size in range(d + 1):
        for taken in combinations(range(d), size):
            rows = np.repeat(background[None], n, axis=0)
            rows[:, :, list(taken)] = codes[:, None, list(taken)]
            worth[taken] = student.raw_scores(rows.reshape(-1, d)).reshape(n, len(background), -1).mean(axis=1)
    found = np.zeros((n, worth[()].shape[1], d))
    for j in range(d):
        for taken in worth:
            if j not in taken:
                share = factorial(len(taken)) * factorial(d - len(taken) - 1) / factorial(d)
                found[:, :, j] += share * (worth[tuple(sorted((*taken, j)))] - worth[taken])
    return found


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", STUDENTS)
def test_contributions_are_shapley_values_and_add_up(name, task, four_columns):
    X, signal = four_columns
    student = small_students(**SMALL)[name].fit(X, targets(signal, task))
    codes = X[:10]
    found, expected, scores = student.explain_codes(codes), over_all_subsets(student, codes), student.raw_scores(codes)
    spread = scores.std(axis=0)
    assert np.all(np.abs(student.base_values() + found.sum(axis=2) - scores) <= 1e-5 * spread)
    error = np.abs(found - expected) / spread[:, None]
    assert error.max() < (0.1 if name == "mlp" else 1e-6)


def test_trees_have_the_values_of_shap(four_columns):
    shap = pytest.importorskip("shap")
    X, signal = four_columns
    student = TreeStudent(random_state=0).fit(X, signal)
    background = shap.maskers.Independent(student.encoder_.transform_codes(student.background_), max_samples=256)
    explainer = shap.TreeExplainer(student.decision_tree_, background, feature_perturbation="interventional")
    expected = explainer.shap_values(student.encoder_.transform_codes(X[:50]))
    np.testing.assert_allclose(student.explain_codes(X[:50])[:, 0], expected, atol=1e-5)


def test_a_network_without_hidden_layers_is_explained_exactly(four_columns):
    X, signal = four_columns
    student = MLPStudent(hidden_layer_sizes=(), max_iter=3, random_state=0).fit(X, targets(signal, "multiclass"))
    np.testing.assert_allclose(student.explain_codes(X[:5]), over_all_subsets(student, X[:5]), atol=1e-5)


def test_many_columns_are_explained_as_by_far_more_walks():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 20))
    signal = np.tanh(2 * X[:, 0]) * X[:, 1] + X[:, 2] * (X[:, 3] > 0) * X[:, 4] + X[:, 5:10] @ np.arange(1, 6) / 5
    student = MLPStudent(max_iter=10, random_state=0).fit(X, targets(signal, "binary"))
    network, rows = student._explainer().network, X[:40]
    found = student.explain_codes(rows)[:, 0]
    expected = sampled(network, network.column_sums(rows), network.column_sums(student.background_))
    scores = student.raw_scores(rows)[:, 0]
    np.testing.assert_allclose(student.base_values() + found.sum(axis=1), scores, atol=1e-4 * scores.std())
    assert (found - expected).std() / expected.std() < 0.12
    ranks = [np.argsort(np.argsort(values, axis=1), axis=1) for values in (found, expected)]
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(*ranks, strict=True)]) > 0.95


def test_what_the_walks_get_wrong_is_learnt(four_columns):
    X, signal = four_columns
    student = MLPStudent(hidden_layer_sizes=(16, 8), max_iter=5, random_state=0).fit(X, targets(signal, "binary"))
    explainer, codes = student._explainer(), X[100:150]
    sums = explainer.network.column_sums(codes)
    expected = over_all_subsets(student, codes)
    plain = explainer.walks.explain(explainer.network, sums)
    learnt = explainer.walks.explain(explainer.network, sums, explainer.readout)
    errors = [(values - values.mean(axis=0) - expected + expected.mean(axis=0)).std() for values in (plain, learnt)]
    assert errors[1] < 0.7 * errors[0]


def test_a_readout_learns_from_noisy_contributions_and_still_adds_up():
    rng = np.random.default_rng(0)
    changes, own = rng.normal(size=(4000, 6, 1)), rng.normal(size=(4000, 1))
    flow = rng.normal(size=(6, 3))
    true = Readout(flow - flow.mean(axis=1, keepdims=True), np.array([0.5, 0.3, 0.2]), np.zeros((1, 3)))
    noise = rng.normal(size=(4000, 1, 3))
    noisy = true.of(changes, own) + noise - noise.mean(axis=2, keepdims=True)
    start = Readout(np.zeros((6, 3)), np.full(3, 1 / 3), np.zeros((1, 3)))
    learnt = start.corrected(changes, own, noisy, weighs=True)
    np.testing.assert_allclose(learnt.differences, true.differences, atol=0.06)
    np.testing.assert_allclose(learnt.of(changes, own).sum(axis=2) - own, learnt.bias.sum(), atol=1e-9)
    only_mean = start.corrected(changes, own, noisy + 1, weighs=False)
    np.testing.assert_array_equal(only_mean.differences, start.differences)
    assert only_mean.bias.sum() == pytest.approx(3.0)


def test_mixed_rows_have_values_of_two_rows_each_in_its_column():
    rows = np.arange(12.0).reshape(4, 3)
    found = mixed(rows, 200, np.random.default_rng(0))
    assert found.shape == (200, 3)
    assert np.array_equal(found % 3, np.tile([0.0, 1.0, 2.0], (200, 1)))
    assert set((found // 3).ravel()) == {0.0, 1.0, 2.0, 3.0}
    assert 0 < (np.ptp(found // 3, axis=1) > 0).mean() < 1


def sampled(network, sums, background):
    """Shapley values of a network of one score, by 1024 permutations both ways: (n, p)."""
    rng = np.random.default_rng(1)
    out = np.zeros(sums.shape[:2])
    for k in range(1024):
        order, other = rng.permutation(sums.shape[1]), background[k % len(background)]
        for way in (order, order[::-1]):
            steps = np.concatenate([np.zeros_like(sums[:, :1]), np.cumsum((sums - other)[:, way], axis=1)], axis=1)
            scores = network.behind(steps + other.sum(axis=0) + network.layers[0][1])[:, :, 0]
            out[:, way] += np.diff(scores, axis=1) / 2048
    return out


@pytest.mark.parametrize("name", STUDENTS)
def test_columns_that_never_vary_contribute_nothing_and_strange_values_add_up(name):
    X, signal = mixed_table()
    student = fast_students()[name].fit(X, targets(signal, "multiclass"))
    codes = student.schema_.encode(X)[:6].copy()
    codes[0] = np.nan
    codes[1, list(X).index("label")] = 99.0
    codes[1] = np.minimum(codes[1], [len(column.categories) or np.inf for column in student.schema_.columns])
    codes[2, 0] = 1e30
    found = student.explain_codes(codes)
    assert not found[:, :, list(X).index("constant")].any()
    scores = student.raw_scores(codes)
    np.testing.assert_allclose(student.base_values() + found.sum(axis=2), scores, atol=1e-4)


@pytest.mark.parametrize("name", STUDENTS)
def test_temperature_multiplies_contributions_of_classes(name, four_columns):
    X, signal = four_columns
    model = DistilledClassifier(student=fast_students()[name], temperature=2.0, **FAST)
    model.fit(np.nan_to_num(X), signal > np.median(signal))
    reasons = model.contributions(np.nan_to_num(X))
    odds = reasons.base_values + reasons.values.sum(axis=1)
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), model.predict_proba(np.nan_to_num(X))[:, 1], atol=1e-4)
    assert reasons.feature_names == ["x0", "x1", "x2", "x3"]


def test_a_student_that_is_fitted_again_is_explained_anew(four_columns):
    X, signal = four_columns
    student = MLPStudent(max_iter=2, random_state=0)
    first = student.fit(X, targets(signal, "regression")).explain_codes(X[:3])
    again = student.fit(X, targets(-signal, "regression"))
    assert not np.allclose(again.explain_codes(X[:3]), first)
    assert np.abs(again.explain_codes(X[:3]).sum(axis=2) + again.base_values() - again.raw_scores(X[:3])).max() < 1e-3


def test_background_rows_are_real_rows_that_count():
    rng = np.random.default_rng(0)
    codes, weights = rng.normal(size=(1000, 3)), np.where(np.arange(1000) % 2, 1.0, 0.0)
    found = background_rows(SoftRows(codes, np.zeros((1000, 1)), weights))
    assert found.shape == (256, 3)
    assert set(found[:, 0]) <= set(codes[1::2, 0])
    wide = background_rows(SoftRows(np.zeros((50, 9000)), np.zeros((50, 1)), np.ones(50)))
    assert wide.shape == (11, 9000)
    assert len(background_rows(SoftRows(codes[:7], np.zeros((7, 1)), np.ones(7)))) == 7


def test_trees_with_too_long_paths_say_what_to_set():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 25))
    tree = TreeStudent(max_leaf_nodes=None, min_samples_leaf=1, random_state=0).fit(X, rng.normal(size=3000))
    message = r"contributions of this TreeStudent would take tables of .* numbers.* Set a smaller max_leaf_nodes, or"
    with pytest.raises(NotImplementedError, match=message):
        tree.explain_codes(X[:1])


def test_a_tree_with_too_long_paths_has_a_report_without_contributions():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 25)), rng.normal(size=300)
    student = TreeStudent(max_leaf_nodes=None, min_samples_leaf=1)
    model = DistilledRegressor(DecisionTreeRegressor(random_state=0), student=student, n_synthetic=2000, random_state=0)
    model.fit(X, y)
    with pytest.raises(NotImplementedError, match="would take tables"):
        model.to_onnx(contributions=True)
    report = model.report(X[:50], y[:50], timing=False)
    assert report.n_bytes == len(model.to_onnx().SerializeToString())
    exported = ExportedStudent(model.to_onnx().SerializeToString())
    for one in (report, model.report(X[:50], y[:50], timing=False, exported=exported)):
        assert "<!doctype html>" in one.to_html()


class Constant(Student):
    """A student that explains nothing."""

    def _fit_rows(self, real, synthetic):
        self.mean_ = real.targets.mean(axis=0)

    def predict_codes(self, codes):
        return np.tile(self.mean_, (len(codes), 1))


@pytest.mark.parametrize("student", [LinearRegression(), Constant()], ids=["foreign", "own"])
def test_a_student_without_contributions_says_which_have_them(student, four_columns):
    X, signal = four_columns
    model = DistilledRegressor(LinearRegression(), student=student, **FAST).fit(np.nan_to_num(X), signal)
    message = rf"student {type(student).__name__} has no contributions. Use one of {student_names()}, or define"
    with pytest.raises(NotImplementedError, match=message):
        model.contributions(np.nan_to_num(X))
    with pytest.raises(NotImplementedError, match=message):
        model.to_onnx(contributions=True)
    with pytest.raises(NotImplementedError, match=f"{type(student).__name__} has no contributions: it defines no expl"):
        model._student.explain_codes(X)
