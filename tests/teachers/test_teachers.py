"""Teachers × students × tasks: every student learns from every teacher."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.students import BoostedTreesStudent, MLPStudent, TreeStudent
from tabkd.teachers._default import DefaultTeacherClassifier, DefaultTeacherRegressor
from tests.small_tables import category_frame, mixed_frame, numeric_frame, signal, targets

TASKS = ["binary", "multiclass", "regression", "multioutput"]
N_ROWS = 300


def pipeline_of(last):
    """A pipeline over a mixed frame: strings to units, numbers imputed."""
    texts = make_pipeline(
        SimpleImputer(strategy="most_frequent", missing_values=None), OneHotEncoder(handle_unknown="error")
    )
    return make_pipeline(
        make_column_transformer(
            (texts, ["shop"]),
            (OneHotEncoder(handle_unknown="error"), make_column_selector(dtype_include="category")),
            (SimpleImputer(), make_column_selector(dtype_include=["number"])),
            ("drop", ["member"]),
            remainder="passthrough",
            verbose_feature_names_out=False,
        ),
        last,
    )


def catboost(name):
    library = pytest.importorskip("catboost")
    quiet = {
        "iterations": 40,
        "learning_rate": 0.2,
        "depth": 4,
        "random_seed": 0,
        "verbose": False,
        "allow_writing_files": False,
    }
    params = {"cat_features": ["country", "shop"], **quiet}
    multi = name == "multioutput"
    return library.CatBoostRegressor(loss_function="MultiRMSE", **params) if multi else getattr(library, name)(**params)


def catboost_frame(n, seed=0):
    """CatBoost wants its categories as strings without missing values."""
    frame = category_frame(n, seed)
    for name in ("country", "shop"):
        frame[name] = frame[name].astype(object).fillna("none").astype(str)
    return frame


# For each teacher: the table that it takes, then the classifier, the regressor and, where it can, the regressor of
# several targets. Each is made when its test runs, so that a library that is missing skips only its own.
TEACHERS = {
    "random forest": (
        numeric_frame,
        lambda: RandomForestClassifier(20, random_state=0),
        lambda: RandomForestRegressor(20, random_state=0),
        lambda: RandomForestRegressor(20, random_state=0),
    ),
    "extra trees": (
        numeric_frame,
        lambda: ExtraTreesClassifier(20, random_state=0),
        lambda: ExtraTreesRegressor(20, random_state=0),
        lambda: ExtraTreesRegressor(20, random_state=0),
    ),
    "gradient boosting": (
        numeric_frame,
        lambda: GradientBoostingClassifier(n_estimators=20, random_state=0),
        lambda: GradientBoostingRegressor(n_estimators=40, random_state=0),
        lambda: MultiOutputRegressor(GradientBoostingRegressor(n_estimators=40, random_state=0)),
    ),
    "hist gradient boosting": (
        category_frame,
        lambda: HistGradientBoostingClassifier(max_iter=20, categorical_features="from_dtype", random_state=0),
        lambda: HistGradientBoostingRegressor(max_iter=40, categorical_features="from_dtype", random_state=0),
        None,
    ),
    "bagging": (
        numeric_frame,
        lambda: BaggingClassifier(n_estimators=8, random_state=0),
        lambda: BaggingRegressor(n_estimators=8, random_state=0),
        lambda: BaggingRegressor(n_estimators=8, random_state=0),
    ),
    "voting": (
        numeric_frame,
        lambda: VotingClassifier(
            [("a", RandomForestClassifier(10, random_state=0)), ("b", DecisionTreeClassifier(max_depth=4))],
            voting="soft",
        ),
        lambda: VotingRegressor(
            [("a", RandomForestRegressor(10, random_state=0)), ("b", DecisionTreeRegressor(max_depth=4))]
        ),
        None,
    ),
    "stacking": (
        numeric_frame,
        lambda: StackingClassifier([("a", RandomForestClassifier(10, random_state=0))], LogisticRegression(), cv=3),
        lambda: StackingRegressor([("a", RandomForestRegressor(10, random_state=0))], Ridge(), cv=3),
        None,
    ),
    "calibrated": (
        numeric_frame,
        lambda: CalibratedClassifierCV(RandomForestClassifier(10, random_state=0), cv=3),
        None,
        None,
    ),
    "xgboost": (
        category_frame,
        lambda: XGBClassifier(n_estimators=20, max_depth=4, enable_categorical=True, n_jobs=1, random_state=0),
        lambda: XGBRegressor(n_estimators=20, max_depth=4, enable_categorical=True, n_jobs=1, random_state=0),
        lambda: XGBRegressor(n_estimators=20, max_depth=4, enable_categorical=True, n_jobs=1, random_state=0),
    ),
    "lightgbm": (
        category_frame,
        lambda: LGBMClassifier(n_estimators=20, num_leaves=15, verbose=-1, n_jobs=1, random_state=0),
        lambda: LGBMRegressor(n_estimators=40, num_leaves=15, verbose=-1, n_jobs=1, random_state=0),
        lambda: MultiOutputRegressor(LGBMRegressor(n_estimators=40, num_leaves=15, verbose=-1, n_jobs=1)),
    ),
    "pipeline": (
        mixed_frame,
        lambda: pipeline_of(RandomForestClassifier(10, random_state=0)),
        lambda: pipeline_of(RandomForestRegressor(10, random_state=0)),
        lambda: pipeline_of(RandomForestRegressor(10, random_state=0)),
    ),
    "catboost": (
        catboost_frame,
        lambda: catboost("CatBoostClassifier"),
        lambda: catboost("CatBoostRegressor"),
        lambda: catboost("multioutput"),
    ),
    "default": (mixed_frame, lambda: None, lambda: None, lambda: None),
}

STUDENTS = {
    "mlp": MLPStudent(hidden_layer_sizes=(8,), n_knots=16, batch_size=32, max_iter=40),
    "tree": TreeStudent(min_samples_leaf=5),
    "boosted_trees": BoostedTreesStudent(n_estimators=30),
    "forest": RandomForestRegressor(5, min_samples_leaf=3),
}
# The table of a scikit-learn forest is numeric.
NUMBERS_ONLY = {"forest"}


def combinations():
    for name, (frame, *makers) in TEACHERS.items():
        for student in STUDENTS:
            if student in NUMBERS_ONLY and frame is not numeric_frame:
                continue
            for task, make in zip(TASKS, [makers[0], makers[0], makers[1], makers[2]], strict=True):
                if make is not None:
                    yield pytest.param(frame, make, student, task, id=f"{name}-{student}-{task}")


def distilled(task, teacher, **params):
    cls = DistilledClassifier if task in ("binary", "multiclass") else DistilledRegressor
    return cls(teacher, **{"n_synthetic": 600, "random_state": 0, "n_jobs": 1, **params})


def said(model, X):
    """What a model says, of shape (n, K)."""
    given = model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
    return np.asarray(given).reshape(len(X), -1)


def correlation(model, X) -> float:
    """The lowest correlation of student and teacher over classes or outputs."""
    student, teacher = said(model, X), said(model.teacher_, X)
    return min(np.corrcoef(s, t)[0, 1] for s, t in zip(student.T, teacher.T, strict=True))


@pytest.mark.parametrize(("frame", "make", "student", "task"), list(combinations()))
def test_every_student_learns_from_every_teacher(frame, make, student, task):
    X = frame(N_ROWS)
    y = targets(X, task)
    given = X.copy()
    model = distilled(task, make(), student=STUDENTS[student]).fit(X, y)
    pd.testing.assert_frame_equal(X, given)
    answer = said(model, X)
    if task in ("binary", "multiclass"):
        assert model.classes_.tolist() == sorted(set(y.tolist()))
        assert answer.shape == (N_ROWS, len(model.classes_))
        np.testing.assert_allclose(answer.sum(axis=1), 1)
        assert (answer >= 0).all()
        np.testing.assert_array_equal(model.predict(X), model.classes_[answer.argmax(axis=1)])
        assert model.score(X, y) > 0.7
    else:
        assert model.predict(X).shape == y.shape
        assert model.score(X, y) > 0.5
    assert correlation(model, X) > 0.7


# What the teacher is shown


class Watching(ClassifierMixin, BaseEstimator):
    """A teacher of a mixed table that notes every table that it is shown."""

    def fit(self, X, y):
        self.shown_ = []
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        self.shown_.append(X)
        positive = 1 / (1 + np.exp(-np.asarray(X["visits"], dtype=float) / 10 + 1))
        return np.column_stack([1 - positive, positive])


@pytest.mark.parametrize("augmenter", ["mixture", "munge", "marginal", "jitter", "mixup"])
def test_the_teacher_sees_synthetic_rows_in_the_form_of_the_table(augmenter):
    X = mixed_frame(200)
    y = targets(X, "binary")
    model = distilled("binary", Watching(), student=STUDENTS["tree"], augmenter=augmenter).fit(X, y)
    shown = model.teacher_.shown_
    # Three columns have categories: of each one row is tried with one that no row has.
    assert sum(map(len, shown)) == 200 + 3 + 600
    for table in shown:
        pd.testing.assert_series_equal(table.dtypes, X.dtypes)
        for name in ("country", "grade"):
            pd.testing.assert_index_equal(table[name].cat.categories, X[name].cat.categories)
            assert set(table[name].dropna()) <= set(X[name].cat.categories)
        assert set(table["shop"].dropna()) <= set(X["shop"].dropna())
        assert all(value is None or isinstance(value, str) for value in table["shop"])
        assert table["visits"].between(X["visits"].min(), X["visits"].max()).all()
        assert not table["visits"].isna().any()


def test_the_teacher_sees_polars_rows_where_the_table_is_polars():
    X = pl.from_pandas(mixed_frame(200).drop(columns="grade"))
    model = distilled("binary", Watching(), student=STUDENTS["tree"]).fit(X, targets(mixed_frame(200), "binary"))
    assert len(model.teacher_.shown_) > 1
    for table in model.teacher_.shown_:
        assert table.schema == X.schema


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_the_teacher_sees_arrays_where_the_table_is_an_array(dtype):
    class Bare:
        classes_ = [0, 1]

        def __init__(self):
            self.shown = []

        def predict_proba(self, X):
            self.shown.append(X)
            return np.tile([0.25, 0.75], (len(X), 1))

    teacher = Bare()
    X = np.random.default_rng(0).normal(0, 50, (100, 3)).astype(dtype)
    distilled("binary", teacher, student=STUDENTS["tree"]).fit(X, np.arange(100) % 2)
    assert len(teacher.shown) > 1
    assert all(type(table) is np.ndarray and table.dtype == dtype for table in teacher.shown)


# Bare objects


class BareClassifier:
    """Has predict_proba and classes_, and nothing else."""

    def __init__(self, classes):
        self.classes_ = np.array(classes)

    def predict_proba(self, X):
        positive = 1 / (1 + np.exp(-signal(X)))
        return np.column_stack([positive if c == "yes" else 1 - positive for c in self.classes_])


class BareRegressor:
    def predict(self, X):
        return signal(X)


@pytest.mark.parametrize("wrap", [lambda t: t, FrozenEstimator], ids=["bare", "frozen"])
@pytest.mark.parametrize("classes", [["no", "yes"], ["yes", "no"]], ids=str)
def test_a_bare_classifier_teaches_whatever_the_order_of_its_classes(wrap, classes):
    X = mixed_frame(N_ROWS)
    teacher = BareClassifier(classes)
    model = distilled("binary", wrap(teacher), student=STUDENTS["boosted_trees"]).fit(X, targets(X, "binary"))
    assert model.classes_.tolist() == ["no", "yes"]
    yes = teacher.predict_proba(X)[:, classes.index("yes")]
    assert np.abs(model.predict_proba(X)[:, 1] - yes).mean() < 0.06


@pytest.mark.parametrize("wrap", [lambda t: t, FrozenEstimator], ids=["bare", "frozen"])
def test_a_bare_regressor_teaches(wrap):
    X = mixed_frame(N_ROWS)
    model = distilled("regression", wrap(BareRegressor()), student=STUDENTS["boosted_trees"])
    assert model.fit(X, np.zeros(N_ROWS)).score(X, signal(X)) > 0.9


def test_a_bare_object_may_give_the_positive_class_alone():
    class Positive(BareClassifier):
        def predict_proba(self, X):
            return super().predict_proba(X)[:, 1]

    X = mixed_frame(N_ROWS)
    model = distilled("binary", Positive(["no", "yes"]), student=STUDENTS["boosted_trees"])
    model.fit(X, targets(X, "binary"))
    assert np.abs(model.predict_proba(X)[:, 1] - 1 / (1 + np.exp(-signal(X)))).mean() < 0.06


def test_a_frozen_teacher_of_more_classes_than_the_labels_keeps_them():
    X = numeric_frame(N_ROWS)
    y = targets(X, "multiclass")
    teacher = FrozenEstimator(RandomForestClassifier(20, random_state=0).fit(X, y))
    two = y != 5
    model = distilled("multiclass", teacher, student=STUDENTS["tree"]).fit(X[two], y[two])
    assert model.classes_.tolist() == [3, 5, 7]
    assert model.score(X, y) > 0.7


# XGBoost wants classes 0 … K − 1


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda t: t,
        make_pipeline,
        lambda t: CalibratedClassifierCV(t, cv=2),
        lambda t: VotingClassifier([("x", t)], voting="soft"),
        lambda t: StackingClassifier([("x", t)], LogisticRegression(), cv=2),
        lambda t: BaggingClassifier(t, n_estimators=2, random_state=0),
    ],
    ids=["alone", "pipeline", "calibrated", "voting", "stacking", "bagging"],
)
def test_xgboost_teaches_classes_of_any_name(wrap, task):
    X = numeric_frame(N_ROWS)
    y = targets(X, task)
    teacher = wrap(XGBClassifier(n_estimators=20, max_depth=3, n_jobs=1, random_state=0))
    model = distilled(task, teacher, student=STUDENTS["tree"]).fit(X, y)
    assert model.classes_.tolist() == sorted(set(y.tolist()))
    assert model.score(X, y) > 0.75


def test_xgboost_teaches_out_of_fold():
    X = category_frame(N_ROWS)
    y = targets(X, "binary")
    teacher = XGBClassifier(n_estimators=20, max_depth=3, enable_categorical=True, n_jobs=1, random_state=0)
    assert distilled("binary", teacher, student=STUDENTS["tree"], cv=2).fit(X, y).score(X, y) > 0.75


def test_a_frozen_xgboost_fitted_on_numbers_teaches():
    X = numeric_frame(N_ROWS)
    y = (targets(X, "binary") == "yes").astype(int)
    teacher = FrozenEstimator(XGBClassifier(n_estimators=20, n_jobs=1).fit(X, y))
    assert distilled("binary", teacher, student=STUDENTS["tree"]).fit(X, y).score(X, y) > 0.75


# Teachers that cannot teach

CLASSIFIER_REFUSED = {
    "no probabilities": (
        LinearSVC(),
        TypeError,
        r"LinearSVC has no `predict_proba`.*CalibratedClassifierCV\(LinearSVC\(\)\)",
    ),
    "voting without probabilities": (
        VotingClassifier([("a", DecisionTreeClassifier())], voting="hard"),
        TypeError,
        r"VotingClassifier has no `predict_proba`.*a VotingClassifier with voting='soft'",
    ),
    "search that does not refit": (
        GridSearchCV(RandomForestClassifier(2), {"max_depth": [2]}, cv=2, refit=False),
        TypeError,
        "GridSearchCV has no `predict_proba`.*refit=True",
    ),
    "regressor": (Ridge(), TypeError, "Ridge is a regressor; use DistilledRegressor"),
    "class": (RandomForestClassifier, TypeError, r"the class RandomForestClassifier; pass an instance"),
    "not fitted": (FrozenEstimator(RandomForestClassifier()), NotFittedError, "RandomForestClassifier.*not fitted"),
    "no classes": (
        type("NoClasses", (), {"predict_proba": lambda self, X: X})(),
        TypeError,
        "NoClasses has no attribute `classes_`",
    ),
    "string": ("lightgbm", ValueError, "'teacher' parameter"),
    "few columns": (
        type("Few", (), {"classes_": np.array([0, 1]), "predict_proba": lambda self, X: np.ones((len(X), 3))})(),
        ValueError,
        r"Few gave shape \(100, 3\), but its classes_ call for 2",
    ),
    "NaN": (
        type("Undecided", (), {"classes_": [0, 1], "predict_proba": lambda self, X: np.full((len(X), 2), np.nan)})(),
        ValueError,
        "Undecided gave NaN or infinite values",
    ),
}

REGRESSOR_REFUSED = {
    "classifier": (RandomForestClassifier(), TypeError, "is a classifier; use DistilledClassifier"),
    "class": (Ridge, TypeError, "the class Ridge; pass an instance"),
    "not fitted": (FrozenEstimator(Ridge()), NotFittedError, "Ridge.*not fitted"),
    "NaN": (
        type("Undecided", (), {"predict": lambda self, X: np.full(len(X), np.inf)})(),
        ValueError,
        "NaN or infinite values",
    ),
    "no predict": (type("Mute", (), {"predict_proba": lambda self, X: X})(), TypeError, "Mute has no `predict`"),
}


@pytest.mark.parametrize(
    ("task", "kind"), [*(("binary", k) for k in CLASSIFIER_REFUSED), *(("regression", k) for k in REGRESSOR_REFUSED)]
)
def test_teachers_that_cannot_teach_are_refused(task, kind):
    teacher, error, message = (CLASSIFIER_REFUSED if task == "binary" else REGRESSOR_REFUSED)[kind]
    X = np.random.default_rng(0).normal(size=(100, 3))
    with pytest.raises(error, match=rf"(?s){message}"):
        distilled(task, teacher).fit(X, np.arange(100) % 2)


def test_classes_that_a_frozen_teacher_does_not_know_are_named():
    X = numeric_frame(100)
    teacher = FrozenEstimator(DecisionTreeClassifier().fit(X, np.where(X["visits"] > 10, "no", "yes")))
    y = np.where(np.arange(100) < 3, "maybe", "no")
    with pytest.raises(
        ValueError, match=r"classes \['maybe'\].*DecisionTreeClassifier does not know.*\['no', 'yes'\].*Leave"
    ):
        distilled("binary", teacher).fit(X, y)


# The default teacher


@pytest.mark.parametrize("task", TASKS)
def test_the_default_teacher_is_strong_on_a_mixed_table(task):
    cls = DefaultTeacherClassifier if task in ("binary", "multiclass") else DefaultTeacherRegressor
    X, new = mixed_frame(600), mixed_frame(300, seed=1)
    teacher = cls(n_jobs=1, random_state=0).fit(X, targets(X, task))
    assert teacher.score(new, targets(new, task)) > 0.8


def test_the_default_teacher_takes_unseen_levels_as_missing():
    X = mixed_frame(300)
    teacher = DefaultTeacherClassifier(n_estimators=30, n_jobs=1, random_state=0).fit(X, targets(X, "binary"))
    unseen = teacher.predict_proba(X[:20].assign(shop="never seen"))
    missing = teacher.predict_proba(X[:20].assign(shop=pd.Series([None] * 20, dtype=object)))
    np.testing.assert_array_equal(unseen, missing)


def test_the_default_teacher_learns_a_class_of_three_rows():
    X = numeric_frame(300)
    y = np.zeros(300, dtype=int)
    y[np.argsort(X["amount"].to_numpy())[-3:]] = 1
    teacher = DefaultTeacherClassifier(n_jobs=1, random_state=0).fit(X, y)
    assert teacher.predict_proba(X)[y == 1, 1].min() > 3 * teacher.predict_proba(X)[y == 0, 1].mean()


def test_sample_weight_reaches_the_default_teacher():
    X = np.zeros((200, 1)) + np.arange(200)[:, None] % 2
    y = np.arange(200) % 4 // 2
    weights = np.where(y == 1, 9.0, 1.0)
    P = DefaultTeacherClassifier(n_jobs=1, random_state=0).fit(X, y, weights).predict_proba(X)
    assert P[:, 1].mean() == pytest.approx(0.9, abs=0.03)


def test_teachers_that_were_given_are_not_touched():
    X = numeric_frame(100)
    y = targets(X, "binary")
    teacher = KNeighborsClassifier(3)
    model = distilled("binary", teacher, student=STUDENTS["tree"]).fit(X, y)
    assert not hasattr(teacher, "classes_")
    assert clone(model).teacher is not teacher
