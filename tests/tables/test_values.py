"""Values of columns without pandas: the same kinds, numbers and categories as in a frame of pandas."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabkd._tables.column import Column
from tabkd._tables.levels import Dictionary, Levels
from tabkd._tables.series import encode_column, learn_column
from tabkd._tables.values import as_numbers, is_missing, kind_of

MISSING = st.sampled_from([None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, Decimal("nan")])
KINDS = {
    "numeric": [st.integers(-(2**70), 2**70) | st.floats(), st.booleans(), st.decimals(allow_nan=False)],
    "categorical": [st.text(max_size=3)],
}


def objects(values):
    return np.fromiter(values, object, len(values))


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(data=st.data())
def test_missing_values_may_stand_among_values_of_any_kind(kind, data):
    values = data.draw(st.sampled_from(KINDS[kind]))
    column = [data.draw(values), *data.draw(st.lists(values | MISSING, max_size=6))]
    assert kind_of(objects(column), "x") == kind
    if kind == "numeric":
        found = as_numbers(objects(column), "x")
        expected = [np.nan if is_missing(value) else float(value) for value in column]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("values", "error", "remedy"),
    [
        ([1, "a"], ValueError, "astype"),
        ([True, 1], ValueError, "astype"),
        ([Decimal(1), 1.5], ValueError, "astype"),
        ([b"a"], TypeError, "a string or a number"),
        ([datetime.date(2026, 1, 1), None], ValueError, "dayofweek"),
        ([datetime.timedelta(1)], ValueError, "total_seconds"),
        ([datetime.time(1)], ValueError, "its hour"),
        ([pd.Period("2026-01", "M")], ValueError, "dayofweek"),
    ],
)
def test_values_of_no_kind_are_named_with_a_remedy(values, error, remedy):
    with pytest.raises(error, match=rf"(?s)Column 'x' has dtype object.*{remedy}"):
        kind_of(objects(values), "x")


@pytest.mark.parametrize("values", [np.array(["2026-01-01"], "M8[ns]"), np.array([1j]), np.array([b"a"])])
def test_arrays_of_no_kind_are_refused(values):
    with pytest.raises((ValueError, TypeError), match="Column 'x' has dtype"):
        kind_of(values, "x")


NUMBERS = Column("level", "categorical", object, categories=(0.5, 3.0, 1.0))
WORDS = Column("shop", "categorical", object, categories=("3", "a", "True"))


@pytest.mark.parametrize(
    ("column", "values", "places"),
    [
        (NUMBERS, [3, 0.5, True, np.int8(1), 9, None, pd.NA, float("nan")], [1, 0, 2, 2, 3, 4, 4, 4]),
        (NUMBERS, ["3", " 0.5 ", "1e0", "+3.", "1_0", "nan", "x", 1], [1, 0, 2, 1, 3, 3, 3, 2]),
        (NUMBERS, [Decimal(3), Decimal("0.5"), Decimal("0.1"), [1], 2**60], [1, 0, 3, 3, 3]),
        (WORDS, ["a", "b", "None", "nan", "<NA>", None, ""], [1, 3, 4, 4, 4, 4, 3]),
        (WORDS, [3, True, 4, "a", None, [1]], [0, 2, 3, 1, 4, 3]),
        (WORDS, [], []),
    ],
)
def test_values_are_found_among_the_categories_whatever_their_type(column, values, places):
    levels = Levels(column)
    assert levels(values).tolist() == places
    assert levels(objects(values)).tolist() == places
    assert levels(Dictionary(values, np.arange(len(values)))).tolist() == places
    codes = encode_column(pd.Series(values, dtype=object), column)
    np.testing.assert_array_equal(np.where(np.isnan(codes), len(column.categories) + 1, codes), places)


def test_a_dictionary_is_looked_up_once_and_missing_where_its_code_is_negative():
    categories = pd.Index(["a", "x"])
    levels = Levels(WORDS)
    assert levels(Dictionary(categories, np.array([1, -1, 0]))).tolist() == [3, 4, 1]
    assert levels(Dictionary(categories, np.array([0, 0]))).tolist() == [1, 1]
    assert levels(Dictionary(["3", None], np.array([0, 1, -1]))).tolist() == [0, 4, 4]


def test_only_values_of_another_type_are_refused():
    assert Levels(WORDS)(["x", "y"]).tolist() == [3, 3]
    for column, values in ((WORDS, [7.5, None]), (NUMBERS, [None, "x"])):
        with pytest.raises(ValueError, match=r"had categories such as .* Give it the same type as at fit"):
            Levels(column)(values)


def test_learnt_columns_know_booleans_among_objects():
    frame = pd.DataFrame({"x": pd.Series([True, None, np.nan], dtype=object), "y": pd.Series([1, 0, 1], dtype=object)})
    assert [learn_column(frame, i).boolean for i in (0, 1)] == [True, False]
