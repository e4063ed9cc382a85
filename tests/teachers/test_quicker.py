"""Forests answer synthetic rows on all cores, LightGBM a few trees at a time, and as they do themselves."""

import threading
from functools import wraps

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tabkd._threads import n_threads
from tabkd.teachers import DefaultTeacherClassifier
from tabkd.teachers._quicker import quicker
from tests.distilled.quick import classifier


def forest(**params):
    return RandomForestClassifier(7, random_state=0, **params)


def behind_columns(last):
    return make_pipeline(make_column_transformer((OneHotEncoder(), ["c"]), remainder="passthrough"), last)


TEACHERS = {
    "forest": lambda: make_pipeline(behind_columns(forest())),
    "extra trees": lambda: behind_columns(ExtraTreesClassifier(7, random_state=0)),
    "stack": lambda: behind_columns(StackingClassifier([("forest", forest()), ("linear", LogisticRegression())], cv=2)),
    "vote": lambda: VotingClassifier([("forest", behind_columns(forest()))], voting="soft"),
    "forest of values": lambda: behind_columns(RandomForestRegressor(7, random_state=0)),
    "vote of values": lambda: behind_columns(
        VotingRegressor([("trees", ExtraTreesRegressor(7, random_state=0)), ("linear", Ridge())])
    ),
}


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=3500), "b": rng.normal(size=3500), "c": rng.choice(list("xyz"), 3500)})


@pytest.fixture
def threads_of_forests(monkeypatch):
    """The threads in which forests were asked."""
    found = set()
    for kind in (RandomForestClassifier, ExtraTreesClassifier, RandomForestRegressor, ExtraTreesRegressor):
        method = "predict_proba" if hasattr(kind, "predict_proba") else "predict"
        asked = getattr(kind, method)

        @wraps(asked)
        def noted(self, X, asked=asked):
            found.add(threading.get_ident())
            return asked(self, X)

        monkeypatch.setattr(kind, method, noted)
    return found


@pytest.mark.parametrize("frozen", [False, True], ids=["fitted", "frozen"])
@pytest.mark.parametrize("name", TEACHERS)
def test_answers_are_the_same_and_found_in_several_threads(frame, name, frozen, threads_of_forests):
    y = frame["a"] + (frame["c"] == "x") > 0
    teacher = TEACHERS[name]().fit(frame[:300], y[:300])
    method = "predict_proba" if hasattr(teacher, "predict_proba") else "predict"
    threads_of_forests.clear()
    expected = getattr(teacher, method)(frame)
    assert threads_of_forests == {threading.get_ident()}
    quick = quicker(FrozenEstimator(teacher) if frozen else teacher, 3)
    threads_of_forests.clear()
    np.testing.assert_array_equal(getattr(quick, method)(frame), expected)
    assert threads_of_forests - {threading.get_ident()}
    threads_of_forests.clear()
    np.testing.assert_array_equal(getattr(teacher, method)(frame), expected)
    assert threads_of_forests == {threading.get_ident()}


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_a_forest_with_threads_of_its_own_is_asked_as_it_is(frame, n_jobs):
    fitted = forest(n_jobs=n_jobs).fit(frame[["a", "b"]], frame["c"])
    assert quicker(fitted, 3) is fitted


def test_one_thread_and_other_teachers_change_nothing(frame):
    for teacher, n_jobs in ((forest(), 1), (LogisticRegression(), 3)):
        fitted = teacher.fit(frame[["a", "b"]], frame["c"])
        assert quicker(fitted, n_jobs) is fitted


def test_synthetic_rows_are_labelled_in_threads_with_the_same_student(frame, threads_of_forests):
    y = np.where(frame["a"] + (frame["c"] == "x") > 0, "yes", "no")[:300]
    one, several = (classifier(behind_columns(forest()), n_synthetic=3000, cv=None, n_jobs=n_jobs) for n_jobs in (1, 3))
    expected = one.fit(frame[:300], y).predict_proba(frame)
    assert threads_of_forests == {threading.get_ident()}
    np.testing.assert_array_equal(several.fit(frame[:300], y).predict_proba(frame), expected)
    assert threads_of_forests - {threading.get_ident()}


# LightGBM


def booster(task, **params):
    kind = lightgbm.LGBMRegressor if task == "regression" else lightgbm.LGBMClassifier
    return kind(n_estimators=90, num_leaves=7, verbosity=-1, random_state=0, **params)


def labels(frame, objective):
    score = frame["a"] * frame["b"] + (frame["c"] == "x")
    return {"binary": score > 0, "multiclass": np.digitize(score, [-0.5, 0.3, 1]), "regression": score}[objective]


@pytest.fixture
def rounds(monkeypatch):
    """From where LightGBM was asked, for how many rounds, and in how many threads."""
    found = []
    predict = lightgbm.Booster.predict

    def noted(self, data, start_iteration=0, num_iteration=None, **params):
        found.append((start_iteration, num_iteration, params.get("num_threads")))
        return predict(self, data, start_iteration=start_iteration, num_iteration=num_iteration, **params)

    monkeypatch.setattr(lightgbm.Booster, "predict", noted)
    return found


IN_BLOCKS = {
    "alone": lambda last: last,
    "behind columns": behind_columns,
    "stack": lambda last: behind_columns(
        StackingClassifier([("l", last)], cv=2)
        if hasattr(last, "predict_proba")
        else StackingRegressor([("l", last)], cv=2)
    ),
    "vote": lambda last: behind_columns(
        VotingClassifier([("l", last)], voting="soft")
        if hasattr(last, "predict_proba")
        else VotingRegressor([("l", last)])
    ),
}


@pytest.mark.filterwarnings("ignore:'force_all_finite'")  # by LightGBM before 4.6
@pytest.mark.parametrize("frozen", [False, True], ids=["fitted", "frozen"])
@pytest.mark.parametrize("place", IN_BLOCKS)
@pytest.mark.parametrize("objective", ["binary", "multiclass", "regression"])
def test_lightgbm_answers_a_few_trees_at_a_time(frame, objective, place, frozen, rounds):
    X = frame[["a", "b"]] if place == "alone" else frame
    teacher = IN_BLOCKS[place](booster(objective)).fit(X[:300], labels(frame, objective)[:300])
    method = "predict" if objective == "regression" else "predict_proba"
    expected = getattr(teacher, method)(X)
    rounds.clear()
    found = getattr(quicker(FrozenEstimator(teacher) if frozen else teacher, 1), method)(X)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    in_turn = sorted({of for of in rounds if of[1] is not None and of[1] > 0})
    assert len(in_turn) > 4
    assert sum(n for _, n, _ in in_turn) == 90
    assert getattr(teacher, method)(X).shape == expected.shape


@pytest.mark.parametrize(
    "params",
    [{"objective": "poisson"}, {"reg_sqrt": True}, {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}],
    ids=str,
)
def test_a_booster_that_does_more_than_add_answers_by_itself(frame, params):
    X, y = frame[["a", "b"]], labels(frame, "regression") ** 2 + 1
    fitted = booster("regression", **params).fit(X[:300], y[:300])
    np.testing.assert_array_equal(quicker(fitted, 1).predict(X), fitted.predict(X))


def test_a_sigmoid_of_its_own_is_noticed(frame):
    X = frame[["a", "b"]]
    fitted = booster("binary", sigmoid=3.0).fit(X[:300], labels(frame, "binary")[:300])
    np.testing.assert_array_equal(quicker(fitted, 1).predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize(("n_jobs", "expected"), [(1, 1), (2, 2), (0, n_threads(None)), (None, n_threads(None))])
def test_it_answers_in_as_many_threads_as_it_has(frame, n_jobs, expected, rounds):
    X = frame[["a", "b"]]
    fitted = booster("binary", n_jobs=n_jobs).fit(X[:300], labels(frame, "binary")[:300])
    quicker(fitted, 3).predict_proba(X)
    assert {threads for _, n, threads in rounds if n} == {expected}


def test_categories_and_few_rows_are_left_to_lightgbm(frame, rounds):
    X = frame.assign(c=frame["c"].astype("category"))
    fitted = booster("binary").fit(X[:300], labels(frame, "binary")[:300])
    for rows in (X, X[:100]):
        np.testing.assert_array_equal(quicker(fitted, 1).predict_proba(rows), fitted.predict_proba(rows))
    assert {n for _, n, _ in rounds} == {None}


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")
def test_an_early_stopped_booster_ends_where_it_was_best(frame):
    X, y = frame[["a", "b"]], labels(frame, "binary")
    stopped = booster("binary", early_stopping_round=5, learning_rate=0.5)
    stopped.fit(X[:300], y[:300], eval_set=[(X[300:900], y[300:900])])
    assert 0 < stopped.best_iteration_ < 90
    np.testing.assert_allclose(quicker(stopped, 1).predict_proba(X), stopped.predict_proba(X), atol=1e-14)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_default_teacher_has_the_scores_of_its_boosters(frame, n_classes):
    X, y = frame[["a", "b"]], labels(frame, "binary" if n_classes == 2 else "multiclass")
    teacher = DefaultTeacherClassifier(n_estimators=120, random_state=0).fit(X[:1500], y[:1500])
    light, extreme = teacher.boosters_
    codes = teacher.schema_.encode(X)
    mean = (light.predict(codes) + extreme.inplace_predict(codes, missing=np.nan)) / 2
    mean = np.column_stack([1 - mean, mean]) if mean.ndim == 1 else mean / mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(teacher.predict_proba(X), mean, atol=1e-14)
