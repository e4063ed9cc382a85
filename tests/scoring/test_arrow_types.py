"""However Arrow, polars or pandas store the values of a column, they are scored as the plain column is."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

import tabkd
from tabkd import DistilledClassifier
from tabkd._cli.table_codes import TableCodes
from tabkd.batch._job import score_dataset

SHOPS, AMOUNTS = ["a", "b", None, "a", "c", "", None, "b"] * 40, [1, 2, None, 4, 2, 0, 7, None] * 40
PAID = [True, False, None, True, False, False, None, True] * 40
FRAME = pd.DataFrame(
    {
        "shop": pd.Series(SHOPS, dtype=object),
        "amount": pd.Series(AMOUNTS, dtype=float),
        "paid": pd.array(PAID, dtype="boolean"),
        "grade": pd.Categorical([1, 2, 3, None] * 80),
    }
)
INDEX_TYPES = [pa.int8(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
TEXTS = [pa.string(), pa.large_string(), pa.string_view()]
NUMBERS = [pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal32(5, 1),
           pa.decimal64(12, 2), pa.decimal128(20, 0), pa.decimal256(50, 3)]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model that each of the columns moves, whatever the others are."""
    y = (FRAME["shop"] == "a") ^ (FRAME["amount"].fillna(3) > 2) ^ FRAME["paid"].fillna(False).astype(bool)
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(20, random_state=0))
    model = DistilledClassifier(teacher, n_synthetic=2000, random_state=0).fit(FRAME, y)
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    model.to_onnx(path)
    return path


@pytest.fixture(scope="module")
def exported(model):
    return tabkd.load(model)


@pytest.fixture(scope="module")
def plain():
    return pa.table(
        {
            "shop": pa.array(SHOPS),
            "amount": pa.array(AMOUNTS, pa.float64()),
            "paid": pa.array(PAID),
            "grade": pa.array([1, 2, 3, None] * 80),
        }
    )


@pytest.fixture(scope="module")
def expected(exported):
    return exported.predict_proba(FRAME)


def dictionary(values, kind, index_type, null_among_values):
    """A dictionary as other writers make it: a value twice, one that no row has, and null where it is wanted."""
    distinct = list(dict.fromkeys(v for v in values if v is not None))
    stored = [*distinct, distinct[0], *([None] if null_among_values else [])]
    places = [None if v is None else distinct.index(v) for v in values]
    places[0] = len(distinct) if values[0] == distinct[0] else places[0]
    if null_among_values:
        places = [len(stored) - 1 if i % 2 and place is None else place for i, place in enumerate(places)]
    return pa.DictionaryArray.from_arrays(pa.array(places, index_type), pa.array(stored, kind))


def nested(values):
    inner = pa.array(sorted({v for v in values if v is not None})).dictionary_encode()
    places = [None if v is None else inner.to_pylist().index(v) for v in values]
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.uint8()), inner)


def replaced(table, name, column):
    return table.set_column(table.schema.names.index(name), name, column)


def in_file(table, model, tmp_path, suffix):
    if suffix == ".arrow":
        with pa.ipc.new_file(str(tmp_path / "in.arrow"), table.schema) as writer:
            writer.write_table(table, 100)
    else:
        pa.parquet.write_table(table, tmp_path / "in.parquet", row_group_size=130)
    score_dataset(model, [tmp_path / f"in{suffix}"], tmp_path / "o.parquet", batch_size=90)
    found = pa.parquet.read_table(tmp_path / "o.parquet")
    return np.column_stack([found["probability_False"], found["probability_True"]])


def test_each_column_moves_the_scores(exported, plain, expected):
    for name in plain.schema.names:
        other = replaced(plain, name, pa.nulls(len(plain), plain[name].type))
        assert np.abs(exported.predict_proba(other) - expected).max() > 0.01, name


@pytest.mark.parametrize("null_among_values", [False, True])
@pytest.mark.parametrize("index_type", INDEX_TYPES, ids=str)
def test_dictionaries_of_every_kind(model, exported, plain, expected, tmp_path, index_type, null_among_values):
    for name, values, kinds in (("shop", SHOPS, TEXTS), ("amount", AMOUNTS, NUMBERS), ("paid", PAID, [pa.bool_()]),
                                ("grade", plain["grade"].to_pylist(), [pa.int64(), pa.float64()])):  # fmt: skip
        for kind in kinds:
            column = dictionary(values, kind, index_type, null_among_values)
            for X in (
                replaced(plain, name, column),
                replaced(plain, name, pa.chunked_array([column[:7], column[7:]])),
                replaced(plain, name, column).combine_chunks().to_batches()[0],
            ):
                np.testing.assert_allclose(exported.predict_proba(X), expected, atol=1e-7, err_msg=f"{name} {kind}")
            if kind in (pa.string(), pa.string_view(), pa.int64(), pa.bool_(), pa.decimal128(20, 0)):
                found = in_file(replaced(plain, name, column), model, tmp_path, ".arrow")
                np.testing.assert_allclose(found, expected, atol=1e-7, err_msg=f"{name} {kind}")


@pytest.mark.parametrize("suffix", [".arrow", ".parquet"])
def test_plain_columns_of_every_type(model, exported, plain, expected, tmp_path, suffix):
    columns = [("shop", plain["shop"].cast(kind)) for kind in (*TEXTS, pa.binary(), pa.binary_view())]
    columns += [("amount", plain["amount"].cast(kind)) for kind in NUMBERS]
    columns += [("amount", plain["amount"].cast(pa.int64()).cast(kind)) for kind in TEXTS]
    columns += [("paid", plain["paid"].cast(kind)) for kind in (pa.int8(), pa.float64(), *TEXTS)]
    for name, column in columns:
        X = replaced(plain, name, column)
        is_number = name == "shop" or not pc.any(pc.is_valid(column)).as_py() or column.type in NUMBERS
        if is_number and not pa.types.is_binary(column.type) and column.type != pa.binary_view():
            np.testing.assert_allclose(exported.predict_proba(X), expected, atol=1e-7, err_msg=str(column.type))
        if suffix == ".arrow" or column.type not in (pa.decimal256(50, 3),):
            found = in_file(X, model, tmp_path, suffix)
            np.testing.assert_allclose(found, expected, atol=1e-7, err_msg=f"{name} {column.type}")


def test_run_ends_and_dictionaries_of_dictionaries(model, exported, plain, expected, tmp_path):
    for name in ("shop", "amount", "paid", "grade"):
        values = plain[name].combine_chunks()
        columns = [pc.run_end_encode(values)] + ([] if name == "paid" else [nested(values.to_pylist())])
        for column in columns:
            X = replaced(plain, name, column)
            np.testing.assert_allclose(exported.predict_proba(X), expected, atol=1e-7)
            np.testing.assert_allclose(exported.predict_proba(X.slice(3, 50)), expected[3:53], atol=1e-7)
        found = in_file(replaced(plain, name, columns[0]), model, tmp_path, ".arrow")
        np.testing.assert_allclose(found, expected, atol=1e-7)


OTHERS = [pa.null(), pa.string(), pa.float64(), pa.int32(), pa.bool_(), pa.date32(), pa.timestamp("us", "UTC"),
          pa.time64("us"), pa.duration("s"), pa.binary(), pa.list_(pa.int64()), pa.struct([("a", pa.int8())]),
          pa.decimal128(9, 2), pa.dictionary(pa.uint8(), pa.string())]  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS, ids=str)
def test_a_column_without_a_value_is_missing_whatever_its_type(model, exported, plain, tmp_path, kind):
    for name in plain.schema.names:
        missing = exported.predict_proba(replaced(plain, name, pa.nulls(len(plain), plain[name].type)))
        X = replaced(plain, name, pa.nulls(len(plain), kind))
        np.testing.assert_array_equal(exported.predict_proba(X), missing, err_msg=name)
        for suffix in (".arrow", ".parquet"):
            np.testing.assert_array_equal(in_file(X, model, tmp_path, suffix), missing, err_msg=name)


def test_numbers_beyond_the_whole_numbers_of_floats(exported, plain):
    for value, kind in ((2**63 - 1, pa.int64()), (2**64 - 1, pa.uint64()), (Decimal(10**37 + 1), pa.decimal128(38, 0))):
        X = replaced(plain, "amount", pa.array([value] * len(plain), kind))
        same = replaced(plain, "amount", pa.array([float(value)] * len(plain)))
        np.testing.assert_array_equal(exported.predict_proba(X), exported.predict_proba(same))


def test_frames_of_polars(exported, plain, expected):
    frame = pl.from_arrow(plain)
    levels = ["a", "b", "c", "", "more"]
    for change in (
        {"shop": pl.Categorical},
        {"shop": pl.Enum(levels)},
        {"shop": pl.Enum([*levels, *map(str, range(300))])},
        {"amount": pl.Int8, "grade": pl.UInt8},
        {"amount": pl.Decimal(10, 2)},
        {"paid": pl.Boolean},
        {},
    ):
        np.testing.assert_allclose(exported.predict_proba(frame.cast(change)), expected, atol=1e-7, err_msg=str(change))
    objects = frame.with_columns(shop=pl.Series(SHOPS, dtype=pl.Object))  # which Arrow has no type for
    np.testing.assert_allclose(exported.predict_proba(objects), expected, atol=1e-7)
    nothing = frame.with_columns(shop=None, amount=None)
    same = exported.predict_proba(FRAME.assign(shop=None, amount=np.nan))
    np.testing.assert_allclose(exported.predict_proba(nothing), same, atol=1e-7)


def test_frames_of_pandas_with_columns_of_arrow(exported, plain, expected):
    kinds = {
        "shop": [*TEXTS, *(pa.dictionary(index, pa.string()) for index in (pa.int8(), pa.uint8(), pa.uint64()))],
        "amount": [pa.int64(), pa.float64(), pa.decimal128(20, 2), pa.null()],
        "paid": [pa.bool_()],
        "grade": [pa.int64()],
    }
    for name, some in kinds.items():
        for kind in some:
            if pa.types.is_dictionary(kind):
                column = dictionary(SHOPS, pa.string(), kind.index_type, False)
            else:
                column = pa.nulls(len(plain)) if pa.types.is_null(kind) else plain[name].cast(kind)
            array = pd.arrays.ArrowExtensionArray(column)
            same = exported.predict_proba(FRAME.assign(amount=np.nan)) if pa.types.is_null(kind) else expected
            X = FRAME.assign(**{name: array})
            np.testing.assert_allclose(exported.predict_proba(X), same, atol=1e-7, err_msg=f"{name} {kind}")
    arrow = plain.to_pandas(types_mapper=pd.ArrowDtype)
    np.testing.assert_allclose(exported.predict_proba(arrow), expected, atol=1e-7)


def test_an_enum_of_duckdb(model, expected, tmp_path, plain):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.sql("CREATE TYPE shop AS ENUM ('c', 'b', 'a', '', 'other')")
        connection.sql("CREATE TABLE t AS SELECT shop::shop AS shop, amount, paid, grade FROM plain")
    score_dataset(model, [tmp_path / "t.duckdb"], tmp_path / "o.parquet", query="SELECT * FROM t", keep=["shop"])
    found = pa.parquet.read_table(tmp_path / "o.parquet")
    np.testing.assert_allclose(found["probability_True"], expected[:, 1], atol=1e-7)
    assert found["shop"].to_pylist() == SHOPS


@pytest.mark.parametrize("suffix", [".arrow", ".parquet"])
@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (pa.float64(), 1.5, "1.5"),
        (pa.bool_(), True, "True"),
        (pa.date32(), datetime.date(2026, 10, 24), "2026-10-24"),
        (pa.list_(pa.int64()), [1], r"\[1\]"),
    ],
)
def test_a_value_of_another_type_for_text_is_named(model, plain, tmp_path, suffix, kind, value, shown):
    values = [None] * 200 + [value] + [None] * (len(plain) - 201)
    X = replaced(plain, "shop", pa.array(values, kind))
    with pytest.raises(ValueError, match=rf"'shop' of '.*in{suffix}' is .*row 200 has '{shown}'.*Store the column as"):
        in_file(X, model, tmp_path, suffix)
    assert not (tmp_path / "o.parquet").exists()
