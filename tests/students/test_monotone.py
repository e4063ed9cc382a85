"""Students that are monotone on every row, and the proof of it."""

import functools
import itertools
from copy import copy, deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.isotonic import IsotonicRegression

from tabkd import DistilledClassifier, DistilledRegressor, load
from tabkd._monotone import directions
from tabkd._tables.schema import TableSchema
from tabkd.onnx import MonotoneError
from tabkd.onnx._trees import Nodes
from tabkd.students import STUDENTS, BoostedTreesStudent, MLPStudent, Student, TreeStudent
from tabkd.students._network.signs import hidden_roles, limits, reaches
from tabkd.students._network.training import within
from tabkd.students._trees.leaf_order import ordered_values, proved_by_leaves, rises

SMALL = {"mlp": {"hidden_layer_sizes": (16, 8), "n_knots": 24, "max_iter": 8}, "boosted_trees": {"n_estimators": 15}}
WANTED = {"income": 1, "debt": -1, "age": 1}
TASKS = ["classification", "regression"]


def table(n=1500, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=["income", "debt", "age", "score"])
    frame["debt"] = frame["debt"].mask(rng.random(n) < 0.15)
    frame["score"] = frame["score"].mask(rng.random(n) < 0.15)
    frame["town"] = rng.choice(["A", "B", "C"], n)
    return frame


def score(frame: pd.DataFrame) -> np.ndarray:
    """A target with waves in constrained columns, which a free student learns and a constrained one must not."""
    waves = frame["income"] + np.sin(3 * frame["income"]) - frame["debt"].fillna(2) + np.sin(3 * frame["age"])
    return (waves + frame["score"].fillna(1) * frame["age"] + (frame["town"] == "B")).to_numpy()


def targets(frame: pd.DataFrame, task: str) -> np.ndarray:
    if task == "regression":
        return score(frame)
    p = 1 / (1 + np.exp(-score(frame)))
    return np.column_stack([1 - p, p])


def small(name: str, monotonic_cst=None) -> Student:
    return STUDENTS[name](n_jobs=1, random_state=0, monotonic_cst=monotonic_cst, **SMALL.get(name, {}))


@functools.cache
def fitted(name: str, task: str, is_constrained: bool = True) -> Student:
    """Fitted once for all tests, which change a copy of it."""
    return small(name, WANTED if is_constrained else None).fit(table(), targets(table(), task))


def moved(frame: pd.DataFrame, column: str, n: int = 40) -> pd.DataFrame:
    """Each row with values of the column from far below to far above all that were seen."""
    values = np.concatenate([[-1e30, -50], np.linspace(-4, 4, n - 4), [50, 1e30]])
    rows = frame.loc[np.repeat(frame.index, n)].reset_index(drop=True)
    return rows.assign(**{column: np.tile(values, len(frame))})


def largest_break(predict, column: str, direction: int, seed: int = 1) -> float:
    """How far predictions go against the direction at most."""
    predicted = predict(moved(table(150, seed), column)).reshape(150, -1)
    return float((-direction * np.diff(predicted, axis=1)).max())


def last(predicted: np.ndarray) -> np.ndarray:
    return predicted if predicted.ndim == 1 else predicted[:, -1]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", STUDENTS)
def test_no_row_goes_against_a_constraint(name, task):
    student = fitted(name, task)
    assert student.monotonic_cst_.tolist() == student.proved_monotone().tolist() == [1, -1, 1, 0, 0]
    for column, direction in WANTED.items():
        assert largest_break(lambda X: last(student.predict(X)), column, direction) <= 1e-12


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", STUDENTS)
def test_without_constraints_the_same_table_breaks_them(name, task):
    student = fitted(name, task, is_constrained=False)
    assert not student.proved_monotone().any()
    assert max(largest_break(lambda X: last(student.predict(X)), *item) for item in WANTED.items()) > 0.01


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", STUDENTS)
def test_a_constrained_student_still_learns(name, task):
    frame = table()
    rising = frame["income"] - frame["debt"].fillna(2) + frame["age"] ** 3 / 3
    y = rising.to_numpy() if task == "regression" else np.column_stack([1 - (p := 1 / (1 + np.exp(-rising))), p])
    free, bound = (small(name, cst).fit(frame, y).score(frame, y) for cst in (None, WANTED))
    assert bound > 0.9 * free


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", STUDENTS)
def test_no_row_of_the_file_goes_against_a_constraint(name, task, tmp_path):
    distilled, teacher = {
        "classification": (DistilledClassifier, RandomForestClassifier(10, random_state=0)),
        "regression": (DistilledRegressor, RandomForestRegressor(10, random_state=0)),
    }[task]
    X = table().drop(columns="town")
    y = score(table()) if task == "regression" else score(table()) > 0
    distilled(teacher, student=small(name, WANTED), n_synthetic=1000, random_state=0).fit(X, y).to_onnx(
        tmp_path / "m.onnx"
    )
    exported = load(tmp_path / "m.onnx")
    assert exported.metadata["monotone"] == {"increasing": [0, 2], "decreasing": [1]}

    def predict(X):
        X = X.drop(columns="town")
        return exported.predict(X) if task == "regression" else exported.predict_proba(X)[:, 1]

    rounding = 1e-6 * np.abs(y).max()  # of sums in float32
    for column, direction in WANTED.items():
        assert largest_break(predict, column, direction) <= rounding


def test_an_array_and_a_dict_give_the_same_student():
    by_name, by_position = (small("tree", cst).fit(table(), score(table())) for cst in (WANTED, [1, -1, 1, 0, 0]))
    assert np.array_equal(by_name.predict(table(50, 1)), by_position.predict(table(50, 1)))


@pytest.mark.parametrize("wrong", ["teacher", "income", 1])
def test_a_constraint_that_names_no_directions_is_refused(wrong):
    student = TreeStudent(monotonic_cst=wrong)
    with pytest.raises(ValueError, match=r"monotonic_cst is .*; expected a dict of column to direction"):
        DistilledRegressor(RandomForestRegressor(2), student=student).fit(table()[["income"]], score(table()))


def test_a_series_with_names_is_read_by_its_names():
    schema = TableSchema.of(table())
    series = pd.Series({"town": 0, "age": 1, "score": 0, "debt": -1, "income": 1})
    assert directions(series, schema).tolist() == directions(WANTED, schema).tolist() == [1, -1, 1, 0, 0]
    assert directions(pd.Series([1, -1, 1, 0, 0]), schema).tolist() == [1, -1, 1, 0, 0]


@pytest.mark.parametrize("name", STUDENTS)
def test_a_column_whose_values_are_all_constrained_and_missing_or_constant_is_no_obstacle(name):
    frame = table()[["income", "debt", "age"]].assign(same=3.0, empty=np.nan)
    student = small(name, [1, -1, 1, 1, -1]).fit(frame, score(table()))
    assert student.proved_monotone().tolist() == [1, -1, 1, 1, -1]
    assert student.score(frame, score(table())) > 0.3


# The proof


@pytest.mark.parametrize("task", TASKS)
def test_one_weight_of_the_wrong_sign_ends_the_proof_of_its_column(task):
    student = copy(fitted("mlp", task))
    unit = int(np.flatnonzero(student.encoder_.rising_columns() == 1)[0])  # "debt", which falls
    rising = len(student.intercepts_[0]) // 2
    first, second, *others = (weights.copy() for weights in student.coefs_)
    first[unit, rising] = 1e-3
    second[second == 0] = 1e-3
    student.coefs_ = [first, second, *others]
    assert student.proved_monotone().tolist()[1] == 0


def test_a_weight_that_is_no_number_proves_nothing():
    student = copy(fitted("mlp", "regression"))
    student.coefs_ = [*student.coefs_[:-1], np.full_like(student.coefs_[-1], np.nan)]
    assert not student.proved_monotone().any()


class Falling(MLPStudent):
    """An MLP of an activation that falls."""

    _activation = staticmethod(lambda values, xp: -xp.tanh(values))


def test_an_activation_that_may_fall_proves_nothing():
    student = Falling(**SMALL["mlp"], monotonic_cst=WANTED, random_state=0).fit(table(), score(table()))
    assert not student.proved_monotone().any()


def test_training_without_limits_leaves_the_weights_as_they_are():
    layers = [(np.ones((2, 2)), np.ones(2))]
    assert within(layers, []) is layers


def test_one_leaf_out_of_order_ends_the_proof_of_a_tree():
    student = deepcopy(fitted("tree", "classification"))
    leaf = int(np.flatnonzero(student.decision_tree_.tree_.children_left < 0)[0])
    for value in (0.0, 1.0):
        student.decision_tree_.tree_.value[leaf, 1, 0] = value
        if not student.proved_monotone().all():
            return
    pytest.fail("a leaf may have any value")


class Unordered(BoostedTreesStudent):
    """Boosted trees as LightGBM leaves them."""

    def _order_leaves(self, table, weights):
        pass


def test_trees_that_lightgbm_leaves_out_of_order_are_put_in_order():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 4)).round(1)
    y = X[:, 0] * X[:, 2] + np.sin(3 * X[:, 1]) + X[:, 0] * X[:, 1] + X[:, 1] * X[:, 3] - X[:, 3] ** 2
    X[rng.random(X.shape) < 0.2] = np.nan
    params = {"monotonic_cst": [1, 1, -1, 0], "n_jobs": 1, "random_state": 0}
    left, ordered = (kind(**params).fit(X, y) for kind in (Unordered, BoostedTreesStudent))
    assert left.proved_monotone().tolist() != [1, 1, -1, 0]
    assert ordered.proved_monotone().tolist() == [1, 1, -1, 0]
    assert ordered.score(X, y) > left.score(X, y) - 0.02


def test_a_student_that_is_not_proved_is_not_written(tmp_path):
    X, y = table().drop(columns="town"), score(table()) > 0
    student = TreeStudent(monotonic_cst={"income": 1}, random_state=0)
    model = DistilledClassifier(RandomForestClassifier(5, random_state=0), student=student, n_synthetic=500)
    model.fit(X, y)
    values = model.student_.decision_tree_.tree_.value
    values[:] = values[:, ::-1].copy()
    with pytest.raises(MonotoneError, match=r"TreeStudent does not prove that it is monotone in 'income'.*Fit it"):
        model.to_onnx(tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


class Unproved(MLPStudent):
    """A student of one's own, which takes constraints and proves none."""

    proved_monotone = Student.proved_monotone


def test_a_student_without_a_proof_is_asked_for_one():
    X, y = table().drop(columns="town"), score(table()) > 0
    student = Unproved(**SMALL["mlp"], monotonic_cst={"income": 1}, random_state=0)
    model = DistilledClassifier(RandomForestClassifier(5, random_state=0), student=student, n_synthetic=500).fit(X, y)
    with pytest.raises(MonotoneError, match="Define proved_monotone in Unproved, or leave monotonic_cst out"):
        model.to_onnx()


ROLES = st.lists(st.sampled_from([-1, 0, 1]), min_size=2, max_size=5).map(np.array)


@given(ROLES, st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_weights_within_the_limits_are_proved(inputs, sizes, seed):
    roles = [inputs, *(hidden_roles(size, bool((inputs == 0).any())) for size in sizes), np.array([1])]
    rng = np.random.default_rng(seed)
    bounds = limits(roles)
    weights = [rng.normal(size=low.shape).clip(low, high) for low, high in bounds]
    columns = np.flatnonzero(inputs)
    can_rise, can_fall = reaches(weights, np.eye(len(inputs), dtype=bool)[columns])
    assert not np.where(inputs[columns] > 0, can_fall[:, 0], can_rise[:, 0]).any()


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_what_signs_prove_holds_on_random_rows(n_inputs, width, seed):
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-1, 2, size) for size in ((n_inputs, width), (width, width), (width, 1))]
    can_rise, can_fall = reaches(weights, np.eye(n_inputs, dtype=bool))
    rows = rng.normal(size=(50, n_inputs))
    for i in range(n_inputs):
        higher = rows.copy()
        higher[:, i] += rng.random(50)
        change = _network(weights, higher) - _network(weights, rows)
        assert can_rise[i, 0] or (change < 1e-12).all()
        assert can_fall[i, 0] or (change > -1e-12).all()


def _network(weights, rows):
    for layer in weights[:-1]:
        rows = np.maximum(rows @ layer, 0)
    return (rows @ weights[-1])[:, 0]


GRID = [np.nan, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.5]


@st.composite
def small_trees(draw) -> Nodes:
    """Trees of up to five splits on two columns, also ones that no row reaches."""
    left, right, feature = [-1], [-1], [0]
    for _ in range(draw(st.integers(1, 5))):
        node = draw(st.sampled_from([i for i in range(len(left)) if left[i] < 0]))
        left[node], right[node] = len(left), len(left) + 1
        feature[node] = draw(st.integers(0, 1))
        left, right, feature = [*left, -1, -1], [*right, -1, -1], [*feature, 0, 0]
    n = len(left)

    def some(values):
        return np.array(draw(st.lists(st.sampled_from(values), min_size=n, max_size=n)))

    threshold = some([0.0, 1.0, 2.0, 3.0, np.inf])
    values = some([0.0, 1.0, 2.0])[:, None]
    return Nodes(np.array(left), np.array(right), np.array(feature), threshold, some([False, True]), values)


def value_of(nodes: Nodes, row: tuple[float, float]) -> float:
    node = 0
    while nodes.left[node] >= 0:
        value = row[nodes.feature[node]]
        goes_left = nodes.missing_left[node] if np.isnan(value) else value <= nodes.threshold[node]
        node = nodes.left[node] if goes_left else nodes.right[node]
    return float(nodes.values[node, 0])


@settings(max_examples=300)
@given(small_trees(), st.sampled_from([-1, 1]))
def test_the_proof_of_a_tree_finds_exactly_the_breaks_that_trying_all_rows_finds(nodes, sign):
    tried = all(
        sign * value_of(nodes, (low, other)) <= sign * value_of(nodes, (high, other))
        for other in GRID
        for low, high in itertools.combinations(GRID[1:], 2)
    )
    assert rises(nodes, 0, sign) == tried


@settings(max_examples=300)
@given(small_trees(), st.sampled_from([[1, 0], [-1, 0], [1, 1], [1, -1], [-1, -1]]), st.integers(0, 2**32 - 1))
def test_ordered_leaves_keep_every_constraint_and_leaves_in_order_stay(nodes, wanted, seed):
    weights = np.random.default_rng(seed).integers(1, 5, len(nodes.left))
    wanted = np.array(wanted)
    nodes.values[:, 0] = ordered_values(nodes, wanted, weights)
    assert proved_by_leaves([nodes], wanted).tolist() == wanted.tolist()
    assert np.array_equal(ordered_values(nodes, wanted, weights), nodes.values[:, 0])


@settings(max_examples=100)
@given(small_trees(), st.sampled_from([[1, 0], [-1, 0], [1, 1], [1, -1], [-1, -1]]), st.integers(0, 2**32 - 1))
def test_ordered_leaves_are_the_projection_onto_all_values_in_order(nodes, wanted, seed):
    weights = np.random.default_rng(seed).integers(1, 5, len(nodes.left))
    numbered = replace(nodes, values=np.arange(len(nodes.left), dtype=float)[:, None])
    pairs = set()  # of leaves that two rows reach which differ in one column
    for column, sign in enumerate(wanted):
        for other in GRID if sign else []:
            for ends in itertools.combinations(GRID[1:], 2):
                rows = [(end, other) if column == 0 else (other, end) for end in ends[::sign]]
                pairs.add(tuple(int(value_of(numbered, row)) for row in rows))
    falls = np.zeros((len(nodes.left), len(pairs)))
    for k, (low, high) in enumerate(pairs):
        falls[low, k] += 1
        falls[high, k] -= 1
    own, root = nodes.values[:, 0], np.sqrt(weights)
    expected = own - falls @ nnls(falls / root[:, None], root * own)[0] / weights
    np.testing.assert_allclose(ordered_values(nodes, np.array(wanted), weights), expected, atol=1e-9)


def test_ordered_leaves_of_one_column_are_its_isotonic_regression():
    rng = np.random.default_rng(0)
    X, y = rng.random((400, 1)), rng.normal(size=400)
    student = TreeStudent(max_leaf_nodes=20, min_samples_leaf=1, random_state=0)
    free = student.fit(X, y).predict(X)
    ordered = student.set_params(monotonic_cst=[1]).fit(X, y).predict(X)
    assert np.allclose(ordered, IsotonicRegression().fit(X[:, 0], free).predict(X[:, 0]))


# What is refused


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (["amount"], r"monotonic_cst is \['amount'\], without directions; give a dict of column to direction"),
        ({"amount"}, r"monotonic_cst is \{'amount'\}, without directions"),
        ({"salary": 1}, "monotonic_cst names 'salary', which is not a column of the table"),
        ({"town": 1}, "constrains column 'town', which is categorical"),
        ({"income": 2}, "monotonic_cst of column 'income' is 2; expected one of 1"),
        ([1, 0], "has 2 directions, but the table has 5 columns"),
        (np.eye(5, dtype=int), "monotonic_cst of column 'income' is array.*; expected one of 1"),
        (pd.Series({"salary": 1}), "monotonic_cst names 'salary', which is not a column of the table"),
    ],
)
def test_a_constraint_that_means_nothing_is_refused(name, constraints, message):
    with pytest.raises(ValueError, match=message):
        STUDENTS[name](monotonic_cst=constraints).fit(table(), score(table()))


@pytest.mark.parametrize("name", STUDENTS)
def test_several_targets_have_no_direction(name):
    three = np.full((1500, 3), 1 / 3)
    with pytest.raises(ValueError, match=r"there are 3 classes.*learn one class against all others"):
        STUDENTS[name](monotonic_cst={"income": 1}).fit(table(), three)
    pair = np.column_stack([score(table()), score(table())])
    with pytest.raises(ValueError, match=r"there are 2 targets.*fit a model for each target"):
        STUDENTS[name](monotonic_cst={"income": 1}).fit(table(), pair)
