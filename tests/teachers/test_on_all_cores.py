"""Forests answer synthetic rows on all cores, and answer them as they do on one."""

import threading
from functools import wraps

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
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tabkd.teachers._on_all_cores import on_all_cores
from tabkd.teachers._teacher import teacher_name
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
    quick = on_all_cores(FrozenEstimator(teacher) if frozen else teacher, 3)
    threads_of_forests.clear()
    np.testing.assert_array_equal(getattr(quick, method)(frame), expected)
    assert threads_of_forests - {threading.get_ident()}
    threads_of_forests.clear()
    np.testing.assert_array_equal(getattr(teacher, method)(frame), expected)
    assert threads_of_forests == {threading.get_ident()}


def test_errors_name_the_forest(frame):
    assert teacher_name(on_all_cores(forest().fit(frame[["a", "b"]], frame["c"]), 3)) == "RandomForestClassifier"


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_a_forest_with_threads_of_its_own_is_asked_as_it_is(frame, n_jobs):
    fitted = forest(n_jobs=n_jobs).fit(frame[["a", "b"]], frame["c"])
    assert on_all_cores(fitted, 3) is fitted


def test_one_thread_and_other_teachers_change_nothing(frame):
    for teacher, n_jobs in ((forest(), 1), (LogisticRegression(), 3)):
        fitted = teacher.fit(frame[["a", "b"]], frame["c"])
        assert on_all_cores(fitted, n_jobs) is fitted


def test_synthetic_rows_are_labelled_in_threads_with_the_same_student(frame, threads_of_forests):
    y = np.where(frame["a"] + (frame["c"] == "x") > 0, "yes", "no")[:300]
    one, several = (classifier(behind_columns(forest()), n_synthetic=3000, cv=None, n_jobs=n_jobs) for n_jobs in (1, 3))
    expected = one.fit(frame[:300], y).predict_proba(frame)
    assert threads_of_forests == {threading.get_ident()}
    np.testing.assert_array_equal(several.fit(frame[:300], y).predict_proba(frame), expected)
    assert threads_of_forests - {threading.get_ident()}
