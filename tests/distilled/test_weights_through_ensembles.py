"""Sample weights reach what an ensemble is made of, as they do when the ensemble is fitted alone."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import RFE, RFECV
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier

from tests.distilled.quick import classifier, regressor

EXACT = {"student": DecisionTreeRegressor(random_state=0), "n_synthetic": 0}


def logistic():
    return LogisticRegression()


def scaled(last):
    return make_pipeline(StandardScaler(), last)


def voting(inner):
    return VotingClassifier([("a", inner)], voting="soft")


def stacking(inner):
    return StackingClassifier([("a", inner)], LogisticRegression(), cv=2)


# What is fitted, and the name by which it takes weights when it is fitted alone.
TAKE_WEIGHTS = {
    "stacking": (lambda: stacking(logistic()), "sample_weight"),
    "voting": (lambda: voting(logistic()), "sample_weight"),
    "voting of XGBoost": (lambda: voting(XGBClassifier(n_estimators=5, n_jobs=1, random_state=0)), "sample_weight"),
    "bagging": (lambda: BaggingClassifier(logistic(), n_estimators=2, random_state=0), "sample_weight"),
    "boosting": (lambda: AdaBoostClassifier(logistic(), n_estimators=2, random_state=0), "sample_weight"),
    "calibrated": (lambda: CalibratedClassifierCV(logistic(), cv=2), "sample_weight"),
    "search": (lambda: GridSearchCV(logistic(), {"C": [0.1, 1]}, cv=2), "sample_weight"),
    "elimination": (lambda: RFE(logistic()), "sample_weight"),
    "search over a pipeline": (
        lambda: GridSearchCV(scaled(logistic()), {}, cv=2),
        "logisticregression__sample_weight",
    ),
    "pipeline of voting": (lambda: scaled(voting(logistic())), "votingclassifier__sample_weight"),
    "pipeline in a pipeline": (
        lambda: scaled(scaled(logistic())),
        "pipeline__logisticregression__sample_weight",
    ),
}
REFUSE_WEIGHTS = {
    "stacking": (lambda: stacking(KNeighborsClassifier()), "StackingClassifier hands it to KNeighborsClassifier"),
    "voting": (lambda: voting(KNeighborsClassifier()), "VotingClassifier hands it to KNeighborsClassifier"),
    "pipeline of voting": (lambda: scaled(voting(KNeighborsClassifier())), "hands it to KNeighborsClassifier"),
    "voting of a pipeline": (lambda: voting(scaled(logistic())), "VotingClassifier hands it to Pipeline"),
    "search": (lambda: GridSearchCV(KNeighborsClassifier(), {}, cv=2), "GridSearchCV hands it to KNeighborsClassifier"),
    "elimination": (lambda: RFE(KNeighborsClassifier()), "RFE hands it to KNeighborsClassifier"),
    "boosting": (lambda: AdaBoostClassifier(KNeighborsClassifier()), "hands it to KNeighborsClassifier"),
    "one against the rest": (lambda: OneVsRestClassifier(logistic()), "OneVsRestClassifier does not take it.*routing"),
    "elimination by folds": (lambda: RFECV(logistic()), "RFECV does not take it: .*routing"),
}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 4))
    y = np.where(X[:, 0] + rng.normal(0, 0.7, 240) > 0.3, "yes", "no")
    return X, y, np.where(y == "yes", 8.0, 1.0) * rng.uniform(0.5, 1, 240)


@pytest.mark.parametrize("convert", [np.asarray, list, pd.Series], ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", TAKE_WEIGHTS)
def test_weights_reach_a_teacher_as_they_reach_it_alone(rows, name, convert):
    X, y, w = rows
    make, parameter = TAKE_WEIGHTS[name]
    said = classifier(make(), cv=None, **EXACT).fit(X, y, sample_weight=convert(w)).predict_proba(X)
    np.testing.assert_allclose(said, make().fit(X, y, **{parameter: w}).predict_proba(X), atol=1e-7)
    assert np.abs(said - make().fit(X, y).predict_proba(X)).max() > 0.05


@pytest.mark.parametrize("name", TAKE_WEIGHTS)
def test_weights_reach_the_teachers_of_the_folds(rows, name):
    X, y, w = rows
    make, parameter = TAKE_WEIGHTS[name]
    said = classifier(make(), cv=3, **EXACT).fit(X, y, sample_weight=w).predict_proba(X)
    for train, test in StratifiedKFold(3).split(X, y):
        fitted = make().fit(X[train], y[train], **{parameter: w[train]})
        np.testing.assert_allclose(said[test], fitted.predict_proba(X[test]), atol=1e-7)


@pytest.mark.parametrize("cv", [None, 2])
@pytest.mark.parametrize("name", REFUSE_WEIGHTS)
def test_an_ensemble_of_what_takes_no_weights_is_refused_them_by_name(rows, name, cv):
    X, y, w = rows
    make, message = REFUSE_WEIGHTS[name]
    with pytest.raises(ValueError, match=rf"(?s)sample_weight was passed, but .*{message}.*leave the weights out"):
        classifier(make(), cv=cv).fit(X, y, sample_weight=w)


def test_other_errors_of_a_teacher_stay_what_they_are(rows):
    X, y, w = rows
    with pytest.raises(ValueError, match="'C' parameter of LogisticRegression"):
        classifier(voting(LogisticRegression(C=-1))).fit(X, y, sample_weight=w)


# With metadata routing


def asking(estimator):
    return estimator.set_fit_request(sample_weight=True)


@pytest.mark.parametrize("cv", [None, 3])
@pytest.mark.parametrize(
    "make",
    [
        lambda: stacking(asking(logistic())).set_params(final_estimator=asking(logistic())),
        lambda: voting(make_pipeline(StandardScaler().set_fit_request(sample_weight=False), asking(logistic()))),
        lambda: OneVsRestClassifier(asking(logistic())),
        lambda: GridSearchCV(asking(logistic()).set_score_request(sample_weight=False), {"C": [1]}, cv=2),
        lambda: RFE(asking(logistic())),
    ],
    ids=["stacking", "voting of a pipeline", "one against the rest", "search", "elimination"],
)
def test_routed_weights_reach_what_an_ensemble_is_made_of(rows, make, cv):
    X, y, w = rows
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier(make(), cv=cv, **EXACT).set_fit_request(sample_weight=True)
        said = model.fit(X, y, sample_weight=w).predict_proba(X)
        folds = [(np.arange(240), np.arange(240))] if cv is None else StratifiedKFold(cv).split(X, y)
        for train, test in folds:
            fitted = make().fit(X[train], y[train], sample_weight=w[train])
            np.testing.assert_allclose(said[test], fitted.predict_proba(X[test]), atol=1e-7)


# Students


@pytest.mark.parametrize(
    "student",
    [
        StackingRegressor([("a", DecisionTreeRegressor(max_depth=3, random_state=0))], Ridge(), cv=2),
        VotingRegressor([("a", DecisionTreeRegressor(max_depth=3, random_state=0))]),
        GridSearchCV(scaled(DecisionTreeRegressor(max_depth=3, random_state=0)), {}, cv=KFold(2)),
        TransformedTargetRegressor(scaled(Ridge())),
    ],
    ids=lambda s: type(s).__name__,
)
def test_weights_reach_a_student_that_holds_others(rows, student):
    X, _, w = rows
    target = X[:, 0] + np.abs(X[:, 1])

    class Told:
        def predict(self, X):
            return X[:, 0] + np.abs(X[:, 1])

    model = regressor(Told(), student=student, n_synthetic=0).fit(X, target, sample_weight=w)
    step = {"GridSearchCV": "decisiontreeregressor__", "TransformedTargetRegressor": "ridge__"}
    name = step.get(type(student).__name__, "")
    expected = clone(student).fit(X, target, **{f"{name}sample_weight": w}).predict(X)
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-9)


def test_a_forest_within_a_search_keeps_its_class_weights_and_the_sample_weights(rows):
    X, y, w = rows
    forest = RandomForestClassifier(8, class_weight={"no": 1, "yes": 5}, min_samples_leaf=10, random_state=0)
    search = GridSearchCV(forest, {"max_depth": [2, 4]}, cv=2)
    said = classifier(search, **EXACT).fit(X, y, sample_weight=w).predict_proba(X)
    np.testing.assert_allclose(said, clone(search).fit(X, y, sample_weight=w).predict_proba(X), atol=1e-12)
