"""Fitted predictors that are not scikit-learn's estimators teach as they are: a model with AutoGluon's surface."""

import pickle

import numpy as np
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor
from tests.small_tables import numeric_frame, signal, targets
from tests.teachers.predictor import TabularPredictor

N_ROWS = 300


def distilled(teacher, cls=DistilledClassifier, **params):
    return cls(teacher, **{"student": "tree", "n_synthetic": 300, "random_state": 0, "n_jobs": 1, **params})


def table(n=N_ROWS):
    """With a column that no model makes use of."""
    return numeric_frame(n).assign(constant=1)


def predictor(y, **params):
    return TabularPredictor("label", **params).fit(table(len(y)).assign(label=y))


def positive(n=N_ROWS):
    return signal(table(n)) > 0.5


@pytest.mark.parametrize("wrap", [lambda teacher: teacher, FrozenEstimator], ids=["bare", "frozen"])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_predictor_teaches_as_it_is(task, wrap, tmp_path):
    X, y = table(), targets(table(), task)
    teacher = predictor(y)
    model = distilled(wrap(teacher)).fit(X, y)
    assert getattr(model.teacher_, "estimator", model.teacher_) is teacher
    assert model.classes_.tolist() == sorted(set(y.tolist()))
    assert model.score(X, y) > 0.8
    model.to_onnx(tmp_path / "student.onnx")
    np.testing.assert_array_equal(tabkd.load(tmp_path / "student.onnx").predict(X), model.predict(X))


def test_a_predictor_of_values_teaches():
    X, y = table(), signal(table())
    assert distilled(predictor(y, problem_type="regression"), DistilledRegressor).fit(X, y).score(X, y) > 0.8


@pytest.mark.parametrize(
    ("of_teacher", "of_user"),
    [
        ([0, 1], [0, 1]),
        (["no", "yes"], ["no", "yes"]),
        ([False, True], [False, True]),
        ([0, 1], [0.0, 1.0]),
        ([0, 1], [False, True]),
        (["0", "1"], [0, 1]),
        ([0, 1], ["0", "1"]),
        (["False", "True"], [False, True]),
    ],
    ids=str,
)
def test_classes_are_those_of_the_users_labels(of_teacher, of_user):
    X = table()
    y = np.array(of_user)[positive().astype(int)]
    model = distilled(predictor(np.array(of_teacher)[positive().astype(int)])).fit(X, y)
    assert model.classes_.tolist() == of_user
    assert {type(label) for label in model.classes_.tolist()} == {type(label) for label in of_user}
    assert model.score(X, y) > 0.8


@pytest.mark.parametrize(
    ("of_teacher", "of_user"), [(["0", "1", "2"], [0, 1]), (["no", "yes"], [0, 1]), (["0", "1"], [0.0, 1.0])], ids=str
)
def test_labels_in_other_words_are_not_guessed(of_teacher, of_user):
    y = np.array(of_teacher)[np.arange(N_ROWS) % len(of_teacher)]
    with pytest.raises(ValueError, match=r"y holds the classes .* which teacher TabularPredictor does not know"):
        distilled(predictor(y)).fit(table(), np.array(of_user)[np.arange(N_ROWS) % 2])


def test_a_class_without_rows_stays_a_class():
    X, y = table(), targets(table(), "multiclass")
    two = y != 5
    assert distilled(predictor(y)).fit(X[two], y[two]).classes_.tolist() == [3, 5, 7]


# Tables


@pytest.mark.parametrize("dtype", [np.float64, object])
def test_columns_of_an_array_have_the_names_that_the_predictor_was_fitted_on(dtype):
    X, y = table(), targets(table(), "binary")
    teacher = predictor(y)
    model = distilled(teacher).fit(X.to_numpy(dtype), y)
    np.testing.assert_array_equal(model.teacher_.original_features, X.columns)
    assert model.score(X.to_numpy(dtype), y) > 0.8


def test_an_array_of_other_columns_is_refused():
    X, y = table(), targets(table(), "binary")
    with pytest.raises(ValueError, match=r"(?s)fitted on 5 columns, \['amount'.* array of 4 columns.*DataFrame"):
        distilled(predictor(y)).fit(X.to_numpy()[:, :4], y)


def test_a_polars_table_is_passed_as_pandas():
    X, y = table(), targets(table(), "binary")
    assert distilled(predictor(y)).fit(pl.from_pandas(X), y).score(pl.from_pandas(X), y) > 0.8


def test_a_column_that_the_predictor_made_no_use_of_may_be_missing():
    X, y = table(), targets(table(), "binary")
    assert distilled(predictor(y)).fit(X.drop(columns="constant"), y).n_features_in_ == 4


def test_a_column_that_the_predictor_needs_is_named():
    X, y = table(), targets(table(), "binary")
    with pytest.raises(ValueError, match=r"TabularPredictor needs the columns \['visits'\], which X does not have"):
        distilled(predictor(y)).fit(X.drop(columns="visits"), y)


# Predictors that cannot teach


@pytest.mark.parametrize("wrap", [lambda teacher: teacher, FrozenEstimator], ids=["bare", "frozen"])
def test_an_unfitted_predictor_is_to_be_fitted_first(wrap):
    with pytest.raises(NotFittedError, match=r"TabularPredictor is not fitted yet.*Fit it first"):
        distilled(wrap(TabularPredictor("label"))).fit(table(), targets(table(), "binary"))


@pytest.mark.parametrize(
    ("cls", "problem_type", "message"),
    [
        (DistilledClassifier, "regression", "TabularPredictor is a regressor; use DistilledRegressor"),
        (DistilledRegressor, "binary", "TabularPredictor is a classifier; use DistilledClassifier"),
        (DistilledRegressor, "multiclass", "TabularPredictor is a classifier; use DistilledClassifier"),
        (DistilledRegressor, "quantile", "problem_type 'quantile', which no student learns; pass a regressor"),
        (DistilledClassifier, "quantile", "problem_type 'quantile', which no student learns; pass a classifier"),
    ],
)
def test_a_predictor_of_another_task_is_refused(cls, problem_type, message):
    y = targets(table(), "multiclass") if problem_type == "multiclass" else positive().astype(int)
    with pytest.raises(TypeError, match=message):
        distilled(predictor(y, problem_type=problem_type), cls).fit(table(), positive().astype(int))


def test_out_of_fold_targets_need_a_teacher_that_can_be_fitted():
    y = targets(table(), "binary")
    with pytest.raises(ValueError, match="TabularPredictor is frozen"):
        distilled(predictor(y), cv=3).fit(table(), y)


# What scikit-learn does with estimators


@pytest.mark.parametrize("wrap", [lambda teacher: teacher, FrozenEstimator], ids=["bare", "frozen"])
def test_a_clone_shares_the_predictor(wrap):
    teacher = wrap(predictor(targets(table(), "binary")))
    model = distilled(teacher, temperature=2.0)
    copy = clone(model)
    assert copy is not model
    assert copy.teacher is model.teacher is teacher
    assert copy.get_params()["temperature"] == 2.0


def test_a_search_shares_the_predictor():
    X, y = table(), targets(table(), "binary")
    teacher = predictor(y)
    search = GridSearchCV(distilled(teacher), {"student__max_leaf_nodes": [4, 8]}, cv=2, error_score="raise")
    with pytest.warns(UserWarning, match="TabularPredictor seems to have memorized"):
        search.fit(X, y)
    assert search.best_estimator_.teacher_ is teacher


def test_a_distilled_predictor_is_pickled_and_shown():
    X, y = table(), targets(table(), "binary")
    model = distilled(predictor(y)).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    for shown in (model, distilled(FrozenEstimator(model.teacher_))):
        assert "TabularPredictor" in repr(shown)
        assert len(repr(shown)) < 400
        assert "TabularPredictor" in shown._repr_html_()


def test_a_predictor_teaches_with_metadata_routing():
    X, y = table(), targets(table(), "binary")
    with config_context(enable_metadata_routing=True):
        model = distilled(predictor(y)).set_fit_request(sample_weight=True)
        assert model.fit(X, y, sample_weight=np.ones(N_ROWS)).score(X, y) > 0.8
