"""Every type of PostgreSQL and of DuckDB: what is kept is what the database shows, and what is scored its value."""

import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline

import tabkd
from tabkd import DistilledRegressor
from tabkd._cli.table_codes import TableCodes
from tabkd.batch._job import score_dataset
from tabkd.batch._rejects import TooManyRejectsError

# For each type a value, and what is kept of it; None for the value's own text.
POSTGRES = {
    "bool": ("true", True),
    "int2": ("-3", -3),
    "int4": ("2147483647", 2147483647),
    "int8": ("9007199254740993", 9007199254740993),
    "float4": ("1.5", 1.5),
    "float8": ("0.1", 0.1),
    "numeric": ("12.50", None),
    "numeric(60,30)": ("12345678901234567890.123456789012345678901234567890", None),
    "money": ("-1234.50", None),
    "text": ("é ", None),
    "varchar": ("é ", None),
    "varchar(3)": ("a ", None),
    "char(5)": ("ab", None),
    '"char"': ("a", None),
    "name": ("ab", None),
    "bytea": (r"\x610062", b"a\0b"),
    "date": ("2026-01-02", dt.date(2026, 1, 2)),
    "time": ("12:34:56.5", dt.time(12, 34, 56, 500_000)),
    "timetz": ("12:34:56+02", None),
    "timestamp": ("2026-01-02 03:04:05.5", dt.datetime(2026, 1, 2, 3, 4, 5, 500_000)),
    "timestamptz": ("2026-01-02 03:04:05+02", dt.datetime(2026, 1, 2, 1, 4, 5, tzinfo=dt.UTC)),
    "interval": ("1 mon 2 days 03:04:05", None),
    "uuid": ("11111111-2222-3333-4444-555555555555", None),
    "inet": ("10.0.0.1/8", None),
    "cidr": ("10.0.0.0/8", None),
    "macaddr": ("08:00:2b:01:02:03", None),
    "macaddr8": ("08:00:2b:01:02:03:04:05", None),
    "bit(4)": ("1010", None),
    "varbit": ("101", None),
    "xml": ("<a/>", None),
    "json": ('{"a":1}', None),
    "jsonb": ('{"a": 1}', None),
    "jsonpath": ('$."a"', None),
    "hstore": ('"a"=>"1"', None),
    "citext": ("aB", None),
    "mood": ("ok", None),
    "few": ("3", 3),
    "shop_name": ("ab", None),
    "cost": ("7.25", None),
    "pair": ("(1,x)", None),
    "int4[]": ("{1,NULL,3}", None),
    "int4[][]": ("{{1,2},{3,4}}", None),
    "money[]": ("{$1.50}", None),
    "int4range": ("[1,5)", None),
    "int4multirange": ("{[1,5)}", None),
    "point": ("(1,2)", None),
    "polygon": ("((1,2),(3,4))", None),
    "tsvector": ("'a' 'b'", None),
    "oid": ("4294967295", None),
    "xid8": ("5", None),
    "tid": ("(0,1)", None),
    "regclass": ("pg_class", None),
    "regproc": ("now", None),
    "regrole": ("tabkd", None),
    "pg_lsn": ("16/B374D848", None),
    "int2vector": ("1 2", None),
    "aclitem": ("tabkd=r/tabkd", None),
    "text_of_ours.text": ("odd", None),
}
SETUP = """
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, b text); CREATE DOMAIN few AS int CHECK (VALUE < 9); CREATE DOMAIN shop_name AS char(5);
CREATE DOMAIN dear AS money; CREATE DOMAIN cost AS dear CHECK (VALUE < 99::money); CREATE SCHEMA text_of_ours;
CREATE TYPE text_of_ours.text AS ENUM ('odd')
"""
DUCKDB = {
    "BOOLEAN": ("true", True),
    "TINYINT": ("-3", -3),
    "UTINYINT": ("255", 255),
    "BIGINT": ("9007199254740993", 9007199254740993),
    "UBIGINT": ("18446744073709551615", 18446744073709551615),
    "HUGEINT": ("170141183460469231731687303715884105727", None),
    "UHUGEINT": ("340282366920938463463374607431768211455", None),
    "BIGNUM": ("123456789012345678901234567890123456789012345", None),
    "FLOAT": ("1.5", 1.5),
    "DOUBLE": ("0.1", 0.1),
    "DECIMAL(10, 2)": ("12.50", "12.50"),
    "VARCHAR": ("é ", None),
    "mood": ("ok", None),
    "BLOB": ("a\\x00", b"a\0"),
    "BIT": ("101", None),
    "DATE": ("2026-01-02", dt.date(2026, 1, 2)),
    "TIME": ("12:34:56.5", dt.time(12, 34, 56, 500_000)),
    "TIMETZ": ("12:34:56+02", None),
    "TIMESTAMP": ("2026-01-02 03:04:05.5", dt.datetime(2026, 1, 2, 3, 4, 5, 500_000)),
    "TIMESTAMP_S": ("2026-01-02 03:04:05", dt.datetime(2026, 1, 2, 3, 4, 5)),
    "TIMESTAMP_NS": ("2026-01-02 03:04:05.123456789", pd.Timestamp("2026-01-02 03:04:05.123456789")),
    "TIMESTAMPTZ": ("2026-01-02 03:04:05+02", dt.datetime(2026, 1, 2, 1, 4, 5, tzinfo=dt.UTC)),
    "INTERVAL": ("1 month", None),
    "UUID": ("11111111-2222-3333-4444-555555555555", None),
    "JSON": ('{"a":1}', None),
    "INTEGER[]": ("[1, 2, NULL]", [1, 2, None]),
    "mood[]": ("[ok]", None),
    "HUGEINT[]": ("[1]", None),
    "DATE[]": ("[2026-01-02]", None),
    "STRUCT(a INTEGER, b VARCHAR)": ("{'a': 1, 'b': x}", {"a": 1, "b": "x"}),
    "MAP(VARCHAR, INTEGER)": ("{a=1}", [("a", 1)]),
}
FEATURES = "0.5::float8 AS amount, 'a' AS shop, true AS paid"


@pytest.fixture(scope="module")
def types(server):
    import adbc_driver_postgresql.dbapi as driver

    with driver.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE types")
    address = server.replace("/postgres", "/types")
    with driver.connect(address, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in SETUP.split(";"):
            cursor.execute(statement)
    return address


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("duckdb") / "types.duckdb")
    with duckdb.connect(path) as database:
        database.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
    return path


def test_values_of_postgresql_are_kept_as_they_are(types, path, tmp_path):
    literals = {kind: value.replace("'", "''") for kind, (value, _) in POSTGRES.items()}
    columns = [f"'{literal}'::{kind} AS x{i}" for i, (kind, literal) in enumerate(literals.items())]
    nothing = [f"NULL::{kind}" for kind in literals]
    query = f"SELECT {', '.join(columns)}, {FEATURES} UNION ALL SELECT {', '.join(nothing)}, 1, 'a', true"
    names = [f"x{i}" for i in range(len(POSTGRES))]
    score_dataset(path, [types], str(tmp_path / "out.parquet"), query=query, keep=names)
    found = pa.parquet.read_table(tmp_path / "out.parquet")
    for name, (kind, (value, expected)) in zip(names, POSTGRES.items(), strict=True):
        assert found.column(name).to_pylist() == [value if expected is None else expected, None], kind


def test_values_of_duckdb_are_kept_as_they_are(stored, path, tmp_path):
    literals = {kind: "'" + value.replace("'", "''") + f"'::{kind}" for kind, (value, _) in DUCKDB.items()}
    others = {"UNION": ("union_value(a := 1)", "1"), "GEOMETRY": ("'POINT(1 2)'::GEOMETRY", "POINT (1 2)")}
    columns = [*literals.values(), *(value for value, _ in others.values())]
    names = [f"x{i}" for i in range(len(columns))]
    shown = ", ".join(f"{value} AS {name}" for value, name in zip(columns, names, strict=True))
    nothing = ", ".join("NULL" for _ in names)
    query = f"SELECT {shown}, {FEATURES} UNION ALL SELECT {nothing}, 1, 'a', true"
    score_dataset(path, [stored], str(tmp_path / "out.parquet"), query=query, keep=names)
    found = pa.parquet.read_table(tmp_path / "out.parquet")
    for name, (kind, (value, expected)) in zip(names, [*DUCKDB.items(), *others.items()], strict=True):
        value, expected = (expected, None) if kind in others else (value, expected)
        values = found.column(name).cast(pa.string()) if kind.startswith("DECIMAL") else found.column(name)
        assert values.to_pylist() == [value if expected is None else expected, None], kind


@pytest.fixture(scope="module")
def telling(tmp_path_factory):
    """A model whose prediction tells which amount and which shop it was given."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"amount": rng.uniform(0, 2000, 3000), "shop": rng.choice(["a", "b", None], 3000)})
    X["paid"] = rng.random(3000) > 0.5
    y = X["amount"] + 5000 * (X["shop"] == "a") + 20_000 * X["paid"]
    teacher = make_pipeline(TableCodes(), RandomForestRegressor(5, random_state=0))
    path = tmp_path_factory.mktemp("telling") / "model.onnx"
    DistilledRegressor(teacher, student="tree", n_synthetic=500, random_state=0).fit(X, y).to_onnx(path)
    given = {"amount": [12.5, 1250], "shop": "a", "paid": True}
    few, many = tabkd.load(path).predict(pd.DataFrame(given))
    assert few < 25_500 < 25_900 < many
    assert tabkd.load(path).predict(pd.DataFrame(given | {"shop": "a    "}))[0] < 24_000
    return path


@pytest.mark.parametrize(
    "amount",
    ["12.5::money", "12.5::numeric", "12.5::numeric(9, 4)", "12.5::cost", "'12.5'::text", "12.5::float4", "12.5::real"],
)
def test_a_number_of_postgresql_is_scored_by_its_value(types, telling, tmp_path, amount):
    query = f"SELECT {amount} AS amount, 'a' AS shop, true AS paid"
    score_dataset(telling, [types], str(tmp_path / "out.parquet"), query=query)
    expected = tabkd.load(telling).predict(pd.DataFrame({"amount": [12.5], "shop": ["a"], "paid": [True]}))
    assert pd.read_parquet(tmp_path / "out.parquet")["prediction"].tolist() == expected.tolist()


@pytest.mark.parametrize("amount", ["12.5::decimal(9, 4)", "12::hugeint", "12::uhugeint", "12::bignum", "12::ubigint"])
def test_a_number_of_duckdb_is_scored_by_its_value(stored, telling, tmp_path, amount):
    query = f"SELECT {amount} AS amount, 'a' AS shop, true AS paid"
    score_dataset(telling, [stored], str(tmp_path / "out.parquet"), query=query)
    frame = pd.DataFrame({"amount": [float(amount.partition(":")[0])], "shop": ["a"], "paid": [True]})
    expected = tabkd.load(telling).predict(frame)
    assert pd.read_parquet(tmp_path / "out.parquet")["prediction"].tolist() == expected.tolist()


def test_a_large_number_keeps_its_sign_and_size(types, telling, tmp_path):
    query = (
        "SELECT x AS amount, x::text AS id, 'a' AS shop, true AS paid FROM unnest('{1e300,-1e300,NaN}'::numeric[]) x"
    )
    score_dataset(telling, [types], str(tmp_path / "out.parquet"), query=query)
    frame = pd.DataFrame({"amount": [1e300, -1e300, float("nan")], "shop": "a", "paid": True})
    expected = tabkd.load(telling).predict(frame)
    assert pd.read_parquet(tmp_path / "out.parquet")["prediction"].tolist() == expected.tolist()


def test_infinite_numerics_are_refused_as_numbers(types, path, tmp_path):
    query = "SELECT 'Infinity'::numeric AS amount, 'a' AS shop, true AS paid"
    with pytest.raises(TooManyRejectsError, match="column 'amount' is 'inf': infinite"):
        score_dataset(path, [types], str(tmp_path / "out.parquet"), query=query)


@pytest.mark.parametrize(
    "shop", ["'a'::char(5)", "'a'::bpchar", "'a'::shop_name", "'a'::name", "'a'::citext", "'a'::\"char\""]
)
def test_a_category_of_postgresql_is_compared_as_postgresql_compares_it(types, telling, tmp_path, shop):
    query = f"SELECT 0.5::float8 AS amount, {shop} AS shop, true AS paid"
    score_dataset(telling, [types], str(tmp_path / "out.parquet"), query=query)
    expected = tabkd.load(telling).predict(pd.DataFrame({"amount": [0.5], "shop": ["a"], "paid": [True]}))
    assert pd.read_parquet(tmp_path / "out.parquet")["prediction"].tolist() == expected.tolist()


def test_truth_values_in_text_and_columns_without_values_are_read(types, stored, telling, tmp_path):
    frame = pd.DataFrame({"amount": [0.5, 0.5], "shop": [None, None], "paid": [True, False]})
    expected = tabkd.load(telling).predict(frame)
    for source in (types, stored):
        query = "SELECT 0.5 AS amount, NULL AS shop, x AS paid FROM (VALUES ('true'), ('false')) AS given(x)"
        score_dataset(telling, [source], str(tmp_path / "out.parquet"), query=query)
        assert pd.read_parquet(tmp_path / "out.parquet")["prediction"].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("'infinity'::timestamp", "infinity"),
        ("'-infinity'::timestamp", "-infinity"),
        ("'infinity'::timestamptz", "infinity"),
        ("'-infinity'::date", "-infinity"),
        ("'infinity'::date", "infinity"),
        ("'200000-01-01'::date", "beyond the year 32,767"),
        ("'200000-01-01'::timestamp", "beyond the year 32,767"),
        ("'24:00:00'::time", "24:00:00"),
    ],
)
def test_moments_that_no_file_can_hold_are_refused_by_name(types, stored, path, tmp_path, value, shown):
    for source in (types, stored):
        if source is stored and shown == "24:00:00":
            continue
        kind = value.partition("::")[2]
        good = "'01:02:03'" if kind == "time" else "'2026-01-02'"
        query = f"SELECT {good}::{kind} AS until, {FEATURES} UNION ALL SELECT NULL, 1, 'a', true"
        query += f" UNION ALL SELECT {value}, 1, 'a', true"
        options = {"query": query, "keep": ["until"]}
        message = (
            rf"row 2: column 'until' is '{shown}': no file can hold it; select it as text, .* until::text AS until"
        )
        with pytest.raises(TooManyRejectsError, match=message):
            score_dataset(path, [source], str(tmp_path / "out.csv"), **options)
        rejects = str(tmp_path / "rejects.csv")
        done = score_dataset(path, [source], str(tmp_path / "out.csv"), **options, rejects=rejects, max_rejects=1)
        assert (done.written, done.rejected) == (2, 1)
        text = {"query": f"SELECT {value}::text AS until, {FEATURES}", "keep": ["until"]}
        assert score_dataset(path, [source], str(tmp_path / "out.csv"), **text).written == 1


def test_far_moments_that_files_hold_are_kept(types, path, tmp_path):
    query = f"SELECT '4713-01-01 BC'::date AS x, {FEATURES} UNION ALL SELECT '9999-12-31', 1, 'a', true"
    score_dataset(path, [types], str(tmp_path / "out.csv"), query=query, keep=["x"])
    assert [line.split(",")[0] for line in (tmp_path / "out.csv").read_text().splitlines()[1:]] == [
        "-4712-01-01",
        "9999-12-31",
    ]
