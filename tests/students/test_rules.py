"""The rules of a tree: they say what the tree does, by the names of columns, categories and classes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._tables.schema import TableSchema
from tabkd.students import MLPStudent, TreeStudent
from tabkd.students._student import predicted
from tabkd.students._trees.rules import number, shortest
from tests.small_tables import category_frame, mixed_frame, targets

N = 400


def loans(n=N):
    """Four jobs, and derogatory reports that are missing for some; the chance of a loss follows from both."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"JOB": np.tile(["Mgr", "Office", "Other", "Sales"], n // 4), "DEROG": rng.integers(0, 6, n)})
    frame["DEROG"] = frame["DEROG"].astype(float).mask(rng.random(n) < 0.2)
    bad = 0.1 + 0.4 * frame["JOB"].isin(["Office", "Sales"]) + 0.3 * (frame["DEROG"].fillna(0) > 2)
    return frame, np.column_stack([1 - bad, bad])


def fitted(X, y, **params):
    return TreeStudent(**{"min_samples_leaf": 5, "random_state": 0, **params}).fit(X, y)


def fulfils(parts, codes, schema):
    """Which rows of codes fulfil the conditions of a rule, by nothing but its parts."""
    found = np.ones(len(codes), dtype=bool)
    for name, part in parts.items():
        i = schema.titles.index(name)
        column, values = schema.columns[i], codes[:, i]
        missing = np.isnan(values)
        if "in" in part:
            allowed = [list(column.categories).index(category) for category in part["in"]]
            allowed += [len(column.categories)] * part["unseen"]
            found &= np.where(missing, part["missing"], np.isin(values, allowed))
        else:
            found &= np.where(missing, part["missing"], (values > part["above"]) & (values <= part["up_to"]))
    return found


def rows_of_every_kind(schema, codes):
    """The rows, and copies with missing values, unseen categories and numbers outside the range."""
    rng = np.random.default_rng(0)
    strange = codes.copy()
    for i, column in enumerate(schema.columns):
        other = len(column.categories) if column.kind == "categorical" else column.high * 7 + 1
        strange[rng.random(len(codes)) < 0.2, i] = other
        strange[rng.random(len(codes)) < 0.2, i] = np.nan
    return np.vstack([codes, strange])


@pytest.mark.parametrize("frame_of", [mixed_frame, category_frame])
@pytest.mark.parametrize("n_outputs", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_each_row_fulfils_one_rule_and_gets_its_prediction(frame_of, n_outputs, seed):
    X = frame_of(N, seed)
    score = np.random.default_rng(seed).normal(size=(N, 3))[:, :n_outputs] + targets(X, "regression")[:, None]
    y = score if n_outputs == 1 else np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    tree = fitted(X, y, max_leaf_nodes=None)
    codes = rows_of_every_kind(tree.schema_, tree.schema_.encode(X))
    rules = tree.rules()
    found = np.array([fulfils(parts, codes, tree.schema_) for parts in rules["parts"]])
    assert (found.sum(axis=0) == 1).all()
    predictions = rules.drop(columns=["condition", "rows", "share", "parts"]).to_numpy()
    np.testing.assert_allclose(predictions[found.argmax(axis=0)], predicted(tree, codes))
    assert found[:, :N].sum(axis=1).tolist() == rules["rows"].tolist()
    assert rules["share"].sum() == pytest.approx(1)


def test_the_text_names_categories_missing_values_and_classes():
    X, y = loans()
    tree = fitted(X, y, max_leaf_nodes=4)
    assert tree.export_text(class_names=["good", "bad"]).splitlines() == [
        "|--- JOB in {Mgr, Other} or unseen",
        "|   |--- DEROG <= 2.5 or missing",
        "|   |   |--- P(good) = 0.9, P(bad) = 0.1 (27.50% of rows)",
        "|   |--- DEROG > 2.5",
        "|   |   |--- P(good) = 0.6, P(bad) = 0.4 (22.50% of rows)",
        "|--- JOB in {Office, Sales}",
        "|   |--- DEROG <= 2.5 or missing",
        "|   |   |--- P(good) = 0.5, P(bad) = 0.5 (27.00% of rows)",
        "|   |--- DEROG > 2.5",
        "|   |   |--- P(good) = 0.2, P(bad) = 0.8 (23.00% of rows)",
    ]
    conditions = tree.rules()["condition"].tolist()
    assert "(JOB in {Mgr, Other} or unseen) and (DEROG <= 2.5 or missing)" in conditions
    assert "JOB in {Office, Sales} and DEROG > 2.5" in conditions


def test_probabilities_of_numbered_classes_cannot_be_taken_for_the_classes():
    X = np.arange(40.0)[:, None]
    positive = (X[:, 0] >= 20) * 0.5 + 0.25
    text = fitted(X, np.column_stack([1 - positive, positive]), max_leaf_nodes=2).export_text(class_names=["0", "1"])
    assert "P(0) = 0.25, P(1) = 0.75" in text


def test_a_split_on_missing_values_says_so():
    X = pd.DataFrame({"DEROG": np.where(np.arange(N) % 4 == 0, np.nan, np.arange(N))})
    tree = fitted(X, X["DEROG"].isna().to_numpy().astype(float), max_leaf_nodes=2)
    assert sorted(tree.rules()["condition"]) == ["DEROG is missing", "DEROG is not missing"]
    assert "|--- DEROG is missing" in tree.export_text()


def test_a_truth_value_is_true_or_false():
    X = pd.DataFrame({"flag": np.arange(N) % 2 == 0, "x": 0.0})
    tree = fitted(X, X["flag"].to_numpy().astype(float))
    assert tree.rules()["condition"].tolist() == ["flag is False", "flag is True"]


def test_a_tree_without_a_split_has_a_rule_for_every_row():
    tree = fitted(np.arange(10.0)[:, None], np.ones(10))
    assert tree.rules()["condition"].tolist() == ["every row"]
    assert tree.export_text() == "|--- value = 1 (100.00% of rows)"


@pytest.mark.parametrize("center", [0.0, 1.7e9, -4e12])
@pytest.mark.parametrize("step", [0.1, 1.0, 250.0])
def test_numbers_are_short_and_in_the_users_unit(center, step):
    x = center + step * np.arange(N)
    tree = fitted(x[:, None], np.sin(np.arange(N) / 20), max_leaf_nodes=8)
    rules = tree.rules()
    for parts in rules["parts"]:
        for bound in {parts["x0"]["above"], parts["x0"]["up_to"]} - {-np.inf, np.inf}:
            beside = x[np.searchsorted(x, bound, side="right") - 1 :][:2]
            assert beside[0] <= bound < beside[1]
            assert len(number(bound).strip("-").replace(".", "")) <= len(f"{abs(beside[0]):.0f}") + 2
    found = np.array([fulfils(parts, x[:, None], tree.schema_) for parts in rules["parts"]])
    np.testing.assert_array_equal(rules["value"].to_numpy()[found.argmax(axis=0)], tree.predict(x[:, None]).ravel())


def test_whole_numbers_are_compared_with_whole_numbers():
    X = pd.DataFrame({"visits": np.arange(N)})
    tree = fitted(X, (X["visits"] > 153).to_numpy().astype(float), max_leaf_nodes=2)
    assert tree.rules()["condition"].tolist() == ["visits <= 153", "visits > 153"]


def test_neighbours_in_float32_stay_apart():
    pair = np.float32(1001) + np.spacing(np.float32(1001)) * np.array([1, 2], np.float32)
    X = np.tile(pair.astype(np.float64), N // 2)[:, None]
    tree = fitted(X, (X[:, 0] > X[0, 0]).astype(float), max_leaf_nodes=2)
    np.testing.assert_allclose(tree.predict(X), X[:, 0] > X[0, 0])


def test_moved_thresholds_leave_each_training_row_in_its_leaf():
    rng = np.random.default_rng(0)
    X = rng.lognormal(3, 2, size=(N, 2))
    y = np.sin(np.log(X[:, 0])) + X[:, 1] ** 0.1
    tree = fitted(X, y, max_leaf_nodes=None, min_samples_leaf=1)
    means = pd.Series(y).groupby(tree.decision_tree_.apply(X.astype(np.float32))).transform("mean")
    np.testing.assert_allclose(tree.predict(X), means)


def test_a_threshold_is_the_shortest_number_that_is_read_as_it():
    assert shortest(float(np.float32(49.50000001)), 0.0) == 49.5
    assert shortest(0.25, 1.7e9) == 1700000000.25
    assert shortest(np.inf, 3.0) == np.inf


def test_long_sets_are_short_in_text_and_whole_in_rules():
    levels = [f"L{i:02}" for i in range(40)]
    X = pd.DataFrame({"shop": pd.Categorical(np.tile(levels, 20), categories=levels)})
    tree = fitted(X, (X["shop"].cat.codes < 20).to_numpy().astype(float), max_leaf_nodes=2)
    text = tree.export_text()
    assert "shop in {L20, L21, L22, L23, L24, … 15 more}" in text
    assert "shop in {L00, L01, L02, L03, L04, … 15 more}" in text
    assert all(any(level in condition for condition in tree.rules()["condition"]) for level in levels)


@pytest.mark.parametrize("name", ["a, b", "a\nb"])
def test_a_category_with_a_comma_or_a_line_end_is_quoted(name):
    X = pd.DataFrame({"shop": np.tile([name, "c"], N // 2)})
    tree = fitted(X, (X["shop"] == "c").to_numpy().astype(float), max_leaf_nodes=2)
    assert any(f"shop in {{{name!r}}}" in condition for condition in tree.rules()["condition"])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("loan amount (%)", "loan amount (%)"),
        ("landing", "landing"),
        ("", "''"),
        ("0", "'0'"),
        ("a, b", "'a, b'"),
        (" x", "' x'"),
        ("x <= 1 and y", "'x <= 1 and y'"),
        ("years in job", "'years in job'"),
        ("two\nlines", r"'two\nlines'"),
    ],
)
def test_a_name_that_could_be_read_as_part_of_a_rule_is_quoted(name, shown):
    tree = fitted(pd.DataFrame({name: np.arange(100.0)}), np.arange(100.0), max_leaf_nodes=2)
    assert tree.rules()["condition"].tolist() == [f"{shown} <= 49.5", f"{shown} > 49.5"]
    truth = pd.DataFrame({name: np.tile(["yes", "no"], 50)})
    assert fitted(truth, (truth[name] == "no") * 1.0).rules()["condition"].str.startswith(f"{shown} in {{").all()


def test_the_student_of_a_classifier_knows_its_classes():
    X, y = loans()
    labels = np.where(y[:, 1] > 0.45, "bad", "good")
    model = DistilledClassifier(DecisionTreeClassifier(), student="tree", n_synthetic=300, augmenter="jitter")
    model.fit(X.drop(columns="JOB").fillna(-1), labels)
    assert list(model.student_.rules())[3:5] == ["probability of bad", "probability of good"]
    assert "P(bad) = " in model.student_.export_text()
    assert list(model.student_.rules(class_names=["x", "y"]))[3:5] == ["probability of x", "probability of y"]


def test_the_rows_of_rules_are_real_ones():
    X = np.random.default_rng(0).normal(size=(N, 3))
    model = DistilledRegressor(RandomForestRegressor(5, random_state=0), student="tree", n_synthetic=2000)
    assert model.fit(X, X[:, 0]).student_.rules()["rows"].sum() == N


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_rules_have_the_probabilities_of_the_model(temperature):
    X = np.random.default_rng(0).normal(size=(N, 3))
    teacher = RandomForestClassifier(5, random_state=0)
    model = DistilledClassifier(teacher, student="tree", n_synthetic=500, temperature=temperature, random_state=0)
    rules = model.fit(X, np.digitize(X[:, 0], [-0.5, 0.5])).student_.rules()
    found = np.array([fulfils(parts, X.astype(np.float32), model.schema_) for parts in rules["parts"]])
    given = rules.filter(like="probability").to_numpy()[found.argmax(axis=0)]
    np.testing.assert_allclose(given, model.predict_proba(X))


def test_rules_have_the_values_of_a_model_that_learnt_logarithms():
    X = np.random.default_rng(0).normal(size=(N, 3))
    teacher = HistGradientBoostingRegressor(loss="poisson", max_iter=10)
    model = DistilledRegressor(teacher, student="tree", n_synthetic=500, random_state=0)
    y = np.random.default_rng(1).poisson(np.exp(X[:, 0])).astype(float)
    values = model.fit(X, y).student_.rules()["value"]
    assert set(np.unique(model.predict(X))) <= set(values)
    assert values.min() > 0


def test_several_targets_have_a_column_each():
    X = np.random.default_rng(0).normal(size=(N, 2))
    assert list(fitted(X, X * 2).rules())[3:5] == ["value 0", "value 1"]


@pytest.mark.parametrize("method", ["rules", "export_text", "plot_tree"])
def test_more_or_fewer_names_than_outputs_are_refused(method):
    X, y = loans()
    with pytest.raises(ValueError, match="class_names has 3 names, but the student has 2 outputs"):
        getattr(fitted(X, y), method)(class_names=["a", "b", "c"])
    with pytest.raises(ValueError, match="class_names is 'ab'; expected a list of names"):
        getattr(fitted(X, y), method)(class_names="ab")


def test_a_tree_keeps_its_rules_in_a_file_and_a_network_has_none():
    X = np.random.default_rng(0).normal(size=(50, 2))
    student = MLPStudent(max_iter=1, random_state=0).fit(X, X[:, 0])
    assert student.rules_frame() is None
    rules = fitted(X, X[:, 0])
    pd.testing.assert_frame_equal(rules.rules_frame(), rules.rules().drop(columns="parts"))


def test_a_drawn_tree_has_the_texts_of_the_rules():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    X, y = loans()
    tree = fitted(X, y, max_leaf_nodes=4)
    _, axes = pyplot.subplots()
    texts = {box.get_text() for box in tree.plot_tree(class_names=["good", "bad"], ax=axes)}
    pyplot.close("all")
    leaves = {line.split("|--- ")[1] for line in tree.export_text(class_names=["good", "bad"]).splitlines()}
    assert {text for text in leaves if "rows" in text} <= texts
    assert any(text.startswith(("JOB in", "DEROG")) for text in texts)


def test_rules_name_the_columns_of_an_array_by_their_positions():
    X = np.arange(100.0)[:, None]
    tree = fitted(X, X[:, 0], max_leaf_nodes=2)
    assert TableSchema.of(X).names == [0]
    assert tree.rules()["condition"].tolist() == ["x0 <= 49.5", "x0 > 49.5"]
    assert [list(parts) for parts in tree.rules()["parts"]] == [["x0"], ["x0"]]
    frame = pd.DataFrame(X, columns=[7])
    assert fitted(frame, X[:, 0], max_leaf_nodes=2).rules()["condition"].tolist() == ["'7' <= 49.5", "'7' > 49.5"]
