"""Teachers are fitted on the user's own labels, also out of fold: parameters that name classes mean those classes."""

from copy import deepcopy

import numpy as np
import pandas as pd
import polars as pl
import pytest
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import RFECV
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    RepeatedKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier

from tests.distilled.quick import classifier, regressor

# The common class, then the rare one: in sorted order, and not; from 0, and not.
LABELS = [(0, 1), (1, 2), (2, 1), (-1, 1), (1, -1), (False, True), (True, False), ("ok", "fraud"), (2.0, 7.0)]
EXACT = {"student": DecisionTreeRegressor(random_state=0), "n_synthetic": 0}


def forest(weights):
    return RandomForestClassifier(8, class_weight=weights, min_samples_leaf=15, random_state=0)


def catboost(weights):
    library = pytest.importorskip("catboost")
    quiet = {"verbose": False, "allow_writing_files": False, "thread_count": 1}
    return library.CatBoostClassifier(iterations=8, class_weights=weights, random_seed=0, **quiet)


WEIGHTED = {
    "forest": forest,
    "logistic": lambda weights: LogisticRegression(class_weight=weights),
    "lightgbm": lambda weights: LGBMClassifier(n_estimators=8, class_weight=weights, n_jobs=1, verbose=-1),
    "catboost": catboost,
    "pipeline": lambda weights: make_pipeline(StandardScaler(), forest(weights)),
    "calibrated": lambda weights: CalibratedClassifierCV(forest(weights), cv=2),
    "search": lambda weights: GridSearchCV(forest(weights), {"max_depth": [3]}, cv=2),
}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    return X, (X[:, 0] + rng.normal(0, 0.7, 300) > 1.2).astype(int)


def out_of_fold(teacher, X, y, folds):
    """What the teacher says of each fold when it is fitted on the others, fold by fold and by hand."""
    said = np.zeros((len(y), len(np.unique(y))))
    for train, test in folds:
        fitted = deepcopy(teacher).fit(X[train], y[train])  # CatBoost cannot be cloned
        said[np.ix_(test, np.searchsorted(np.unique(y), fitted.classes_))] = fitted.predict_proba(X[test])
    return said


@pytest.mark.parametrize("labels", LABELS, ids=str)
@pytest.mark.parametrize("name", WEIGHTED)
def test_class_weights_mean_the_labels_of_the_user_out_of_fold(rows, name, labels):
    X, rare = rows
    y = np.array(labels)[rare]
    teacher = WEIGHTED[name](dict(sorted({labels[0]: 1, labels[1]: 30}.items())))
    model = classifier(teacher, cv=3, **EXACT).fit(X, y)
    expected = out_of_fold(teacher, X, y, StratifiedKFold(3).split(X, y))
    np.testing.assert_allclose(model.predict_proba(X), expected / expected.sum(axis=1, keepdims=True), atol=1e-12)
    column = np.flatnonzero(model.classes_ == labels[1])[0]
    whole = classifier(teacher, **EXACT).fit(X, y).predict_proba(X)[:, column].mean()
    assert model.predict_proba(X)[:, column].mean() == pytest.approx(whole, abs=0.12)
    if name != "calibrated":  # whose purpose is to undo it
        assert whole > 2 * rare.mean()


def test_histogram_boosting_reads_class_weights_out_of_fold_as_it_does_alone(rows):
    X, y = rows
    teacher = HistGradientBoostingClassifier(max_iter=8, class_weight={1: 30}, random_state=0)
    said = classifier(teacher, cv=3, **EXACT).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(said, out_of_fold(teacher, X, y, StratifiedKFold(3).split(X, y)), atol=1e-12)


@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: make_pipeline(StandardScaler(), t)], ids=["alone", "pipeline"])
def test_class_weights_that_scikit_learn_gives_to_another_class_are_warned_of(rows, wrap):
    X, rare = rows
    teacher = wrap(HistGradientBoostingClassifier(max_iter=4, class_weight={1: 30}))
    with pytest.warns(UserWarning, match=r"class_weight \{1: 30\}.*positions 0 to 1 of the classes \[1, 2\]"):
        classifier(teacher).fit(X, np.array([2, 1])[rare])


def test_labels_and_class_weights_are_blended_by_alpha_out_of_fold(rows):
    X, rare = rows
    y = np.array(["ok", "fraud"])[rare]
    teacher = forest({"ok": 1, "fraud": 30})
    model = classifier(teacher, cv=3, alpha=0.25, **EXACT).fit(X, y)
    labels = np.column_stack([y == "fraud", y == "ok"])
    expected = 0.25 * out_of_fold(teacher, X, y, StratifiedKFold(3).split(X, y)) + 0.75 * labels
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-12)


@pytest.mark.parametrize("convert", [lambda X: pd.DataFrame(X, columns=list("abc")), lambda X: pl.DataFrame(X)])
def test_frames_are_cut_into_folds_as_arrays_are(rows, convert):
    X, rare = rows
    y = np.array(["ok", "fraud"])[rare]
    teacher = forest({"ok": 1, "fraud": 30})
    plain = classifier(teacher, cv=3, **EXACT).fit(X, y).predict_proba(X)
    framed = classifier(teacher, cv=3, **EXACT).fit(convert(X), y).predict_proba(convert(X))
    np.testing.assert_allclose(framed, plain, atol=1e-12)


def test_folds_on_two_processes_are_those_on_one(rows):
    X, y = rows
    one, two = (classifier(forest({1: 30}), cv=3, n_jobs=n, **EXACT).fit(X, y + 1).predict_proba(X) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_regressions_of_several_targets_are_taught_out_of_fold(rows):
    X, _ = rows
    Y = np.column_stack([X[:, 0] * 3, X[:, 1] - X[:, 2]])
    said = regressor(Ridge(), cv=KFold(3), **EXACT).fit(X, Y).predict(X)
    for train, test in KFold(3).split(X):
        np.testing.assert_allclose(said[test], Ridge().fit(X[train], Y[train]).predict(X[test]), atol=1e-9)


# Folds


def test_a_class_that_a_fold_lacks_has_probability_zero_there_and_is_named(rows):
    X, _ = rows
    y = np.where(np.arange(300) < 100, "a", np.where(np.arange(300) % 2, "b", "c"))
    with pytest.warns(UserWarning, match=r"classes \['a'\] are missing from the rows that some fold is fitted on"):
        model = classifier(GaussianNB(), cv=KFold(3), **EXACT).fit(X, y)
    assert model.classes_.tolist() == ["a", "b", "c"]
    said = model.predict_proba(X)
    np.testing.assert_allclose(said, out_of_fold(GaussianNB(), X, y, KFold(3).split(X)), atol=1e-12)
    assert (said[:100, 0] == 0).all()
    assert (said[100:, 0] > 0).any()


@pytest.mark.parametrize("routed", [False, True])
def test_groups_reach_the_splitter(rows, routed, request):
    if routed:
        request.getfixturevalue("routing")
    X, y = rows
    groups = np.arange(300) // 10 % 7
    said = classifier(GaussianNB(), cv=GroupKFold(3), **EXACT).fit(X, y, groups=groups).predict_proba(X)
    expected = out_of_fold(GaussianNB(), X, y, GroupKFold(3).split(X, y, groups))
    np.testing.assert_allclose(said, expected, atol=1e-12)


def test_groups_without_a_splitter_are_refused(rows):
    X, y = rows
    with pytest.raises(TypeError, match=r"fit got \['groups'\].*groups need a splitter as cv"):
        classifier(GaussianNB(), cv=3).fit(X, y, groups=np.zeros(300))


def test_any_iterable_of_splits_serves(rows):
    X, y = rows
    splits = list(KFold(3, shuffle=True, random_state=1).split(X))
    expected = out_of_fold(GaussianNB(), X, y, splits)
    for cv in (splits, iter(splits), PredefinedSplit(np.arange(300) % 3)):
        said = classifier(GaussianNB(), cv=cv, **EXACT).fit(X, y).predict_proba(X)
        if not isinstance(cv, PredefinedSplit):
            np.testing.assert_allclose(said, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("cv", "times"), [(TimeSeriesSplit(3), "row 0 is in 0"), (RepeatedKFold(n_splits=3, n_repeats=2), "row 0 is in 2")]
)
def test_folds_that_do_not_hold_each_row_once_are_refused(rows, cv, times):
    X, y = rows
    with pytest.raises(ValueError, match=rf"cv=.*exactly one test fold, but {times}"):
        classifier(GaussianNB(), cv=cv).fit(X, y)


# XGBoost wants integers; what stands around it sees the labels


def xgboost(**params):
    return XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1, random_state=0, **params)


FINDS_FRAUD = make_scorer(f1_score, pos_label="fraud")
AROUND_XGBOOST = {
    "alone": lambda: xgboost(),
    "pipeline": lambda: make_pipeline(StandardScaler(), xgboost()),
    "calibrated": lambda: CalibratedClassifierCV(xgboost(), cv=2),
    "calibrated pipeline": lambda: CalibratedClassifierCV(make_pipeline(StandardScaler(), xgboost()), cv=2),
    "search that names a class": lambda: GridSearchCV(xgboost(), {"max_depth": [2]}, scoring=FINDS_FRAUD, cv=2),
    "search in a pipeline": lambda: GridSearchCV(
        make_pipeline(StandardScaler(), xgboost()), {"xgbclassifier__max_depth": [2]}, scoring=FINDS_FRAUD, cv=2
    ),
    "voting": lambda: VotingClassifier([("x", xgboost()), ("n", GaussianNB())], voting="soft"),
    "stacking": lambda: StackingClassifier([("x", xgboost())], LogisticRegression(), cv=2),
    "bagging": lambda: BaggingClassifier(xgboost(), n_estimators=2, random_state=0),
    "selection": lambda: RFECV(xgboost(), cv=2, min_features_to_select=2),
}


@pytest.mark.parametrize("cv", [None, 3])
@pytest.mark.parametrize("name", AROUND_XGBOOST)
def test_xgboost_learns_labels_of_any_name_wherever_it_stands(rows, name, cv):
    """It says of the names what it says of 0 and 1."""
    X, rare = rows
    y = np.array(["fraud", "ok"])[1 - rare]
    model = classifier(AROUND_XGBOOST[name](), cv=cv, **EXACT).fit(X, y)
    assert model.classes_.tolist() == ["fraud", "ok"]
    if "class" in name or "search" in name:
        numbered = AROUND_XGBOOST[name]().set_params(scoring=make_scorer(f1_score, pos_label=0))
    else:
        numbered = AROUND_XGBOOST[name]()
    expected = classifier(numbered, cv=cv, **EXACT).fit(X, 1 - rare).predict_proba(X)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)


def test_validation_rows_of_xgboost_have_the_labels_of_the_user(rows, routing):
    X, rare = rows
    y = np.array(["ok", "fraud"])[rare]
    teacher = xgboost(early_stopping_rounds=2).set_fit_request(eval_set=True, verbose=True)
    model = classifier(teacher, **EXACT).fit(X[:200], y[:200], eval_set=[(X[200:], y[200:])], verbose=False)
    codes = 1 - rare
    numbered = classifier(teacher, **EXACT).fit(X[:200], codes[:200], eval_set=[(X[200:], codes[200:])], verbose=False)
    np.testing.assert_allclose(model.predict_proba(X[:200]), numbered.predict_proba(X[:200]), atol=1e-6)


def test_a_regression_forest_is_taught_by_predefined_folds(rows):
    X, _ = rows
    fold = np.arange(300) % 4
    teacher = RandomForestRegressor(5, random_state=0)
    said = regressor(teacher, cv=PredefinedSplit(fold), **EXACT).fit(X, X[:, 0]).predict(X)
    for k in range(4):
        fitted = clone(teacher).fit(X[fold != k], X[fold != k, 0])
        np.testing.assert_allclose(said[fold == k], fitted.predict(X[fold == k]), atol=1e-12)
