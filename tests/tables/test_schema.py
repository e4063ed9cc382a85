"""Frames and arrays to codes and back, and the tables that are refused."""

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from tabkd._tables.schema import TableSchema
from tests.small_tables import assert_round_trip, mixed_frame

# float64 carries every whole number up to here.
WHOLE = st.integers(-(2**53), 2**53)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
FLOATS32 = st.floats(allow_nan=False, allow_infinity=False, width=32)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
WORDS = ["a", "b", "", "nan", "None", "zürich"]


def maybe(values):
    return st.one_of(st.none(), values)


PANDAS_COLUMNS = {
    "float64": (maybe(FLOATS), "float64"),
    "float32": (maybe(FLOATS32), "float32"),
    "int64": (WHOLE, "int64"),
    "int8": (st.integers(-128, 127), "int8"),
    "uint16": (st.integers(0, 2**16 - 1), "uint16"),
    "bool": (st.booleans(), "bool"),
    "Int64": (maybe(WHOLE), "Int64"),
    "UInt8": (maybe(st.integers(0, 255)), "UInt8"),
    "Float64": (maybe(FLOATS), "Float64"),
    "Float32": (maybe(FLOATS32), "Float32"),
    "boolean": (maybe(st.booleans()), "boolean"),
    "int64[pyarrow]": (maybe(WHOLE), "int64[pyarrow]"),
    "double[pyarrow]": (maybe(FLOATS), "double[pyarrow]"),
    "float[pyarrow]": (maybe(FLOATS32), "float[pyarrow]"),
    "bool[pyarrow]": (maybe(st.booleans()), "bool[pyarrow]"),
    "string[pyarrow]": (maybe(TEXT), "string[pyarrow]"),
    "large_string[pyarrow]": (maybe(TEXT), pd.ArrowDtype(__import__("pyarrow").large_string())),
    "string[python]": (maybe(TEXT), "string[python]"),
    "str": (maybe(TEXT), "str"),
    "object strings": (maybe(TEXT), object),
    "object bools": (maybe(st.booleans()), object),
    "category of strings": (maybe(st.sampled_from(WORDS)), pd.CategoricalDtype(WORDS)),
    "ordered category": (maybe(st.sampled_from(WORDS)), pd.CategoricalDtype(WORDS, ordered=True)),
    "category of ints": (maybe(st.sampled_from([7, 3])), pd.CategoricalDtype([7, 3, 5])),
    "category of floats": (maybe(st.sampled_from([0.5, 3.0])), pd.CategoricalDtype([3.0, 0.5])),
    "category of bools": (maybe(st.booleans()), pd.CategoricalDtype([True, False])),
    "category of Arrow strings": (
        maybe(st.sampled_from(["a", "b"])),
        pd.CategoricalDtype(pd.Index(["b", "a"], dtype="string[pyarrow]")),
    ),
}

POLARS_COLUMNS = {
    "Float64": (maybe(FLOATS), pl.Float64),
    "Float32": (maybe(FLOATS32), pl.Float32),
    "Int64": (maybe(WHOLE), pl.Int64),
    "Int8": (maybe(st.integers(-128, 127)), pl.Int8),
    "UInt64": (maybe(st.integers(0, 2**53)), pl.UInt64),
    "Boolean": (maybe(st.booleans()), pl.Boolean),
    "String": (maybe(TEXT), pl.String),
    "Categorical": (maybe(st.sampled_from(WORDS)), pl.Categorical),
    "Enum": (maybe(st.sampled_from(WORDS)), pl.Enum(WORDS)),
}

ARRAYS = {
    "float64": (st.one_of(st.just(np.nan), FLOATS), np.float64),
    "float32": (st.one_of(st.just(np.nan), FLOATS32), np.float32),
    "int64": (WHOLE, np.int64),
    "uint8": (st.integers(0, 255), np.uint8),
    "bool": (st.booleans(), np.bool_),
    "objects": (maybe(TEXT), object),
    "strings": (st.sampled_from(WORDS), np.str_),
}


@st.composite
def tables(draw, columns, make_column):
    """Up to five columns of the given kinds, of one to eight rows."""
    n_rows = draw(st.integers(1, 8))
    kinds = draw(st.lists(st.sampled_from(sorted(columns)), min_size=1, max_size=5))
    made = {}
    for i, kind in enumerate(kinds):
        values, dtype = columns[kind]
        made[f"{i} {kind}"] = make_column(draw(st.lists(values, min_size=n_rows, max_size=n_rows)), dtype)
    return made


def pandas_column(values, dtype):
    return pd.Series(
        pd.Categorical(values, dtype=dtype) if isinstance(dtype, pd.CategoricalDtype) else values, dtype=dtype
    )


@given(tables(PANDAS_COLUMNS, pandas_column).map(pd.DataFrame))
@settings(max_examples=150, deadline=None)
def test_pandas_tables_come_back_as_they_were(X):
    assert_round_trip(X)


@pytest.mark.parametrize("kind", sorted(PANDAS_COLUMNS))
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_pandas_columns_come_back_as_they_were(kind, data):
    values, dtype = PANDAS_COLUMNS[kind]
    assert_round_trip(pd.DataFrame({"x": pandas_column(data.draw(st.lists(values, min_size=1, max_size=9)), dtype)}))


@given(tables(POLARS_COLUMNS, lambda values, dtype: pl.Series(values, dtype=dtype)).map(pl.DataFrame))
@settings(max_examples=150, deadline=None)
def test_polars_tables_come_back_as_they_were(X):
    schema = TableSchema.of(X)
    polars.testing.assert_frame_equal(schema.decode(schema.encode(X)), X)


@pytest.mark.parametrize("kind", sorted(ARRAYS))
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_arrays_come_back_as_they_were(kind, data):
    values, dtype = ARRAYS[kind]
    n_columns = data.draw(st.integers(1, 3))
    rows = data.draw(st.lists(st.lists(values, min_size=n_columns, max_size=n_columns), min_size=1, max_size=6))
    X = np.array(rows, dtype=dtype)
    schema = TableSchema.of(X)
    back = schema.decode(schema.encode(X))
    assert back.dtype == X.dtype
    np.testing.assert_array_equal(back, X)


def test_an_object_array_of_numbers_and_strings_comes_back():
    X = np.array([[1.5, "a", True], [None, "b", False], [2.0, None, True]], dtype=object)
    schema = TableSchema.of(X)
    assert [column.kind for column in schema.columns] == ["numeric", "categorical", "numeric"]
    np.testing.assert_array_equal(schema.decode(schema.encode(X)), X)


@pytest.mark.parametrize("n", [1, 40])
def test_a_mixed_frame_comes_back(n):
    assert_round_trip(mixed_frame(n))


def test_the_index_of_a_frame_does_not_matter():
    X = mixed_frame(20)
    schema = TableSchema.of(X)
    shuffled = X.set_index(np.arange(20)[::-1] * 3)
    np.testing.assert_array_equal(schema.encode(shuffled), schema.encode(X))


def test_names_that_are_not_strings_stay():
    X = pd.DataFrame({3: [1.0, 2.0], "a": ["x", "y"], (1, 2): [True, False]})
    schema = TableSchema.of(X)
    assert schema.names == [3, "a", (1, 2)]
    assert schema.decode(schema.encode(X)).columns.tolist() == [3, "a", (1, 2)]


def test_codes_are_values_positions_and_nan():
    X = pd.DataFrame(
        {"x": [1.5, np.nan], "flag": [True, False], "c": pd.Categorical(["b", None], ["b", "a"]), "s": ["v", "u"]}
    )
    codes = TableSchema.of(X).encode(X)
    np.testing.assert_array_equal(codes, [[1.5, 1, 0, 1], [np.nan, 0, np.nan, 0]])


def test_a_schema_knows_ranges_and_missing_values():
    x, flag, c = TableSchema.of(
        pd.DataFrame({"x": [3.0, np.nan, -1.0], "flag": [True, True, False], "c": ["u", "v", None]})
    ).columns
    assert (x.low, x.high, x.has_missing, x.integer) == (-1.0, 3.0, True, False)
    assert (flag.low, flag.high, flag.integer, flag.boolean) == (0.0, 1.0, True, True)
    assert (c.categories, c.low, c.high, c.has_missing) == (("u", "v"), 0.0, 1.0, True)


# Columns in another order, missing, unexpected, repeated


@pytest.mark.parametrize("convert", [lambda X: X, pl.from_pandas], ids=["pandas", "polars"])
def test_columns_are_matched_by_name(convert):
    X = mixed_frame(20).drop(columns="grade")  # polars has no categories that are numbers
    schema = TableSchema.of(X)
    np.testing.assert_array_equal(schema.encode(convert(X[X.columns[::-1]])), schema.encode(X))


def test_missing_and_unexpected_columns_are_named():
    schema = TableSchema.of(pd.DataFrame({"amount": [1.0], "hour": [2]}))
    with pytest.raises(ValueError, match=r"(?s)unseen at fit time:\n- hours.*now missing:\n- hour\n.*in any order"):
        schema.encode(pd.DataFrame({"amount": [1.0], "hours": [2]}))


def test_an_array_of_another_width_is_refused():
    with pytest.raises(ValueError, match="X has 3 features, but this model is expecting 2 features"):
        TableSchema.of(np.zeros((4, 2))).encode(np.zeros((4, 3)))


def test_duplicate_names_are_refused():
    with pytest.raises(ValueError, match=r"Columns \['a'\] occur more than once; give every column a different name"):
        TableSchema.of(pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]))


# Tables that are not tables


@pytest.mark.parametrize("X", [np.zeros((0, 3)), pd.DataFrame({"a": []}), pl.DataFrame({"a": []})])
def test_a_table_without_rows_is_refused(X):
    with pytest.raises(ValueError, match=r"0 sample\(s\).*the table has no rows"):
        TableSchema.of(X)


@pytest.mark.parametrize("X", [np.zeros((3, 0)), pd.DataFrame(index=[0, 1])])
def test_a_table_without_columns_is_refused(X):
    with pytest.raises(ValueError, match=r"0 feature\(s\).*the table has no columns"):
        TableSchema.of(X)


@pytest.mark.parametrize("X", [np.zeros(3), np.zeros((2, 2, 2)), 1.0])
def test_an_array_that_is_not_2d_is_refused(X):
    with pytest.raises(ValueError, match=r"(?s)Expected 2D array.*reshape"):
        TableSchema.of(X)


@pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, scipy.sparse.csr_array])
def test_sparse_matrices_are_refused(make):
    with pytest.raises(TypeError, match=r"Sparse data.*X\.toarray\(\)"):
        TableSchema.of(make(np.eye(3)))


def test_complex_arrays_are_refused():
    with pytest.raises(ValueError, match=r"Complex data not supported.*real and its imaginary"):
        TableSchema.of(np.ones((2, 2), dtype=complex))
