"""Labels and tables of every kind, good and bad."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.augment import Marginal
from tabkd.students import TreeStudent
from tests.distilled.quick import QUICK, classifier, regressor
from tests.small_tables import category_frame, mixed_frame, numeric_frame, targets

# Labels


@pytest.mark.parametrize(
    "names",
    [(False, True), (0, 1), (-1, 1), (2.0, 7.0), ("a", "b"), (np.str_("ja"), np.str_("nein"))],
    ids=str,
)
@pytest.mark.parametrize("container", [np.array, pd.Series, list, lambda v: pd.Series(v, dtype="category")])
def test_labels_of_every_kind(X, names, container):
    codes = (targets(X, "binary") == "yes").astype(int)
    y = container([names[code] for code in codes])
    model = classifier().fit(X, y)
    assert model.classes_.tolist() == list(names)
    assert (model.predict(X) == np.asarray(y)).mean() > 0.8


def test_a_class_of_three_rows_is_kept():
    X = mixed_frame(400)
    y = targets(X, "binary").astype(object)
    y[np.argsort(-X["visits"].to_numpy(), kind="stable")[:3]] = "rare"
    for student in QUICK.values():
        model = DistilledClassifier(student=student, n_synthetic=400, random_state=0).fit(X, y)
        assert model.classes_.tolist() == ["no", "rare", "yes"]
        P = model.predict_proba(X)
        assert P.shape == (400, 3)
        assert (P >= 0).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a"] * 300, "one class only, 'a', in 300 rows"),
        (["a", None] * 150, r"Input y contains (None|nan) \(150 rows\); leave out"),
        ([0.0, np.nan] * 150, "Input y contains (NaN|nan)"),
        (["a", np.nan] * 150, "Input y contains (nan|NaN)"),
        ([1, "b"] * 150, "labels of type int and str; make them all strings"),
        (["a", "b"] * 100, r"inconsistent numbers of samples: \[300, 200\]"),
        (np.linspace(0, 1, 300), "Unknown label type: continuous"),
        (None, "target y is None"),
        (np.array([]), "y has no rows"),
        (np.zeros((300, 2)), "bad input shape|should be a 1d array"),
    ],
    ids=["one class", "None", "NaN", "string and NaN", "mixed", "length", "continuous", "nothing", "empty", "wide"],
)
def test_labels_that_cannot_be_learnt_are_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, y)
    if isinstance(y, list):
        with pytest.raises(ValueError, match=message):
            classifier().fit(X, pd.Series(y, dtype=None if isinstance(y[0], float) else object))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.r_[np.nan, np.zeros(299)], "Input y contains NaN"),
        (np.r_[np.inf, np.zeros(299)], "Input y contains infinity"),
        (np.zeros(200), "inconsistent"),
        (["a", "b"] * 150, "could not convert string to float"),
        (None, "target y is None"),
    ],
    ids=["NaN", "infinity", "length", "strings", "nothing"],
)
def test_real_targets_that_cannot_be_learnt_are_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        regressor().fit(X, y)


@pytest.mark.parametrize(
    "params",
    [
        {"student": "forest"},
        {"augmenter": "smote"},
        {"n_synthetic": -1},
        {"n_synthetic": "many"},
        {"temperature": 0},
        {"alpha": 1.5},
        {"cv": "five"},
        {"verbose": "yes"},
        {"random_state": "seed"},
    ],
    ids=str,
)
def test_impossible_parameters_are_named(X, y, params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter of DistilledClassifier"):
        classifier(**params).fit(X, y)


@pytest.mark.parametrize("name", ["student", "augmenter"])
def test_a_class_where_an_instance_belongs_is_named(X, y, name):
    given = {"student": TreeStudent, "augmenter": Marginal}[name]
    with pytest.raises(TypeError, match=rf"{name} is the class {given.__name__}; pass an instance"):
        classifier(**{name: given}).fit(X, y)


# Tables


@pytest.mark.parametrize("student", [*QUICK.values(), "pipeline"], ids=[*QUICK, "pipeline"])
def test_columns_in_another_order_score_the_same(student):
    X = category_frame(200) if student != "pipeline" else numeric_frame(200)
    student = make_pipeline(StandardScaler(), DecisionTreeRegressor(max_depth=3)) if student == "pipeline" else student
    model = DistilledClassifier(student=student, n_synthetic=200, random_state=0).fit(X, targets(X, "binary"))
    np.testing.assert_array_equal(model.predict_proba(X[X.columns[::-1]]), model.predict_proba(X))
    with pytest.raises(ValueError, match=r"(?s)unseen at fit time:\n- new.*now missing:\n- online"):
        model.predict(X.rename(columns={"online": "new"}))


@pytest.mark.parametrize("student", QUICK.values(), ids=QUICK)
def test_polars_frames_score_as_pandas_frames(student):
    X = mixed_frame(200).drop(columns="grade")
    y = targets(mixed_frame(200), "binary")
    pandas = DistilledClassifier(student=student, n_synthetic=200, random_state=0).fit(X, y)
    polars = clone(pandas).fit(pl.from_pandas(X), pl.Series(y))
    for model in (pandas, polars):
        np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(pl.from_pandas(X)))
        assert model.feature_names_in_.tolist() == X.columns.tolist()
    assert np.corrcoef(polars.predict_proba(X)[:, 0], pandas.predict_proba(X)[:, 0])[0, 1] > 0.8


def test_arrays_score_as_frames(X, y):
    array = X.to_numpy(dtype=float)
    assert classifier().fit(array, y).score(array, y) > 0.8
    with pytest.raises(ValueError, match="X has 3 features, but DistilledClassifier is expecting 4"):
        classifier().fit(array, y).predict(array[:, :3])


class Strict(RegressorMixin, BaseEstimator):
    """A student of another library's making, whose categories are those of fit."""

    def fit(self, X, y, sample_weight=None):
        self.columns_, self.categories_ = X.columns, X["country"].cat.categories
        self.mean_ = np.average(y, axis=0, weights=sample_weight)
        return self

    def predict(self, X):
        assert X.columns.equals(self.columns_)
        assert X["country"].cat.categories.equals(self.categories_)
        return np.tile(self.mean_, (len(X), 1))


@pytest.mark.parametrize("student", [*QUICK.values(), Strict()], ids=lambda s: type(s).__name__)
def test_unseen_categories_and_missing_values_at_prediction(student):
    X = mixed_frame(200)
    model = DistilledClassifier(student=student, n_synthetic=200, random_state=0).fit(X, targets(X, "binary"))
    odd = X[:5].assign(country="xx", shop="never seen", grade=9, amount=np.nan, visits=np.nan)
    odd["age"] = odd["age"] * pd.NA
    P = model.predict_proba(odd)
    assert np.isfinite(P).all()
    np.testing.assert_allclose(P.sum(axis=1), 1)


def test_one_row_is_enough_to_predict(X, y):
    model = classifier().fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X[:1]), model.predict_proba(X)[:1])


@pytest.mark.parametrize("empty", [np.zeros((0, 3)), pd.DataFrame({"a": []})])
def test_an_empty_table_is_refused(empty, X, y):
    with pytest.raises(ValueError, match="the table has no rows"):
        classifier().fit(empty, [])
    with pytest.raises(ValueError, match="the table has no rows"):
        classifier().fit(X, y).predict(X[:0])


def test_infinite_values_are_refused(X, y):
    broken = X.assign(amount=np.where(np.arange(300) == 7, np.inf, X["amount"]))
    with pytest.raises(ValueError, match=r"Column 'amount' contains infinity.*row 7"):
        classifier().fit(broken, y)
    with pytest.raises(ValueError, match=r"Column 'amount' contains infinity.*row 7"):
        classifier().fit(X, y).predict(broken)


@pytest.mark.parametrize("student", QUICK)
def test_columns_that_tell_nothing_are_harmless(student):
    X = category_frame(300).assign(constant=1.0, missing=np.nan, same="a", none=pd.Series([None] * 300, dtype=object))
    y = targets(X, "binary")
    model = DistilledClassifier(student=clone(QUICK[student]), n_synthetic=300, random_state=0)
    if student == "mlp":
        model.set_params(student__max_iter=40)
    assert model.fit(X, y).score(X, y) > 0.85


@pytest.mark.parametrize("student", QUICK)
def test_a_column_of_ten_thousand_levels(student):
    rng = np.random.default_rng(0)
    n = 12_000
    good = rng.normal(size=10_000)
    merchant = np.r_[np.arange(10_000), rng.integers(0, 50, n - 10_000)]
    X = pd.DataFrame({"merchant": [f"m{i}" for i in merchant], "x": rng.normal(size=n)})
    y = np.where(good[merchant] + X["x"] > 0, "yes", "no")
    model = DistilledClassifier(student=QUICK[student], n_synthetic=1000, random_state=0)
    model.set_params(teacher__n_estimators=30).fit(X, y)
    assert model.score(X, y) > 0.7
    assert np.isfinite(model.predict_proba(pd.DataFrame({"merchant": ["new", None], "x": [0.0, np.nan]}))).all()


@pytest.mark.parametrize("student", QUICK)
def test_epoch_seconds_are_learnt_as_well_as_the_centred_column(student):
    rng = np.random.default_rng(0)
    second, other = rng.uniform(0, 1000, 400), rng.normal(size=400)

    class Hours:
        """Sees the time in float64, whatever its origin."""

        def predict(self, X):
            return np.sin((X["time"] - X["time"].min()).to_numpy() / 100)

    def skill(start):
        X = pd.DataFrame({"time": start + second, "other": other})
        model = regressor(Hours(), student=clone(QUICK[student]), augmenter="jitter")
        if student == "mlp":
            model.set_params(student__max_iter=60)
        return model.fit(X, np.zeros(400)).score(X, Hours().predict(X))

    assert skill(0) > 0.85
    assert skill(1.7e9) == pytest.approx(skill(0), abs=0.03)


# What is imported


def imported(code: str, *names: str) -> str:
    """Which of the modules are imported after `code`."""
    code += f"\nimport sys; print([name for name in {names} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


HEAVY = ("jax", "optax", "lightgbm", "xgboost", "skl2onnx", "onnxruntime", "onnx", "polars", "matplotlib", "click")


def test_importing_tabkd_imports_nothing_heavy():
    assert imported("import tabkd", *HEAVY) == "[]"


def test_a_tree_student_imports_no_jax():
    code = """
import numpy as np
from sklearn.tree import DecisionTreeClassifier
from tabkd import DistilledClassifier
X = np.random.default_rng(0).normal(size=(60, 2))
DistilledClassifier(DecisionTreeClassifier(), student="tree", n_synthetic=50).fit(X, X[:, 0] > 0).predict(X)
"""
    assert imported(code, "jax", "optax", "lightgbm", "xgboost", "onnxruntime") == "[]"


def test_dummy_teachers_are_teachers_too(X, y):
    model = classifier(DummyClassifier()).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X)[:, 0], (y == "no").mean())


def test_stages_that_take_a_linear_teacher(X, y):
    assert classifier(make_pipeline(StandardScaler(), LogisticRegression())).fit(X, y).score(X, y) > 0.8


# What an attack with bad input found


class Certain:
    """A bare teacher that says the same of every row."""

    classes_ = np.array([0, 1])

    def __init__(self, said=(0.3, 0.7)):
        self.said = said

    def predict_proba(self, X):
        return np.tile(self.said, (len(X), 1))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (pd.DataFrame([[1, 2]] * 9, columns=["a", "a"]), [0, 1, 0] * 3, r"Columns \['a'\] occur more than once"),
        (
            pd.DataFrame({"a": [1.0, 2.0] * 9}),
            pd.to_datetime(["2020-01-01", "2020-01-02"] * 9),
            r"dtype datetime64\[us\].*astype",
        ),
        (
            pd.DataFrame({"a": [1.0, 2.0] * 9}),
            np.array(["2020-01-01", "2020-01-02"] * 9, "datetime64[D]"),
            r"dtype datetime64\[D\].*astype",
        ),
        (
            pd.DataFrame({"c": pd.Categorical([np.inf, 1.0] * 9)}),
            [0, 1] * 9,
            "Column 'c' has a category that is infinite",
        ),
    ],
    ids=["names", "timestamps", "datetime64", "infinite category"],
)
def test_bad_tables_and_labels_are_named(X, y, message):
    with pytest.raises(ValueError, match=message):
        DistilledClassifier(Certain(), n_synthetic=0).fit(X, y)


def test_a_target_beyond_float32_is_refused():
    with pytest.raises(ValueError, match=r"y holds 1e\+300.*float32"):
        DistilledRegressor(n_synthetic=0).fit(pd.DataFrame({"a": [1.0, 2.0] * 9}), [0, 1e300] * 9)


def test_a_teacher_that_gives_no_class_a_chance_is_refused():
    with pytest.raises(ValueError, match="teacher Certain gave no class of row 0 a positive probability"):
        DistilledClassifier(Certain((0.0, 0.0)), n_synthetic=0).fit(pd.DataFrame({"a": [1.0, 2.0] * 9}), [0, 1] * 9)


def test_weights_that_are_all_zero_are_refused():
    with pytest.raises(ValueError, match=r"non-zero|zero for every row"):
        DistilledClassifier(Certain()).fit(pd.DataFrame({"a": [1.0, 2.0] * 9}), [0, 1] * 9, sample_weight=np.zeros(18))


def test_out_of_fold_targets_follow_the_seed():
    X = numeric_frame(200)
    y = targets(X, "binary")
    students = [
        DistilledClassifier(student="tree", n_synthetic=0, cv=3, random_state=0).fit(X, y).predict_proba(X)
        for _ in "ab"
    ]
    np.testing.assert_array_equal(*students)
