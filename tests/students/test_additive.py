"""The additive student: what it learns, which pairs it has, what its scorecard says, and how a score is shared."""

import dataclasses
import itertools
import sys
from copy import copy as shallow_copy

import numpy as np
import pandas as pd
import pytest
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tabkd import DistilledClassifier, DistilledRegressor, load
from tabkd.students import AdditiveStudent
from tabkd.students._additive.grids import features
from tabkd.students._additive.monotone import Directions
from tabkd.students._additive.terms import STEP
from tests.small_tables import mixed_frame, signal
from tests.students.test_students import SMALL, soft_classes, soft_labels

QUICK = SMALL["additive"].get_params() | {"n_jobs": 1}


def additive(**params):
    return AdditiveStudent(**{**QUICK, **params})


def codes_of(student, X):
    return student.schema_.encode(X)


def crossed(n=1500, seed=0):
    """Numbers with missing values and categories whose effects are not a sum."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.uniform(20, 70, n).round(),
            "income": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(3, 0.5, n)),
            "job": rng.choice(["office", "sales", "other"], n),
            "noise": rng.normal(size=n),
        }
    )
    income = X["income"].fillna(20).clip(upper=60) / 30
    score = (X["age"] - 45) / 25 + income + (X["job"] == "sales") * np.where(X["age"] > 45, 1.5, -1.5)
    return X, score.to_numpy()


DIRECTIONS = {"age": 1, "income": 1, "noise": -1}


@pytest.fixture(scope="module")
def regression():
    X, y = crossed()
    return X, additive().fit(X, 50 + 10 * y)


@pytest.fixture(scope="module")
def binary():
    X, y = crossed()
    return X, additive().fit(X, soft_classes(np.column_stack([-y, y])))


@pytest.fixture(scope="module")
def multiclass():
    X, y = crossed()
    return X, additive().fit(X, soft_classes(np.outer(y - y.mean(), [-1, 0.2, 1])))


@pytest.fixture(scope="module")
def constrained():
    X, y = crossed()
    income = X["income"].fillna(20) / 20
    y = y + np.sin(X["age"] / 4) + np.minimum(X["age"] / 45, 1) * income - X["noise"] * (X["job"] == "office")
    return X, additive(n_pairs=3, monotonic_cst=DIRECTIONS).fit(X, y)


FITTED = ["regression", "binary", "multiclass", "constrained"]


# Pairs


def test_the_pair_that_interacts_is_found():
    X, y = crossed()
    student = additive(n_pairs=1).fit(X, y)
    assert [[X.columns[i] for i in pair] for pair in student.pairs_] == [["age", "job"]]


def test_a_sum_of_single_columns_gets_no_pair():
    X = np.random.default_rng(0).uniform(size=(2000, 4))
    student = additive().fit(X, np.sin(5 * X[:, 0]) + X[:, 1] ** 2)
    assert len(student.pairs_) == 0


def test_pairs_learn_what_single_columns_cannot():
    X, y = crossed()
    alone, paired = (additive(n_pairs=n).fit(X, y).score(X, y) for n in (0, "auto"))
    assert alone < 0.9
    assert paired > 0.98


def test_an_effect_of_two_columns_without_effects_of_each_is_found():
    X = np.random.default_rng(0).uniform(-1, 1, (3000, 5))
    student = additive(n_pairs=1).fit(X, np.sign(X[:, 1]) * np.sign(X[:, 3]))
    assert student.pairs_.tolist() == [[1, 3]]


def test_a_table_of_categories_alone_has_pairs():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({name: rng.choice(list("abc"), 1500) for name in ("one", "two", "three")})
    y = ((X["one"] == "a") ^ (X["two"] == "b")).to_numpy(float)
    student = additive(n_pairs=1).fit(X, y)
    assert student.pairs_.tolist() == [[0, 1]]
    assert student.score(X, y) > 0.99


# Hard tables


def test_a_table_in_which_nothing_varies_gives_the_mean():
    X = np.ones((50, 3))
    student = additive().fit(X, np.linspace(3, 5, 50))
    np.testing.assert_allclose(student.predict(X), 4, atol=0.01)
    assert student.explain_codes(X).tolist() == np.zeros((50, 1, 3)).tolist()


def test_targets_far_from_zero_are_learnt():
    X, y = crossed()
    student = additive().fit(X, 1e9 + y)
    assert student.is_wide
    assert student.score(X, 1e9 + y) > 0.98


def test_more_columns_than_rows_are_learnt():
    X = np.random.default_rng(0).normal(size=(150, 300))
    student = additive(n_pairs=1, max_iter=5, n_jobs=1).fit(X, X[:, 7])
    assert student.score(X, X[:, 7]) > 0.5


# The file


@pytest.mark.parametrize("kind", FITTED)
def test_weights_are_multiples_of_a_step(kind, request):
    _, student = request.getfixturevalue(kind)
    for numbers in (student.terms_.weights, student.terms_.products):
        np.testing.assert_array_equal(numbers / STEP, np.rint(numbers / STEP))


def test_a_file_holds_weights_in_two_bytes_each():
    X = np.random.default_rng(0).normal(size=(600, 4))
    student = additive(n_pairs=0, n_knots=200).fit(X, np.column_stack([np.sin(3 * X[:, 0]), X[:, 1] ** 2]))
    coarse = to_onnx(student, X[:1]).ByteSize()
    student.terms_ = dataclasses.replace(student.terms_, weights=student.terms_.weights * np.float32(1.0001))
    assert to_onnx(student, X[:1]).ByteSize() > coarse + 1.5 * student.terms_.weights.size


def test_many_levels_share_a_few_means():
    rng = np.random.default_rng(0)
    shop = rng.integers(0, 300, 3000)
    X = pd.DataFrame({"shop": np.char.add("shop ", shop.astype(str)), "x": rng.uniform(size=3000)})
    y = np.sin(shop) + X["x"].to_numpy()
    student = additive(n_pairs=0).fit(X, y)
    assert len(np.unique(student.encoder_.means_[0])) == 64
    assert student.score(X, y) > 0.95
    (table,) = student.front().tables
    assert table[1].max() == 63


# Contributions


@pytest.mark.parametrize("kind", FITTED)
def test_contributions_add_up(kind, request):
    X, student = request.getfixturevalue(kind)
    codes = codes_of(student, X)
    total = student.base_values() + student.explain_codes(codes).sum(axis=2)
    np.testing.assert_allclose(total, student.raw_scores(codes), rtol=0, atol=1e-9)
    background = student.raw_scores(student.background_)
    np.testing.assert_allclose(student.base_values(), background.mean(axis=0), rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", FITTED)
def test_raw_scores_are_those_of_the_predictions(kind, request):
    X, student = request.getfixturevalue(kind)
    raw, predicted = student.raw_scores(codes_of(student, X)), student.predict(X).reshape(len(X), -1)
    if kind == "binary":
        np.testing.assert_allclose(raw[:, 0], np.log(predicted[:, 1] / predicted[:, 0]), atol=1e-6)
    elif kind == "multiclass":
        logs = np.log(predicted)
        np.testing.assert_allclose(raw, logs - logs.mean(axis=1, keepdims=True), atol=1e-5)
    else:
        np.testing.assert_allclose(raw, predicted)


def test_contributions_are_shapley_values(binary):
    """By their definition: the mean over all orders of the columns, and over the background rows."""
    X, student = binary
    codes = codes_of(student, X)[:3]
    expected = np.zeros((3, 4))
    orders = list(itertools.permutations(range(4)))
    for k, row in enumerate(codes):
        for order in orders:
            mixed = student.background_.copy()
            before = student.raw_scores(mixed)[:, 0].mean()
            for column in order:
                mixed[:, column] = row[column]
                after = student.raw_scores(mixed)[:, 0].mean()
                expected[k, column] += (after - before) / len(orders)
                before = after
    np.testing.assert_allclose(student.explain_codes(codes)[:, 0], expected, atol=1e-9)


@pytest.mark.parametrize("kind", FITTED)
def test_a_graph_has_the_contributions(kind, request, tmp_path):
    X, fitted = request.getfixturevalue(kind)
    is_regression = kind in ("regression", "constrained")
    forest = (RandomForestRegressor if is_regression else RandomForestClassifier)(5, max_depth=6, random_state=0)
    teacher = make_pipeline(FunctionTransformer(lambda X: X[["age", "noise"]].astype(float)), forest)
    student = additive(n_pairs=2, max_iter=3)
    y = fitted.predict(X) if is_regression else fitted.predict(X).argmax(axis=1)
    model = (DistilledRegressor if is_regression else DistilledClassifier)(
        teacher, student=student, n_synthetic=500, random_state=0
    ).fit(X, y)
    model.to_onnx(tmp_path / "student.onnx", contributions=True)
    rows = pd.concat([X, X.iloc[:5].assign(age=np.nan, job=None), X.iloc[:1].assign(job="unknown")])
    rows["noise"] *= 3
    expected = model.student_.explain_codes(codes_of(model.student_, rows))
    assert len(model.student_.pairs_) > 0
    shares = load(tmp_path / "student.onnx").output(rows, "contributions").reshape(expected.shape)
    np.testing.assert_allclose(shares, expected, rtol=0, atol=1e-4 * np.ptp(expected))


# The scorecard

KNOWN = {"office", "sales", "other"}


def or_other(card, rows, suffix):
    """Some rows of a part of a scorecard, or those of the values that have no row of their own."""
    other = card["kind" + suffix] == "other values"
    return card[rows] if rows.any() else card[other]


def within(card, value, suffix):
    """The rows of a scorecard for a value of a column, and how far the value is from one end to the other."""
    kind, level = card["kind" + suffix], card["level" + suffix]
    low, high = card["from" + suffix], card["to" + suffix]
    if value is None or value != value:
        return or_other(card, kind == "missing", suffix), 0.0
    if not isinstance(value, str):
        found = card[(kind == "range") & (low <= value) & (value < high)]
        ends = found[["from" + suffix, "to" + suffix]].iloc[0]
        return found, (value - ends.iloc[0]) / (ends.iloc[1] - ends.iloc[0]) if np.isfinite(ends).all() else 0.0
    if value in KNOWN:
        return or_other(card, (kind == "category") & (level == value), suffix), 0.0
    return or_other(card, kind == "unseen", suffix), 0.0


def score_by_hand(card, row):
    """The sum of the points of a row, by reading the scorecard alone."""
    total = card.loc[card["kind"] == "base", "points"].iloc[0]
    for (column, other), part in card[card["kind"] != "base"].groupby(["column", "column_2"], dropna=False):
        found, share = within(part, row[column], "")
        if other != other:
            ends = found[["points", "points_to"]].iloc[0]
            total += ends.iloc[0] + share * (ends.iloc[1] - ends.iloc[0])
            continue
        found, share_2 = within(found, row[other], "_2")
        corners = found[["points", "points_to", "points_2", "points_to_2"]].iloc[0].to_numpy()
        first, second = corners[0::2], corners[1::2]
        along = first + share * (second - first)
        total += along[0] + share_2 * (along[1] - along[0])
    return total


@pytest.mark.parametrize("kind", FITTED)
def test_the_points_of_a_row_add_up_to_its_score(kind, request):
    X, student = request.getfixturevalue(kind)
    rows = pd.concat([X.iloc[:40], X.iloc[:1].assign(job="unknown"), X.iloc[:1].assign(age=1e4, income=-5.0)])
    rows = pd.concat([rows, X.iloc[:1].assign(age=np.nan, job=None)])
    raw = student.raw_scores(codes_of(student, rows))
    card = student.to_scorecard()
    assert len(student.pairs_) > 0
    for k in range(raw.shape[1]):
        part = card[card["output"] == k] if "output" in card else card
        by_hand = [score_by_hand(part, row) for _, row in rows.iterrows()]
        np.testing.assert_allclose(by_hand, raw[:, k], rtol=0, atol=1e-6 * np.ptp(raw[:, k]) + 1e-6)


def read_off(rules, row):
    """The sum of the points of a row, by reading the rules of a file: numbers between two places are interpolated."""

    def weights(part, suffix):
        value = row[part["column" + suffix].iloc[0]]
        kind, level = part["kind" + suffix], part.get("level" + suffix)
        if isinstance(value, float) and value == value and (kind == "at").any():
            at = np.unique(part.loc[kind == "at", "from" + suffix])
            value = np.clip(value, at[0], at[-1])
            hats = [np.interp(value, at, np.arange(len(at)) == k) for k in range(len(at))]
            return part["from" + suffix].map(dict(zip(at, hats, strict=True))).fillna(0)
        missing = value is None or value != value
        found = kind == "missing" if missing else kind == "unseen" if value not in KNOWN else level == value
        return (found if found.any() else kind == "other values").astype(float)

    total = rules.loc[rules["kind"] == "base", "points"].iloc[0]
    for (_, other), part in rules[rules["kind"] != "base"].groupby(["column", "column_2"], dropna=False):
        share = weights(part, "") * (weights(part, "_2") if other == other else 1)
        assert share.sum() == pytest.approx(1)
        total += (share * part["points"]).sum()
    return total


@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_the_rules_of_a_file_add_up_but_for_their_rounding(kind, request):
    X, student = request.getfixturevalue(kind)
    rows = pd.concat([X.iloc[:20], X.iloc[:1].assign(job="unknown"), X.iloc[:1].assign(job=None, income=np.nan)])
    raw = student.raw_scores(codes_of(student, rows))[:, 0]
    rules = student.rules_frame()
    assert rules["column"].iloc[0] == "(base)"
    assert not rules.isna().all().any()
    found = [read_off(rules, row) for _, row in rows.iterrows()]
    np.testing.assert_allclose(found, raw, rtol=0, atol=1e-4 * np.ptp(raw))


def test_many_rare_categories_are_one_row_of_a_grid_and_long_scorecards_are_not_for_files():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": rng.choice([f"s{k}" for k in range(50)], 3000), "x": rng.uniform(size=3000)})
    y = np.where(X["shop"].isin(["s1", "s2"]), 1, -1) * X["x"]
    student = additive(n_pairs=1).fit(X, y)
    card = student.to_scorecard()
    pairs = card[card["column_2"].notna()]
    assert len(student.pairs_) == 1
    assert "other values" in {*pairs["kind"], *pairs["kind_2"]}
    assert pairs["level"].nunique() + pairs["level_2"].nunique() < 20
    assert student.rules_frame() is not None
    many = pd.DataFrame({"shop": np.arange(4000).astype(str), "x": rng.uniform(size=4000)})
    assert additive(n_pairs=0, max_iter=1).fit(many, many["x"]).rules_frame() is None


def test_points_are_scaled_as_asked(binary):
    X, student = binary
    card = student.to_scorecard(pdo=-20, base_points=600, base_odds=1 / 50)
    row = X.iloc[0]
    log_odds = student.raw_scores(codes_of(student, X[:1]))[0, 0]
    expected = 600 - 20 * (log_odds - np.log(1 / 50)) / np.log(2)
    assert score_by_hand(card, row) == pytest.approx(expected, abs=1e-4)


def test_the_points_of_a_distilled_model_are_those_of_its_temperature():
    X = crossed(600)[0][["age"]]
    teacher = LogisticRegression(C=0.01)
    model = DistilledClassifier(teacher, student=additive(), augmenter=None, temperature=3.0, random_state=0)
    reasons = model.fit(X, X["age"] > 50).contributions(X[:5])
    by_hand = [score_by_hand(model.student_.to_scorecard(), row) for _, row in X[:5].iterrows()]
    np.testing.assert_allclose(by_hand, reasons.base_values + reasons.values.sum(axis=1), atol=1e-5)


def test_the_points_of_a_distilled_model_are_on_the_scale_of_its_link():
    X = crossed(600)[0][["age"]]
    y = np.random.default_rng(0).poisson(np.exp(X["age"] / 30))
    teacher = make_pipeline(StandardScaler(), PoissonRegressor())
    model = DistilledRegressor(teacher, student=additive(), augmenter=None, random_state=0).fit(X, y)
    assert model.link_ == "log"
    by_hand = [score_by_hand(model.student_.to_scorecard(), row) for _, row in X[:5].iterrows()]
    np.testing.assert_allclose(by_hand, np.log(model.predict(X[:5])), atol=1e-5)


def test_functions_have_mean_zero_over_the_background(regression):
    _, student = regression
    card = student.to_scorecard()
    columns = dict(enumerate(student.schema_.names))
    rows = student.schema_.decode(student.background_)
    for name in columns.values():
        part = card[(card["column"] == name) & card["column_2"].isna()]
        points = []
        for value in rows[name]:
            found, share = within(part, value, "")
            ends = found[["points", "points_to"]].iloc[0]
            points.append(ends.iloc[0] + share * (ends.iloc[1] - ends.iloc[0]))
        assert np.mean(points) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"pdo": 0}, "pdo is 0; expected a number other than 0"),
        ({"pdo": 20, "base_odds": -1}, "base_odds is -1; expected odds above 0"),
        ({"base_points": 600}, "base_points is 600, but without pdo"),
        ({"pdo": np.nan}, "pdo is nan; expected a number other than 0"),
        ({"pdo": 20, "base_points": np.inf}, "base_points is inf; expected a number of points"),
        ({"pdo": 20, "base_odds": np.inf}, "base_odds is inf; expected odds above 0"),
        ({"pdo": "20"}, "pdo is '20'; expected a number other than 0"),
        ({"pdo": True}, "pdo is True; expected a number other than 0"),
        ({"pdo": 20, "base_odds": "2"}, "base_odds is '2'; expected odds above 0"),
        ({"pdo": 20, "base_points": [600]}, r"base_points is \[600\]; expected a number of points"),
    ],
)
def test_points_that_cannot_be_scaled_are_refused(params, message, binary):
    with pytest.raises(ValueError, match=message):
        binary[1].to_scorecard(**params)


@pytest.mark.parametrize("kind", ["regression", "multiclass"])
def test_points_of_odds_need_two_classes(kind, request):
    with pytest.raises(ValueError, match="only two classes have odds"):
        request.getfixturevalue(kind)[1].to_scorecard(pdo=20)


# Drawings


def test_functions_are_drawn(multiclass):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    axes = multiclass[1].plot(output=2)
    assert len(axes) == 4 + len(multiclass[1].pairs_)
    assert [ax.get_title() for ax in axes[:4]] == ["age", "income", "job", "noise"]
    assert len(multiclass[1].plot(["age"])) == 1
    pyplot.close("all")


def test_drawing_without_matplotlib_says_what_to_install(regression, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        regression[1].plot()


def test_unknown_columns_and_outputs_are_not_drawn(regression):
    with pytest.raises(ValueError, match="columns has 'wage', which is not a column"):
        regression[1].plot(["wage"])
    with pytest.raises(TypeError, match="columns is 'age'; give a list"):
        regression[1].plot("age")
    with pytest.raises(ValueError, match="output is 1; expected a number from 0 to 0"):
        regression[1].plot(output=1)


def test_the_columns_of_an_array_have_the_names_that_other_outputs_give_them():
    X = np.random.default_rng(0).uniform(size=(300, 2))
    student = additive(n_pairs=1).fit(X, np.round(X[:, 0]) * np.round(X[:, 1]))
    for card in (student.to_scorecard(), student.rules_frame()):
        assert set(card["column"]) == {"(base)", "x0", "x1"}
        assert set(card["column_2"].dropna()) == {"x1"}
    pyplot = pytest.importorskip("matplotlib.pyplot")
    assert [ax.get_title() for ax in student.plot(["x0"])] == ["x0"]
    assert [ax.get_title() for ax in student.plot([1])] == ["x1"]
    pyplot.close("all")


def test_whole_numbers_stay_whole_as_levels_of_a_scorecard():
    X = pd.DataFrame({"grade": pd.Categorical([1, 2, 3] * 100), "other": pd.Categorical(["a", "b"] * 150)})
    student = additive(n_pairs=1).fit(X, (X["grade"] == 2) * 1.0 + (X["other"] == "a") * (X["grade"] == 3))
    for card in (student.to_scorecard(), student.rules_frame()):
        grades = card.loc[(card["column"] == "grade") & (card["kind"] == "category"), "level"]
        assert set(map(str, grades)) == {"1", "2", "3"}


# Monotone


def moved_along(student, X, column, n=60, seed=1):
    """Rows that move along a column and stay elsewhere, where some are missing or unseen: codes (rows, n, d)."""
    rows = X.sample(150, random_state=seed).reset_index(drop=True)
    rows.loc[:20, "job"] = None
    rows.loc[20:40, "job"] = "unknown"
    rows.loc[30:60, "age"] = np.nan
    codes = np.repeat(codes_of(student, rows)[:, None], n, axis=1)
    seen = X[column].dropna()
    codes[:, :, X.columns.get_loc(column)] = np.linspace(seen.min() - 5, seen.max() + 5, n)
    return codes


def smallest_step(compute, codes, direction):
    """The smallest change in a direction along rows that move, of what a function computes of each row."""
    found = compute(codes.reshape(-1, codes.shape[2])).reshape(codes.shape[:2])
    return (direction * np.diff(found, axis=1)).min()


@pytest.mark.parametrize("column", DIRECTIONS)
def test_a_constrained_column_is_in_a_pair_never_turns_and_is_proved(column, constrained):
    X, student = constrained
    assert X.columns.get_loc(column) in student.pairs_
    assert student.proved_monotone().tolist() == student.monotonic_cst_.tolist() == [1, 1, 0, -1]
    codes = moved_along(student, X, column)
    assert smallest_step(student.raw_scores, codes, DIRECTIONS[column]) >= -1e-9
    terms = student.terms_
    alone = dataclasses.replace(student.terms_, products=np.zeros_like(terms.products))
    z = features(student.encoder_, codes.reshape(-1, codes.shape[2]))
    changed = (terms.scores(z) - alone.scores(z)).reshape(codes.shape[:2])
    assert np.ptp(np.ptp(changed, axis=1)) > 0.05  # the pairs say how much the column matters


def test_a_free_student_turns_where_a_constrained_one_does_not(constrained):
    X, student = constrained
    free = additive(n_pairs=3).fit(X, student.predict(X) + np.sin(X["age"] / 4))
    assert smallest_step(free.raw_scores, moved_along(free, X, "age"), 1) < -0.01


def test_constrained_pairs_learn_what_single_columns_cannot():
    X, y = crossed()
    alone, paired = (additive(n_pairs=n, monotonic_cst={"age": 1}).fit(X, y).score(X, y) for n in (0, 1))
    assert alone < 0.9
    assert paired > 0.98


def test_a_constrained_student_takes_all_pairs_that_help():
    X = np.random.default_rng(0).uniform(size=(2000, 4))
    y = 20 * X[:, 0] * X[:, 1] + 0.7 * X[:, 2] * X[:, 3]
    free, bound = (additive(monotonic_cst=cst).fit(X, y).pairs_.tolist() for cst in (None, [1, 1, 1, 1]))
    assert free == [[0, 1]]
    assert bound[:2] == [[0, 1], [2, 3]]


@pytest.mark.parametrize("seed", range(5))
def test_random_functions_of_pairs_are_kept_in_order_by_the_least_that_does(seed, constrained):
    X, student = constrained
    rng, terms, signs = np.random.default_rng(seed), student.terms_, student._signs()
    products, weights = (
        rng.integers(-50, 50, part.shape).astype(np.float32) * STEP for part in (terms.products, terms.weights)
    )
    rough = dataclasses.replace(terms, products=products, weights=weights)
    directions = Directions.of(student.encoder_, signs, terms.left, terms.right)
    assert not directions.kept_by(rough)[signs != 0].all()
    student = shallow_copy(student)
    student.terms_ = directions.imposed_on(rough)
    for column, direction in DIRECTIONS.items():
        assert smallest_step(student.raw_scores, moved_along(student, X, column, 200), direction) >= -1e-9
    assert student.proved_monotone().tolist() == [1, 1, 0, -1]
    raised = np.flatnonzero(student.terms_.weights[:, 0] != weights[:, 0])
    assert set(student._columns()[raised]) == {0, 1, 3}
    for unit in raised:
        lower = student.terms_.weights.copy()
        lower[unit] -= signs[unit] * STEP
        lowered = dataclasses.replace(student.terms_, weights=lower)
        assert (~directions.kept_by(lowered)).nonzero()[0].tolist() == [unit]


def test_contributions_of_a_constrained_column_have_the_right_sign(constrained):
    X, student = constrained
    for column, direction in DIRECTIONS.items():
        i = X.columns.get_loc(column)
        codes = moved_along(student, X, column)
        assert smallest_step(lambda codes, i=i: student.explain_codes(codes)[:, 0, i], codes, direction) >= -1e-9
        seen = student.background_[:, i]
        if np.isnan(seen).any():
            continue
        flat = codes.reshape(-1, codes.shape[2])
        shares = direction * student.explain_codes(flat)[:, 0, i]
        assert shares[flat[:, i] >= seen.max()].min() >= -1e-9
        assert shares[flat[:, i] <= seen.min()].max() <= 1e-9
        assert np.ptp(shares) > 0.1


@pytest.mark.parametrize("part", ["weights", "products"])
def test_a_number_that_turns_a_column_ends_its_proof(part, constrained):
    student = shallow_copy(constrained[1])
    age = student._columns() == 0
    terms = student.terms_
    numbers = getattr(terms, part).copy()
    numbers[age if part == "weights" else age[terms.left]] -= 10
    student.terms_ = dataclasses.replace(terms, **{part: numbers})
    if part == "products" and not age[terms.left].any():
        pytest.fail("age is on the right of the products")
    assert student.proved_monotone()[0] == 0
    assert student.proved_monotone()[3] == -1


def test_a_weight_that_is_no_number_proves_nothing(constrained):
    student = shallow_copy(constrained[1])
    student.terms_ = dataclasses.replace(student.terms_, weights=np.full_like(student.terms_.weights, np.nan))
    assert not student.proved_monotone().any()


def test_soft_labels_of_a_mixed_table_have_a_scorecard_of_all_its_columns():
    X = mixed_frame(400)
    student = additive(max_iter=3).fit(X, soft_labels(X, 2))
    varying = {name for name in X if X[name].nunique(dropna=False) > 1}
    assert varying <= set(student.to_scorecard()["column"]) <= {*X.columns, "(base)"}
    assert np.isfinite(signal(X)).all()
