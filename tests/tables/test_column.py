"""Columns: those that cannot be read, changed types, unseen and missing values, and degenerate ones."""

import datetime
import decimal
import warnings

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pytest

from tabkd._tables.schema import TableSchema
from tests.small_tables import assert_round_trip, mixed_frame

UNREADABLE = {
    "datetime": (pd.Series(pd.to_datetime(["2024-01-01", None])), ValueError, "convert it to a number"),
    "datetime with zone": (
        pd.Series(pd.to_datetime(["2024-01-01"]).tz_localize("UTC")),
        ValueError,
        "convert it to a number",
    ),
    "Arrow timestamp": (
        pd.Series(pd.to_datetime(["2024-01-01"])).astype("timestamp[ns][pyarrow]"),
        ValueError,
        "convert it to a number",
    ),
    "period": (pd.Series(pd.period_range("2024-01", periods=1, freq="M")), ValueError, "convert it to a number"),
    "object dates": (pd.Series([datetime.date(2024, 1, 1)]), ValueError, "convert it to a number"),
    "timedelta": (pd.Series(pd.to_timedelta([1], unit="s")), ValueError, r"dt\.total_seconds\(\)"),
    "numbers and strings": (pd.Series([1, "a"], dtype=object), ValueError, r"types? int, str.*astype\(str\)"),
    "bools and strings": (pd.Series([True, "a"], dtype=object), ValueError, r"astype\(str\)"),
    "lists": (pd.Series([[1], [2]]), TypeError, r"list.*argument must be a string or a number"),
    "bytes": (pd.Series([b"a"]), TypeError, r"bytes.*argument must be a string or a number"),
    "complex": (pd.Series([1 + 2j]), ValueError, "real and its imaginary"),
    "sparse": (pd.Series(pd.arrays.SparseArray([0.0, 1.0])), TypeError, r"sparse.*sparse\.to_dense\(\)"),
}


@pytest.mark.parametrize("kind", sorted(UNREADABLE))
def test_unreadable_columns_are_named_with_their_remedy(kind):
    series, error, remedy = UNREADABLE[kind]
    with pytest.raises(error, match=rf"(?s)Column 'when'.*{remedy}"):
        TableSchema.of(pd.DataFrame({"fine": np.ones(len(series)), "when": series}))


@pytest.mark.parametrize(
    "series",
    [
        pl.Series([datetime.date(2024, 1, 1)]),
        pl.Series([datetime.datetime(2024, 1, 1)]),
        pl.Series([datetime.timedelta(1)]),
        pl.Series([datetime.time(1)]),
        pl.Series([[1, 2]]),
        pl.Series([{"a": 1}]),
        pl.Series([b"a"]),
    ],
    ids=lambda series: str(series.dtype),
)
def test_unreadable_polars_columns_are_named(series):
    with pytest.raises((ValueError, TypeError), match="Column 'when'"):
        TableSchema.of(pl.DataFrame({"when": series}))


def test_decimals_are_numbers():
    X = pd.DataFrame({"price": [decimal.Decimal("1.5"), decimal.Decimal(2)]})
    np.testing.assert_array_equal(TableSchema.of(X).encode(X), [[1.5], [2.0]])


@pytest.mark.parametrize("dtype", ["float64", "float32", "Float64", "double[pyarrow]", object])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_values_are_named_with_their_row(dtype, value):
    X = pd.DataFrame({"fine": [1.0, 2.0, 3.0], "ratio": pd.Series([1.0, 2.0, value], dtype=dtype)})
    with pytest.raises(ValueError, match=rf"Column 'ratio' contains infinity.*row 2: {value}.*NaN for a missing"):
        TableSchema.of(X).encode(X)


def test_infinite_values_at_prediction_are_named_in_a_mixed_table():
    X = mixed_frame(10)
    schema = TableSchema.of(X)
    X.loc[4, "amount"] = np.inf
    with pytest.raises(ValueError, match=r"Column 'amount' contains infinity.*row 4"):
        schema.encode(X)


def test_whole_numbers_beyond_floats_are_infinite():
    X = pd.DataFrame({"x": pd.Series([1, None, -(10**400)], dtype=object)})
    with pytest.raises(ValueError, match=r"Column 'x' contains infinity.*row 2: -inf"):
        TableSchema.of(pd.DataFrame({"x": [1.0]})).encode(X)


def test_large_finite_values_pass():
    X = np.full((5, 2), 1.7e308)
    np.testing.assert_array_equal(TableSchema.of(X).encode(X), X)


# Columns whose type changed after fit


@pytest.mark.parametrize("dtype", ["str", object, "category", "string[pyarrow]"])
def test_strings_where_numbers_were(dtype):
    schema = TableSchema.of(pd.DataFrame({"x": [1.0, 2.0], "amount": [1.0, 2.0]}))
    given = pd.DataFrame({"x": [1.0, 2.0], "amount": pd.Series(["12", "1.5"], dtype=dtype)})
    with pytest.raises(ValueError, match=r"Column 'amount' was numeric at fit, but has dtype .* now.*'12'.*to_numeric"):
        schema.encode(given)


@pytest.mark.parametrize("dtype", ["str", object, "category", "string[pyarrow]"])
def test_numbers_where_strings_were(dtype):
    schema = TableSchema.of(pd.DataFrame({"code": pd.Series(["a", "b"], dtype=dtype)}))
    with pytest.raises(ValueError, match=r"Column 'code' had categories such as 'a' at fit, but holds 12.*same type"):
        schema.encode(pd.DataFrame({"code": [12, 13]}))


@pytest.mark.parametrize(
    ("fitted", "given"),
    [
        (pd.Series([1, 2]), pd.Series([2.0, 1.0])),
        (pd.Series([1, 2]), pd.Series([2, 1], dtype="Int64")),
        (pd.Series([1.0, 2.0]), pd.Series([2, 1], dtype=object)),
        (pd.Series([True, False]), pd.Series([False, True], dtype="boolean")),
        (pd.Series(["a", "b"], dtype=object), pd.Series(["b", "a"], dtype="category")),
        (pd.Series(["a", "b"], dtype="category"), pd.Series(["b", "a"], dtype="string[pyarrow]")),
        (pd.Series(pd.Categorical(["a", "b"], ["a", "b"])), pd.Series(pd.Categorical(["b", "a"], ["b", "a", "z"]))),
        (pd.Series([1, 2], dtype="category"), pd.Series([2.0, 1.0])),
        (pd.Series([1, 2], dtype="category"), pd.Series([2, 1], dtype="Int64")),
    ],
)
def test_another_dtype_with_the_same_values_has_the_same_codes(fitted, given):
    schema = TableSchema.of(pd.DataFrame({"x": fitted}))
    expected = schema.encode(pd.DataFrame({"x": fitted}))[::-1]
    np.testing.assert_array_equal(schema.encode(pd.DataFrame({"x": given})), expected)


def test_an_all_missing_column_of_any_dtype_fits_a_numeric_one():
    schema = TableSchema.of(pd.DataFrame({"x": [1.0, 2.0]}))
    series = [pd.Series([None], dtype=dtype) for dtype in (object, "Int64", "str", "string[pyarrow]", "datetime64[s]")]
    for values in (*series, pd.Series([np.nan])):
        assert np.isnan(schema.encode(pd.DataFrame({"x": values}))).all()


# Unseen categories and missing values


@pytest.mark.parametrize("dtype", ["str", object, "category", "string[pyarrow]"])
def test_unseen_categories_are_the_number_of_categories(dtype):
    schema = TableSchema.of(pd.DataFrame({"c": pd.Series(["a", "b", None], dtype=dtype)}))
    given = pd.DataFrame({"c": pd.Series(["z", "b", None, "A"], dtype=dtype)})
    np.testing.assert_array_equal(schema.encode(given)[:, 0], [2, 1, np.nan, 2])


def test_unseen_numbers_of_a_category_are_the_number_of_categories():
    schema = TableSchema.of(pd.DataFrame({"c": pd.Series([3, 1], dtype="category")}))
    given = pd.DataFrame({"c": pd.Series([1, 9, None], dtype="Int64")})
    np.testing.assert_array_equal(schema.encode(given)[:, 0], [0, 2, np.nan])


def test_a_table_of_unseen_categories_only_is_read():
    schema = TableSchema.of(pd.DataFrame({"c": ["a", "b"]}))
    np.testing.assert_array_equal(schema.encode(pd.DataFrame({"c": ["x", "y"]}))[:, 0], [2, 2])


def test_every_spelling_of_missing_is_missing():
    schema = TableSchema.of(pd.DataFrame({"c": ["a", None]}))
    given = pd.DataFrame(
        {"c": pd.Series(["a", None, np.nan, pd.NA, float("nan"), "nan", "None", "<NA>"], dtype=object)}
    )
    np.testing.assert_array_equal(schema.encode(given)[:, 0], [0] + [np.nan] * 7)


def test_a_category_that_spells_missing_is_a_category():
    X = pd.DataFrame({"c": pd.Series(["nan", "None", "<NA>", "b", None], dtype=object)})
    schema = TableSchema.of(X)
    assert schema.columns[0].missing_spellings == ["<missing>"]
    codes = schema.encode(X)[:, 0]
    assert np.isnan(codes).tolist() == [False] * 4 + [True]
    assert len(set(codes[:4])) == 4


def test_categories_that_read_the_same_are_refused():
    X = pd.DataFrame({"c": pd.Categorical([1, "1"], categories=[1, "1"])})
    with pytest.raises(ValueError, match=r"Column 'c' has categories that read the same.*Use strings, or numbers"):
        TableSchema.of(X)


def test_unseen_categories_come_back_as_missing_values():
    X = pd.DataFrame({"c": pd.Categorical(["a", "b"]), "s": pd.Series(["u", "v"], dtype=object)})
    for container in (X, pl.from_pandas(X)):
        schema = TableSchema.of(container)
        back = schema.decode(np.array([[1.0, 0.0], [2.0, 2.0]]))
        assert [back["c"][0], back["s"][0]] == ["b", "u"]
        assert pd.isna(back["c"][1])
        assert back["s"][1] is None


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
def test_missing_values_that_a_dtype_cannot_hold_come_back_as_floats(dtype):
    values = np.array([[1.0], [np.nan]])
    for X in (pd.DataFrame({"x": np.array([0, 1], dtype)}), np.array([[0], [1]], dtype)):
        back = TableSchema.of(X).decode(values)
        np.testing.assert_array_equal(back, values)
        assert np.asarray(back).dtype == np.float64


# Degenerate columns


ALL_MISSING = [
    pd.Series([np.nan] * 3),
    pd.Series([None] * 3, dtype=object),
    pd.Series([pd.NA] * 3, dtype="Int64"),
    pd.Series([pd.NA] * 3, dtype="boolean"),
    pd.Series([None] * 3, dtype="str"),
    pd.Series([None] * 3, dtype="string[pyarrow]"),
    pd.Series(pd.Categorical([None] * 3)),
    pd.Series(pd.Categorical([None] * 3, categories=["a"])),
]


@pytest.mark.parametrize("series", ALL_MISSING, ids=lambda series: str(series.dtype))
def test_all_missing_columns_come_back(series):
    X = pd.DataFrame({"x": series})
    schema = TableSchema.of(X)
    assert np.isnan(schema.encode(X)).all()
    assert_round_trip(X)


@pytest.mark.parametrize("dtype", [pl.Null, pl.Float64, pl.Int8, pl.Boolean, pl.String, pl.Categorical])
def test_all_missing_polars_columns_come_back(dtype):
    X = pl.DataFrame({"x": pl.Series([None, None], dtype=dtype)})
    schema = TableSchema.of(X)
    polars.testing.assert_frame_equal(schema.decode(schema.encode(X)), X)


def test_constant_columns_come_back():
    assert_round_trip(pd.DataFrame({"x": [7] * 3, "c": ["a"] * 3, "flag": [True] * 3, "nothing": [0.0] * 3}))


def test_epoch_seconds_lose_nothing():
    X = pd.DataFrame({"time": 1_700_000_000 + np.arange(1000) * 0.001})
    np.testing.assert_array_equal(TableSchema.of(X).encode(X)[:, 0], X["time"])
    assert_round_trip(X)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "Int64", "UInt64", "int64[pyarrow]", "uint64[pyarrow]"])
def test_the_largest_integers_come_back_without_a_warning(dtype):
    low, high = (0, 2**64 - 1) if "uint" in dtype.lower() else (-(2**63), 2**63 - 1)
    X = pd.DataFrame({"x": pd.Series([low, 0, high], dtype=dtype)})
    schema = TableSchema.of(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = schema.decode(schema.encode(X))
    assert back["x"].dtype == X["x"].dtype
    assert int(back["x"].iloc[0]) == low
    assert int(back["x"].iloc[2]) == pytest.approx(high, rel=1e-12)


@pytest.mark.parametrize("dtype", [pl.Int64, pl.UInt64])
def test_the_largest_polars_integers_come_back(dtype):
    low, high = (0, 2**64 - 1) if dtype == pl.UInt64 else (-(2**63), 2**63 - 1)
    X = pl.DataFrame({"x": pl.Series([low, 0, high, None], dtype=dtype)})
    schema = TableSchema.of(X)
    back = schema.decode(schema.encode(X))["x"]
    assert back.dtype == dtype
    assert back[0] == low
    assert back[2] == pytest.approx(high, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_the_largest_integers_of_an_array_come_back_without_a_warning(dtype):
    info = np.iinfo(dtype)
    X = np.array([[info.min], [0], [info.max]], dtype=dtype)
    schema = TableSchema.of(X)
    back = schema.decode(schema.encode(X))
    assert back.dtype == dtype
    assert back[:2].tolist() == X[:2].tolist()
    assert float(back[2, 0]) == pytest.approx(float(info.max), rel=1e-12)


@pytest.mark.parametrize("sign", [None, np.nan, pd.NA], ids=str)
@pytest.mark.parametrize("values", [["a", "b"], [True, False], [1.5, 2.0]], ids=str)
def test_missing_objects_are_written_as_the_user_wrote_them(values, sign):
    """An encoder of the teacher may tell None from NaN."""
    X = pd.DataFrame({"x": pd.Series([*values, sign], dtype=object)})
    schema = TableSchema.of(X)
    back = schema.decode(schema.encode(X))
    assert back["x"].dtype == object
    assert back["x"].tolist()[:2] == values
    assert type(back["x"].iloc[2]) is type(sign)
