"""What each student learns, and the encoding that the MLP stands on."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from tabkd._tables.schema import TableSchema
from tabkd.students import STUDENTS, BoostedTreesStudent, MLPStudent, SoftRows, SoftStream, TableEncoder, TreeStudent
from tabkd.students._encoding.knots import Splits, share_knots
from tabkd.students._network.muon import muon
from tabkd.students._network.training import compiled, relu
from tabkd.students._training.batches import cross_entropy, features, squared_error
from tabkd.students._training.encoded import EncodedRows, encoded_units
from tests.small_students import small_students
from tests.small_tables import mixed_frame, signal

SMALL_MLP = MLPStudent(hidden_layer_sizes=(16,), n_knots=32, batch_size=32, max_iter=60, random_state=0)
SMALL = small_students(
    mlp=SMALL_MLP.get_params(),
    additive={"n_knots": 64, "batch_size": 32, "max_iter": 60, "random_state": 0},
    tree={"random_state": 0},
    boosted_trees={"random_state": 0},
)


def clone_of(name, **params):
    return STUDENTS[name](**{**SMALL[name].get_params(), **params})


def r2(student, X, y):
    return student.fit(X, y).score(X, y)


def soft_classes(scores) -> np.ndarray:
    """Probabilities of as many classes as `scores` (n, K) has columns."""
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def soft_labels(frame, n_classes) -> np.ndarray:
    score = signal(frame)
    return soft_classes(np.outer(score - score.mean(), np.linspace(-2, 2, n_classes)))


def excess_loss(student, X, T) -> float:
    """Cross-entropy above the teacher's own entropy, as a share of what the best constant loses."""
    P = student.fit(X, T).predict(X)

    def divergence(Q):
        return np.sum(T * (np.log(T) - np.log(np.clip(Q, 1e-9, 1)))) / len(T)

    return divergence(P) / divergence(np.broadcast_to(T.mean(axis=0), T.shape))


@pytest.fixture(scope="module")
def line():
    return np.random.default_rng(0).uniform(0, 1, (500, 1))


# Every student


@pytest.mark.parametrize(
    ("name", "least"), [("mlp", 0.99), ("additive", 0.99), ("tree", 0.97), ("boosted_trees", 0.99)]
)
def test_a_smooth_function_is_learnt(name, least, line):
    assert r2(clone_of(name), line, np.sin(6 * line[:, 0])) > least


@pytest.mark.parametrize("name", STUDENTS)
def test_a_step_is_learnt(name, line):
    assert r2(clone_of(name), line, (line[:, 0] > 0.3).astype(float) * 5 - 2) > 0.99


@pytest.mark.parametrize(("name", "most"), [("mlp", 0.02), ("additive", 0.02), ("tree", 0.25), ("boosted_trees", 0.02)])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_probabilities_of_a_mixed_table_are_learnt(name, most, n_classes):
    X = mixed_frame(600)
    assert excess_loss(clone_of(name), X, soft_labels(X, n_classes)) < most


@pytest.mark.parametrize(
    ("name", "least"), [("mlp", 0.97), ("additive", 0.94), ("tree", 0.65), ("boosted_trees", 0.97)]
)
def test_several_real_targets_of_unlike_scale_are_learnt(name, least):
    X = mixed_frame(600)
    y = signal(X)
    Y = np.column_stack([1e6 * y, 1e-6 * np.abs(y - 1) - 5e-6])
    student = clone_of(name).fit(X, Y)
    said = student.predict(X)
    assert said.shape == Y.shape
    left = ((said - Y) ** 2).mean(axis=0) / Y.var(axis=0)
    assert (1 - left > least).all()


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_predicted_probabilities_are_on_the_simplex(name, n_classes):
    X = mixed_frame(200)
    student = clone_of(name, **({"max_iter": 2} if name == "mlp" else {})).fit(X, soft_labels(X, n_classes))
    P = student.predict(mixed_frame(100, seed=1))
    assert student.task_ == "classification"
    assert P.dtype == np.float64
    assert P.shape == (100, n_classes)
    assert (P >= 0).all()
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-9)


@pytest.mark.parametrize("name", STUDENTS)
def test_the_shape_of_predictions_is_that_of_the_targets(name, line):
    student = clone_of(name, **({"max_iter": 1} if name == "mlp" else {}))
    assert student.fit(line, line[:, 0]).predict(line).shape == (500,)
    assert student.fit(line, line).predict(line).shape == (500, 1)
    assert student.task_ == "regression"


@pytest.mark.parametrize("name", STUDENTS)
def test_constant_targets_are_predicted(name, line):
    student = clone_of(name).fit(line, np.full(500, 7.5))
    np.testing.assert_allclose(student.predict(line), 7.5, atol=0.01)


@pytest.mark.parametrize("name", STUDENTS)
def test_rows_of_no_weight_do_not_count(name, line):
    y = np.where(np.arange(500) % 2, 1.0, -1.0)
    student = clone_of(name).fit(line, y, sample_weight=(y > 0).astype(float))
    assert student.predict(line).mean() > 0.9


@pytest.mark.parametrize("name", STUDENTS)
def test_missing_values_and_unseen_levels_are_predicted(name):
    X = mixed_frame(300)
    student = clone_of(name, **({"max_iter": 2} if name == "mlp" else {})).fit(X, soft_labels(X, 2))
    empty = X[:3].assign(**{column: pd.Series([pd.NA] * 3, dtype="Int64") for column in ("amount", "visits", "age")})
    empty = empty.assign(shop=None, country="never seen", grade=99, online=None, member=None)
    P = student.predict(empty)
    assert np.isfinite(P).all()
    np.testing.assert_array_equal(P, P[[0, 0, 0]])


@pytest.mark.parametrize("name", STUDENTS)
def test_missing_values_that_mean_something_are_learnt(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    y = np.isnan(np.where(x > 0.8, np.nan, x)).astype(float)
    noise = rng.normal(size=500)
    X = np.column_stack([np.where(y == 1, np.nan, noise), rng.normal(size=500)])
    assert r2(clone_of(name), X, y) > 0.95


@pytest.mark.parametrize("name", STUDENTS)
def test_missing_values_at_prediction_only_count_as_the_median(name):
    X = np.random.default_rng(0).normal(size=(301, 2))
    student = clone_of(name, **({"max_iter": 5} if name == "mlp" else {})).fit(X, X[:, 0] * 2 + X[:, 1])
    given = np.array([[np.nan, 0.5]])
    filled = np.array([[np.median(X[:, 0]), 0.5]])
    np.testing.assert_allclose(student.predict(given), student.predict(filled), atol=1e-5)


@pytest.mark.parametrize("name", STUDENTS)
def test_the_same_seed_gives_the_same_student(name):
    X = mixed_frame(200)
    params = {"max_iter": 2} if name == "mlp" else {}
    T = soft_labels(X, 2)
    first, again = (clone_of(name, **params).fit(X, T).predict(X) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", STUDENTS)
def test_epoch_seconds_are_learnt_as_well_as_the_centred_column(name):
    rng = np.random.default_rng(0)
    second = rng.uniform(0, 1000, 500)
    y = np.sin(second / 100)
    other = rng.normal(size=500)
    centred = r2(clone_of(name), np.column_stack([second, other]), y)
    epoch = r2(clone_of(name), np.column_stack([1.7e9 + second, other]), y)
    assert centred > 0.9
    assert epoch == pytest.approx(centred, abs=0.01)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_column_of_many_levels_is_learnt(name):
    rng = np.random.default_rng(0)
    effect = rng.normal(size=80)
    level = rng.integers(0, 80, 600)
    X = pd.DataFrame({"merchant": [f"m{i}" for i in level], "x": rng.normal(size=600)})
    y = effect[level]
    student = clone_of(name).fit(X, y)
    assert np.corrcoef(student.predict(X), y)[0, 1] > 0.95
    unseen = student.predict(pd.DataFrame({"merchant": ["new"] * 50, "x": X["x"][:50]}))
    assert np.abs(unseen - y.mean()).max() < 0.7


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize(
    ("y", "message"),
    [(None, "the target y is None"), (np.full(500, np.nan), "Input y contains NaN"), (np.ones(3), "inconsistent")],
)
def test_targets_that_cannot_be_learnt_are_refused(name, line, y, message):
    with pytest.raises(ValueError, match=message):
        clone_of(name).fit(line, y)


# The MLP


def test_knots_help_where_targets_jump():
    X = np.random.default_rng(0).uniform(0, 1, (500, 1))
    y = np.floor(X[:, 0] * 10) % 2
    assert r2(clone_of("mlp", n_knots=0), X, y) < 0.5
    assert r2(clone_of("mlp"), X, y) > 0.85


def test_a_second_fit_of_the_same_shape_compiles_nothing(line):
    X = np.random.default_rng(1).uniform(0, 1, (400, 1))
    params = {"n_knots": 0, "max_iter": 1}
    for loss, fitted, other in (
        (squared_error, line, X),
        (cross_entropy, np.hstack([line, 1 - line]), np.hstack([X, 1 - X])),
    ):
        clone_of("mlp", **params).fit(line, fitted)
        run = compiled(loss, relu, muon)
        n_compiled = run._cache_size()
        clone_of("mlp", **params, learning_rate_init=0.01).fit(X, other)
        assert run._cache_size() == n_compiled > 0


def test_prediction_with_a_stored_mlp_imports_no_jax(tmp_path, line):
    path = tmp_path / "student.pickle"
    student = clone_of("mlp", max_iter=2).fit(line, line[:, 0])
    path.write_bytes(pickle.dumps(student))
    np.save(tmp_path / "said.npy", student.predict(line[:5]))
    np.save(tmp_path / "rows.npy", line[:5])
    code = (
        "import pickle, sys, numpy as np, pathlib; root = pathlib.Path(sys.argv[1]);"
        "student = pickle.loads((root / 'student.pickle').read_bytes());"
        "assert (student.predict(np.load(root / 'rows.npy')) == np.load(root / 'said.npy')).all();"
        "print([m for m in ('jax', 'optax', 'lightgbm', 'xgboost', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"


def test_hidden_layers_have_the_sizes_asked_for(line):
    student = clone_of("mlp", hidden_layer_sizes=(7, 5, 3), max_iter=1).fit(line, line[:, 0])
    assert [w.shape[1] for w in student.coefs_] == [7, 5, 3, 1]
    assert student.n_iter_ == 1
    one = clone_of("mlp", hidden_layer_sizes=7, max_iter=1).fit(line, line[:, 0])
    assert [w.shape[1] for w in one.coefs_] == [7, 1]


def test_a_network_without_hidden_layers_is_linear_in_its_units(line):
    student = clone_of("mlp", hidden_layer_sizes=(), n_knots=0, learning_rate_init=0.05).fit(line, 3 * line[:, 0])
    assert student.score(line, 3 * line[:, 0]) > 0.99


@pytest.mark.parametrize(
    "params",
    [
        {"hidden_layer_sizes": (0,)},
        {"hidden_layer_sizes": (8.5,)},
        {"hidden_layer_sizes": 0},
        {"max_iter": 0},
        {"n_knots": -1},
        {"batch_size": 0},
    ],
    ids=str,
)
def test_impossible_parameters_of_the_mlp_are_named(line, params):
    with pytest.raises((ValueError, TypeError), match=next(iter(params))):
        clone_of("mlp", **params).fit(line, line[:, 0])


# Its encoder


def test_a_knot_stands_where_the_target_steps(line):
    encoder = TableEncoder(n_knots=8, random_state=0).fit(line, line[:, 0] > 0.3)
    edges = -encoder.unit_bias_ / encoder.unit_scale_
    assert np.abs(edges - 0.3).min() < 0.01


def splits(gains) -> Splits:
    return Splits(np.arange(len(gains), dtype=float), np.array(gains, dtype=float))


def test_knots_keep_to_the_budget_and_are_shared_by_the_root_of_the_gain():
    counts = [len(knots) for knots in share_knots([splits([100] * 50), splits([25] * 50), splits([1] * 50)], 32)]
    assert sum(counts) == 32
    assert counts == [20, 10, 2]


def test_knots_that_a_column_cannot_use_go_to_the_others():
    counts = [len(knots) for knots in share_knots([splits([1000] * 3), splits([1] * 50)], 20)]
    assert counts == [3, 17]
    assert [len(k) for k in share_knots([splits([1] * 3), splits([])], 20)] == [3, 0]


def test_knots_without_gain_end_with_the_columns_that_have_them():
    assert [len(k) for k in share_knots([splits([]), splits([0, 0])], 20)] == [0, 2]


def test_the_strongest_splits_become_knots_in_ascending_order():
    assert share_knots([splits([1, 9, 2, 8])], 2)[0].tolist() == [1.0, 3.0]


def test_the_encoder_keeps_to_its_budget():
    X = mixed_frame(400)
    y = signal(X)
    few, many = (TableEncoder(n_knots=n, random_state=0).fit(X, y) for n in (0, 40))
    # Inner knots cut a column into one unit more than there are knots.
    assert few.n_features_out_ < many.n_features_out_ <= few.n_features_out_ + 40 + len(many.numeric_)


def test_features_are_between_0_and_1_even_far_out():
    X = mixed_frame(300)
    encoder = TableEncoder(n_knots=20, random_state=0).fit(X, signal(X))
    Z = encoder.transform(X.assign(amount=X["amount"] * 1e30, visits=-(10**12)))
    assert Z.dtype == np.float32
    assert Z.shape == (300, encoder.n_features_out_)
    assert (Z >= 0).all()
    assert (Z <= 1).all()


def test_levels_are_one_hot_and_an_unseen_level_is_their_average():
    X = pd.DataFrame({"c": ["a"] * 30 + ["b"] * 10})
    encoder = TableEncoder(random_state=0).fit(X, np.arange(40.0))
    given = pd.DataFrame({"c": ["a", "b", "z", None]})
    np.testing.assert_allclose(encoder.transform(given), [[1, 0], [0, 1], [0.75, 0.25], [0.75, 0.25]])


def test_a_missing_level_that_was_seen_has_a_unit():
    X = pd.DataFrame({"c": ["a"] * 20 + [None] * 20})
    encoder = TableEncoder(random_state=0).fit(X, np.arange(40.0))
    np.testing.assert_array_equal(encoder.transform(pd.DataFrame({"c": ["a", None]})), np.eye(2))


def test_columns_of_many_levels_are_their_smoothed_means():
    rng = np.random.default_rng(0)
    level = rng.integers(0, 5, 500)
    X = pd.DataFrame({"c": [f"level {i}" for i in level]})
    encoder = TableEncoder(max_levels=4, n_knots=0, random_state=0).fit(X, level * 10.0)
    means = encoder.numeric_values(encoder.schema_.encode(pd.DataFrame({"c": ["level 0", "level 4", "new"]})))[:, 0]
    n = np.bincount(level)
    prior = 10 * level.mean()
    expected = [10 * prior / (n[0] + 10), (n[4] * 40 + 10 * prior) / (n[4] + 10), prior]
    np.testing.assert_allclose(means, expected, rtol=1e-5)


@pytest.mark.parametrize("n_columns", [5, 60])
def test_training_computes_the_features_of_the_encoder(n_columns):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((500, n_columns))).rename(columns=str)
    X.iloc[::9, 1] = np.nan
    X["level"] = pd.Categorical(rng.choice(list("abc"), len(X)))
    schema = TableSchema.of(X)
    rows = SoftRows(schema.encode(X), X[["0", "2"]].to_numpy(), np.ones(len(X)))
    encoder = TableEncoder(random_state=0).fit_rows(schema, rows)
    batch = next(EncodedRows(encoder, rows, SoftStream(), np.asarray).lessons(np.random.RandomState(0)))
    np.testing.assert_allclose(features(encoded_units(encoder), batch), encoder.transform_codes(rows.codes), atol=1e-6)


def test_columns_without_a_split_have_no_unit_where_units_are_scarce():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 40))
    X[:, 30:] = rng.integers(2, size=(3000, 10)) * 1e-3  # noise that deep trees do not need
    target = np.where(X[:, 0] > 0, 1.0, 0.0) + np.where(X[:, 1] > 0.5, 2.0, 0.0)
    few, many = (TableEncoder(n_knots=8, max_units=most, random_state=0).fit(X, target) for most in (40, 288))
    assert set(few.numeric_) < set(range(40))
    assert {0, 1} <= set(few.numeric_)
    assert list(many.numeric_) == list(range(40))
    assert few.transform(X).shape == (3000, few.n_features_out_)
    changed = X.copy()
    unread = np.setdiff1d(np.arange(40), few.numeric_)
    changed[:, unread] += 1
    np.testing.assert_array_equal(few.transform(changed), few.transform(X))


def test_columns_that_tell_nothing_have_no_unit():
    X = pd.DataFrame({"x": np.arange(50.0), "constant": 1.0, "missing": np.nan, "same": "a"})
    alone = TableEncoder(n_knots=0, random_state=0).fit(X[["x"]], np.arange(50.0))
    assert TableEncoder(n_knots=0, random_state=0).fit(X, np.arange(50.0)).n_features_out_ == alone.n_features_out_


# The tree


def test_leaves_of_the_tree_are_mean_targets(line):
    T = np.column_stack([line[:, 0], 1 - line[:, 0]])
    tree = TreeStudent(max_depth=1, random_state=0).fit(line, T)
    left = line[:, 0] <= tree.decision_tree_.tree_.threshold[0]
    np.testing.assert_allclose(tree.predict(line)[left], np.tile(T[left].mean(axis=0), (left.sum(), 1)))


def test_a_categorical_column_is_split_by_its_mean_target():
    level = np.random.default_rng(0).integers(0, 20, 600)
    X = pd.DataFrame({"c": [f"{i}" for i in level]})
    odd = (level % 2).astype(float)
    assert r2(TreeStudent(max_depth=1, random_state=0), X, odd) > 0.999


# The boosted trees


def test_boosted_trees_are_as_few_as_asked_for(line):
    student = BoostedTreesStudent(n_estimators=3, max_leaf_nodes=4).fit(
        line, soft_classes(np.hstack([line, 0 * line, -line]))
    )
    assert student.booster_.num_trees() == 9
    assert student.booster_.dump_model()["tree_info"][0]["num_leaves"] <= 4


@pytest.mark.parametrize("probability", [1e-3, 1e-6])
def test_boosted_trees_learn_rare_targets(probability, line):
    positive = np.where(line[:, 0] > 0.9, 0.4, probability)
    P = BoostedTreesStudent(random_state=0).fit(line, np.column_stack([1 - positive, positive])).predict(line)[:, 1]
    beside_the_step = np.abs(line[:, 0] - 0.9) < 0.02
    assert np.abs(P - positive)[~beside_the_step].max() < 0.01
    assert P[(line[:, 0] < 0.88)].max() < 10 * max(probability, 1e-5)


def test_boosted_trees_stay_stable_on_targets_that_only_synthetic_rows_have(line):
    """Newton steps from next to nothing have hardly any curvature, and overshoot unless they are held."""

    def rows(positive):
        return SoftRows(line, np.column_stack([1 - positive, positive]), np.ones(500))

    real = rows(np.full(500, 1e-7))
    made = rows(np.where(line[:, 0] > 0.7, 0.4, 1e-7))
    student = BoostedTreesStudent(n_estimators=100, random_state=0)
    student.fit_stream(TableSchema.of(line), real, SoftStream(500, [made]))
    assert student.predict(line)[line[:, 0] > 0.75, 1] == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("student", STUDENTS.values(), ids=STUDENTS)
@pytest.mark.parametrize(("scale", "shift"), [(1e-9, 0), (1, 1e7)])
def test_the_scale_of_a_target_does_not_matter(student, scale, shift):
    X = np.random.default_rng(0).normal(size=(800, 1))
    y = X[:, 0] * scale + shift
    assert student(random_state=0).fit(X, y).score(X, y) > 0.98


@pytest.mark.parametrize("student", STUDENTS.values(), ids=STUDENTS)
def test_numbers_beyond_float32_are_refused(student):
    X = pd.DataFrame({"a": [1e39, -1e39] * 20})
    with pytest.raises(ValueError, match=r"Column 'a' holds numbers of size 1e\+39.*float32"):
        student().fit(X, np.arange(40.0))


def test_boosted_trees_on_bare_labels_of_a_rare_class_stay_sane():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40_000, 8))
    y = (rng.random(40_000) < 0.04 / (1 + np.exp(4 * (1 + X[:, 1] - X[:, 0])))).astype(int)
    student = BoostedTreesStudent(random_state=0).fit(X[:30_000], np.eye(2)[y[:30_000]])
    prior = np.full(10_000, y[:30_000].mean())
    assert log_loss(y[30_000:], student.predict(X[30_000:])[:, 1]) < 0.95 * log_loss(y[30_000:], prior)
