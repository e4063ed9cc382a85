"""One row as a dict gets what a table of that row gets, values and errors alike, through a fraction of the calls."""

import datetime
import json
import sys
from collections import UserDict
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.scoring import ExportedStudent
from tabkd.students import STUDENTS
from tests.export.hard import FAST, fast_students, mixed_table, teacher

CASES = [("mixed", "labels"), ("numbers", "value"), ("array", "pairs")]
SPECIAL = [None, np.nan, np.inf, 1e39, -1e300, 10**400, 2**60 + 1, True, "", "x", "7", b"x", 1j, (1, 2), [1], [1, 2]]
SPECIAL += [
    {"a": 1},
    np.float64(2.5),
    np.float32("nan"),
    np.int64(3),
    np.bool_(True),
    np.str_("x"),
    np.array([1.0]),
    np.array(1.0),
]
SPECIAL += [np.str_("7"), np.timedelta64(3, "s"), np.datetime64("2026-01-01"), Fraction(1, 3), object(), -np.inf]
SPECIAL += [Decimal("0.1"), Decimal("nan"), pd.NA, pd.NaT, pd.Timestamp("2026-01-01"), datetime.date(2026, 1, 1)]


def table(kind):
    """Rows, a target, and a teacher of them."""
    frame, signal = mixed_table(200)
    if kind == "mixed":
        frame["always"] = pd.Categorical([7] * 200)  # no network reads it
        return frame, signal, teacher
    columns = ["amount (EUR)", "time", "count", "flag", "constant"]
    numbers = frame[columns].astype({"flag": float})
    signal = numbers["amount (EUR)"].fillna(3).to_numpy() + numbers["count"].to_numpy()
    numbers = numbers if kind == "numbers" else numbers.drop(columns="time").to_numpy(np.float32)
    return numbers, signal, lambda forest: forest(5, random_state=0)


@cache
def exported(student, kind, answers):
    """An exported student, and its rows as dicts."""
    X, signal, make_teacher = table(kind)
    if answers == "labels":
        y = np.digitize(signal, np.quantile(signal, [0.3, 0.7])) + 3
        model = DistilledClassifier(make_teacher(RandomForestClassifier), student=fast_students()[student], **FAST)
    else:
        y = signal if answers == "value" else np.column_stack([signal, signal**2])
        model = DistilledRegressor(make_teacher(RandomForestRegressor), student=fast_students()[student], **FAST)
    found = ExportedStudent(model.fit(X, y).to_onnx().SerializeToString())
    frame = pd.DataFrame(np.asarray(X, dtype=object), columns=found.feature_names_in_)
    return found, frame.to_dict("records")


def outcome(call, row):
    """What a call returns, or its error, as something to compare."""
    try:
        return call(row)
    except (TypeError, ValueError) as error:
        return type(error), str(error)


def assert_as_in_a_table(model, row):
    """Compare the outcomes for a row with those for a table of it."""
    assert outcome(model.predict_one, row) == outcome(lambda row: model.predict([row]).tolist()[0], row)
    if model.metadata["task"] == "classification":
        expected = outcome(lambda row: dict(zip(model.classes_, model.predict_proba([row])[0], strict=True)), row)
        assert outcome(model.predict_proba_one, row) == expected


@pytest.mark.parametrize(("kind", "answers"), CASES)
@pytest.mark.parametrize("student", STUDENTS)
def test_every_value_in_every_column(student, kind, answers):
    model, rows = exported(student, kind, answers)
    for name in rows[0]:
        for value in SPECIAL:
            assert_as_in_a_table(model, rows[0] | {name: value, "other": [1, 2]})
        assert_as_in_a_table(model, {key: value for key, value in rows[0].items() if key != name})


@pytest.mark.parametrize(("kind", "answers"), CASES)
@pytest.mark.parametrize("student", STUDENTS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_row(student, kind, answers, data):
    model, rows = exported(student, kind, answers)
    row = data.draw(st.sampled_from(rows))
    values = st.one_of(st.sampled_from(SPECIAL), st.floats(), st.integers(), st.text(max_size=3))
    assert_as_in_a_table(model, row | data.draw(st.dictionaries(st.sampled_from(list(row)), values)))


@pytest.mark.parametrize(("kind", "answers"), CASES)
@pytest.mark.parametrize("student", STUDENTS)
def test_rows_of_the_table_take_the_short_way(student, kind, answers):
    model, rows = exported(student, kind, answers)
    for row in rows[:50]:
        assert model._plain_feeds(row) is not None
        assert model._plain_feeds(row | {name: None for name, value in row.items() if value != "x"}) is not None


def test_answers_are_values_of_python():
    model, rows = exported("tree", "mixed", "labels")
    found = json.loads(json.dumps(model.predict_proba_one(rows[0])))
    assert list(found) == ["3", "4", "5"]
    assert sum(found.values()) == pytest.approx(1)
    assert type(model.predict_one(rows[0])) is int
    model, rows = exported("tree", "numbers", "value")
    assert type(model.predict_one(rows[0])) is float
    model, rows = exported("tree", "array", "pairs")
    assert [type(value) for value in model.predict_one(rows[0])] == [float, float]


def test_what_is_no_dict_is_refused():
    model, rows = exported("tree", "mixed", "labels")
    for row in (rows, list(rows[0].values()), pd.Series(rows[0]), pd.DataFrame(rows[:1]), "row", None):
        for call in (model.predict_one, model.predict_proba_one):
            with pytest.raises(TypeError, match=f"row is of type {type(row).__name__}, where a dict"):
                call(row)
    assert model.predict_one(UserDict(rows[0])) == model.predict_one(rows[0])


def test_columns_are_no_row():
    model, rows = exported("tree", "mixed", "labels")
    with pytest.raises(ValueError, match="Column 'amount"):
        model.predict_proba_one({name: [value] for name, value in rows[0].items()})


def test_a_regressor_has_no_probabilities_of_a_row():
    model, rows = exported("tree", "numbers", "value")
    with pytest.raises(AttributeError, match="is a regressor and has no predict_proba_one; use predict_one"):
        model.predict_proba_one(rows[0])


@pytest.mark.parametrize(("student", "varies"), [*((student, True) for student in STUDENTS), ("mlp", False)])
def test_columns_that_are_no_numbers_or_tell_nothing(student, varies):
    levels = np.array(["a", "b", "c", None], dtype=object)[np.arange(60) % 4]
    constant = pd.DataFrame({"one": np.ones(60), "x": ["x"] * 60})
    X = pd.DataFrame({"level": levels, "other": levels[::-1]}) if varies else constant
    model = DistilledClassifier(
        make_pipeline(OrdinalEncoder(), SimpleImputer(), RandomForestClassifier(5)),
        student=fast_students()[student],
        **FAST,
    ).fit(X, (levels == "a").astype(int))
    found = ExportedStudent(model.to_onnx().SerializeToString())
    assert found._graph.uses_nothing == (not varies)
    for value in ["a", "d", None, 1.0, np.inf]:
        assert_as_in_a_table(found, dict.fromkeys(X, value))
        assert_as_in_a_table(found, X.iloc[0].to_dict() | {X.columns[1]: value})


def test_threads_share_a_student():
    model, rows = exported("mlp", "mixed", "labels")
    expected = [model.predict_proba_one(row) for row in rows]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(model.predict_proba_one, rows * 5)) == expected * 5


def test_a_row_takes_a_fraction_of_the_calls_of_a_table_of_it():
    """Calls, not seconds: beside other work these vary more than the two ways differ."""
    model, rows = exported("mlp", "mixed", "labels")
    for row in rows:
        assert n_calls(model.predict_proba_one, row) < n_calls(model.predict_proba, [row]) / 3


def n_calls(function, argument):
    """How many functions, of Python or C, a second call of `function` calls."""
    function(argument)
    events = []
    sys.setprofile(lambda _frame, event, _arg: events.append(event))
    try:
        function(argument)
    finally:
        sys.setprofile(None)
    return events.count("call") + events.count("c_call")
