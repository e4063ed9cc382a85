"""Targets in any container: labels and values come out as those that went in."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.tree import DecisionTreeRegressor

from tests.distilled.quick import classifier, regressor
from tests.small_tables import targets

BOOLEANS, NUMBERS, TEXT = (False, True), (3, 7), ("no", "yes")
ONE_DIMENSIONAL = {
    "list": list,
    "tuple": tuple,
    "objects": lambda y: np.array(y, dtype=object),
    "series": pd.Series,
    "series of objects": lambda y: pd.Series(y, dtype=object),
    "nullable": lambda y: pd.Series(y).convert_dtypes(),
    "category": lambda y: pd.Series(y, dtype="category"),
    "categorical": pd.Categorical,
    "series of Arrow": lambda y: pd.Series(y).convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.Series,
    "Arrow": pa.array,
    "chunks of Arrow": lambda y: pa.chunked_array([y[:100], y[100:]]),
    "dictionary of Arrow": lambda y: pa.array(y).dictionary_encode(),
}
ONE_COLUMN = {
    "array": lambda y: np.array(y)[:, None],
    "objects": lambda y: np.array(y, dtype=object)[:, None],
    "frame": lambda y: pd.DataFrame({"label": y}),
    "frame of objects": lambda y: pd.DataFrame({"label": y}, dtype=object),
    "polars": lambda y: pl.DataFrame({"label": y}),
    "Arrow": lambda y: pa.table({"label": y}),
    "lists": lambda y: [[label] for label in y],
}


def labels_of(y, names):
    return [names[code] for code in (y == "yes").astype(int).tolist()]


def is_taken(X, y, names, given):
    """The labels are those that were given, and scores, searches and folds of them are those of the plain array."""
    plain = np.array(labels_of(y, names))
    model = classifier().fit(X, given)
    expected = classifier().fit(X, plain)
    assert model.classes_.tolist() == list(names)
    assert [type(label) for label in model.classes_.tolist()] == [type(label) for label in names]
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert model.predict(X).tolist() == expected.predict(X).tolist()
    assert model.score(X, given) == expected.score(X, plain) > 0.8
    folds = classifier(cv=2).fit(X, given).predict_proba(X)
    np.testing.assert_array_equal(folds, classifier(cv=2).fit(X, plain).predict_proba(X))


@pytest.mark.parametrize("names", [BOOLEANS, NUMBERS, TEXT], ids=str)
@pytest.mark.parametrize("container", ONE_DIMENSIONAL)
def test_labels_are_taken_from_any_series(X, y, container, names):
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataConversionWarning)
        is_taken(X, y, names, ONE_DIMENSIONAL[container](labels_of(y, names)))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("names", [BOOLEANS, NUMBERS, TEXT], ids=str)
@pytest.mark.parametrize("container", ONE_COLUMN)
def test_labels_are_taken_from_one_column(X, y, container, names):
    given = ONE_COLUMN[container](labels_of(y, names))
    is_taken(X, y, names, given)
    with pytest.warns(DataConversionWarning, match=r"y has shape \(300, 1\) and is read as \(300,\)"):
        classifier().fit(X, given)


def test_labels_keep_their_dtype(X, y):
    codes = (y == "yes").astype(int)
    for dtype in ("int8", "uint16", "float32", "bool"):
        assert classifier().fit(X, codes.astype(dtype)).classes_.dtype == dtype
        assert classifier().fit(X, pd.Series(codes.astype(dtype))).classes_.dtype == dtype


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("given", [lambda y: pd.DataFrame({"y": y}), pl.Series, lambda y: np.array(y, dtype=object)])
def test_searches_and_cross_validation_take_them(X, y, given):
    labels = given(labels_of(y, BOOLEANS))
    search = GridSearchCV(classifier(), {"student__max_depth": [2, 4]}, cv=2).fit(X, labels)
    assert search.best_estimator_.classes_.dtype == bool
    assert search.best_score_ > 0.6
    assert cross_val_score(classifier(), X, labels, cv=2).min() > 0.6


def test_weights_of_the_score_are_kept(X, y):
    model = classifier().fit(X, y)
    right = model.predict(X) == y
    assert model.score(X, y, sample_weight=right.astype(float)) == 1


REFUSED = {
    "two columns": (lambda: pd.DataFrame({"a": [0, 1] * 150, "b": 1}), r"has shape \(300, 2\); pass one column"),
    "number": (lambda: 3, r"has shape \(\); pass one column"),
    "booleans and numbers": (lambda: [True, 2, 3] * 100, "labels of type bool and int; make them all"),
    "nothing among them": (lambda: pl.Series(["a", None, "b"] * 100), r"contains None \(100 rows\); leave out"),
    "NA among them": (lambda: pd.Series([1, None, 2] * 100, dtype="Int64"), r"contains (<NA>|NaN|nan)"),
    "decimals": (lambda: [Decimal(1), Decimal(2), Decimal(1)] * 100, "labels of dtype object.*astype"),
    "periods": (lambda: pd.period_range("2020", periods=300, freq="D"), "label Period.*astype"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_labels_that_are_none_are_refused_with_a_remedy(X, kind):
    make, message = REFUSED[kind]
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, make())


# Values


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize(
    "container",
    [*ONE_DIMENSIONAL.values(), *ONE_COLUMN.values(), lambda y: [Decimal(value) for value in y]],
    ids=[*ONE_DIMENSIONAL, *(f"column of {name}" for name in ONE_COLUMN), "decimals"],
)
def test_values_are_taken_from_anything(X, container):
    values = np.round(targets(X, "regression"), 3)
    model = regressor().fit(X, container(values.tolist()))
    expected = regressor().fit(X, values)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    assert model.predict(X).shape == (300,)
    assert model.score(X, container(values.tolist())) == pytest.approx(expected.score(X, values), abs=1e-12)


@pytest.mark.parametrize("given", [lambda y: y[:, None], lambda y: pd.DataFrame({"y": y})])
def test_one_column_of_values_is_read_as_one_target_and_said(X, given):
    values = targets(X, "regression")
    with pytest.warns(DataConversionWarning, match=r"y has shape \(300, 1\)"):
        model = regressor(cv=2, student=DecisionTreeRegressor(random_state=0)).fit(X, given(values))
    assert model.predict(X).shape == (300,)


def test_several_columns_of_values_stay(X):
    values = targets(X, "multioutput")
    model = regressor().fit(X, pd.DataFrame(values, columns=[f"y{i}" for i in range(values.shape[1])]))
    np.testing.assert_array_equal(model.predict(X), regressor().fit(X, values).predict(X))


@pytest.mark.parametrize(
    "y",
    [
        pd.date_range("2026-01-01", periods=300),
        pd.date_range("2026-01-01", periods=300).date,
        pd.to_timedelta(range(300)),
    ],
    ids=["timestamps", "dates", "durations"],
)
def test_dates_and_durations_are_no_values(X, y):
    with pytest.raises(ValueError, match=r"y holds dates or durations.*convert them"):
        regressor().fit(X, y)


def test_the_classes_are_those_that_scikit_learn_would_have(X, y):
    for given in (pd.Series(y), y.tolist(), pd.Series(y).astype("category"), np.array(y == "yes")):
        expected = RandomForestClassifier(2).fit(X, given).classes_
        assert classifier().fit(X, given).classes_.tolist() == expected.tolist()
