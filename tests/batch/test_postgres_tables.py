"""Tables of PostgreSQL that scores are added to: what they hold in the end are all rows of the job, or none."""

import datetime as dt
import threading
import time
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

import tabkd
from tabkd._cli import app
from tabkd.batch._job import score_dataset
from tabkd.batch._stopping import StoppedError

# What the model gives, as a table holds it.
SCORES = 'prediction boolean, "probability_False" double precision, "probability_True" double precision'


@pytest.fixture
def rows(frame, tmp_path):
    """A file of 2,000 rows."""
    frame = frame[:2000].assign(name=frame["shop"].fillna("none"))
    frame.to_parquet(tmp_path / "rows.parquet")
    return str(tmp_path / "rows.parquet")


@pytest.fixture
def table(sql):
    """Make a table anew."""

    def make(columns, kind="TABLE", name="target"):
        sql.execute("DROP TABLE IF EXISTS target CASCADE")
        sql.execute(f"CREATE {kind} {name} ({columns})")

    return make


def count(sql, table="target"):
    sql.execute(f"SELECT count(*) FROM {table}")
    return sql.fetchone()[0]


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ('id bigint, prediction boolean, "probability_False" float8, "probability_True" bigint', "bigint.*double"),
        (f"id timestamp, {SCORES}", "timestamp without time zone.*int64.*bigint"),
        (f"id money, {SCORES}", "money.*int64.*bigint"),
        (f"id text, {SCORES}", "is text.*int64"),
        (SCORES.replace("boolean", "integer") + ", id bigint", "integer.*bool.*boolean"),
        (SCORES, "no column 'id', for values of type int64"),
        (f"id bigint, day date NOT NULL, {SCORES}", "'day' of 'target' is NOT NULL"),
        (f"id bigint GENERATED ALWAYS AS IDENTITY, {SCORES}", "PostgreSQL itself computes the column 'id'"),
        (f"id bigint, {SCORES.replace('boolean', 'boolean GENERATED ALWAYS AS (id > 1) STORED')}", "itself computes"),
    ],
)
def test_columns_that_would_not_hold_the_scores_are_refused_before_the_first_row(
    server, sql, table, path, frame, tmp_path, columns, match
):
    table(columns)
    bad = frame.assign(amount=np.inf)  # in every row
    bad.to_parquet(tmp_path / "bad.parquet")
    arguments = ["score", path, tmp_path / "bad.parquet", "--output", server, "--table", "target", "--append"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--keep", "id"])
    assert result.exit_code == 1
    with pytest.raises(ValueError, match=match):
        score_dataset(path, [str(tmp_path / "bad.parquet")], server, table="target", append=True, keep=["id"])
    assert "--append: " in result.stderr
    assert count(sql) == 0


def test_text_is_not_put_into_bytes(server, sql, table, path, rows):
    table(f"name bytea, {SCORES}")
    with pytest.raises(ValueError, match=r"'name' of 'target' is bytea, .*string .* column of type text"):
        score_dataset(path, [rows], server, table="target", append=True, keep=["name"])


def test_a_value_beyond_its_column_is_named_and_nothing_is_added(server, sql, table, path, rows):
    table(f"id smallint, {SCORES}")
    score_dataset(path, [rows], server, table="target", append=True, keep=["id"])
    assert count(sql) == 2000
    pd.read_parquet(rows).assign(id=lambda X: X["id"].where(X["id"] < 1999, 40_000)).to_parquet(rows)
    with pytest.raises(ValueError, match=r"'id' of the table 'target' is smallint, .* hold '40000' of type"):
        score_dataset(path, [rows], server, table="target", append=True, keep=["id"], batch_size=100)
    assert count(sql) == 2000


def test_columns_that_have_a_default_or_may_be_null_need_no_values(server, sql, table, path, rows):
    table(f"number serial, loaded date NOT NULL DEFAULT '2026-01-01', note text, {SCORES}, id integer NOT NULL")
    score_dataset(path, [rows], server, table="target", append=True, keep=["id"])
    sql.execute("SELECT min(number), max(id), min(loaded)::text, count(note) FROM target")
    assert sql.fetchone() == (1, 1999, "2026-01-01", 0)


@pytest.mark.parametrize("append", [False, True])
def test_kept_values_of_every_type_come_back(server, sql, path, frame, tmp_path, append):
    n = 1000
    moments = [dt.datetime(2026, 1, 1) + dt.timedelta(microseconds=1_000_001 * i) for i in range(n)]
    kept = {
        "big": pa.array([2**53 + i for i in range(n)]),
        "unsigned": pa.array([2**64 - 1 - i for i in range(n)], pa.uint64()),
        "price": pa.array([Decimal(i) / 100 for i in range(n)], pa.decimal128(9, 2)),
        "single": pa.array(np.arange(n) / 8, pa.float32()),
        "day": pa.array([moment.date() for moment in moments]),
        "at": pa.array(moments, pa.timestamp("us")),
        "at_utc": pa.array(moments, pa.timestamp("us", "UTC")),
        "clock": pa.array([moment.time() for moment in moments], pa.time64("us")),
        "shade": pa.array([None if i % 3 == 0 else "rg"[i % 2] for i in range(n)]).dictionary_encode(),
        "raw": pa.array([bytes([i % 256, 0]) for i in range(n)]),
        "flags": pa.array([[True, None][: i % 3] for i in range(n)], pa.list_(pa.bool_())),
        "nothing": pa.nulls(n),
    }
    table = pa.Table.from_pandas(frame[:n], preserve_index=False)
    for name, values in kept.items():
        table = table.append_column(name, values)
    with pa.ipc.new_file(str(tmp_path / "in.arrow"), table.schema) as file:
        file.write_table(table)
    options = {"table": "kept", "keep": ["id", *kept], "batch_size": 300}
    sql.execute("DROP TABLE IF EXISTS kept")
    for _ in range(1 + append):
        score_dataset(path, [str(tmp_path / "in.arrow")], server, **options, append=append)
    sql.execute("SELECT DISTINCT ON (id) *, unsigned::text AS u, price::text AS p FROM kept ORDER BY id")
    found = sql.fetch_arrow_table()
    for name, values in kept.items():
        if name not in ("unsigned", "price"):
            assert found.column(name).to_pylist() == values.to_pylist(), name
    assert found.column("u").to_pylist() == [str(2**64 - 1 - i) for i in range(n)]
    assert list(map(Decimal, found.column("p").to_pylist())) == kept["price"].to_pylist()
    assert count(sql, "kept") == n * (1 + append)


def test_what_postgresql_has_no_column_for_is_refused_before_the_first_row(server, path, frame, tmp_path):
    table = pa.Table.from_pandas(frame[:10].assign(amount=np.inf), preserve_index=False)
    pa.parquet.write_table(table.append_column("pair", pa.array([{"a": 1}] * 10)), tmp_path / "in.parquet")
    with pytest.raises(ValueError, match=r"keep='pair' is struct<a: int64>, for which tabkd makes no column"):
        score_dataset(path, [str(tmp_path / "in.parquet")], server, table="pairs", keep=["pair"])


# Rows


LEAVES_OUT = """
CREATE OR REPLACE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.id % 2 = 0 THEN RETURN NULL; END IF; RETURN NEW; END $$
"""
REMOVES = """
CREATE OR REPLACE FUNCTION remove() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN DELETE FROM target WHERE id = 7; RETURN NULL; END $$
"""


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_trigger_that_leaves_rows_out_fails_the_job(server, sql, table, path, rows, partitioned):
    table(f"id bigint, {SCORES}" + (") PARTITION BY RANGE (id" if partitioned else ""))
    if partitioned:
        sql.execute("CREATE TABLE target_0 PARTITION OF target FOR VALUES FROM (0) TO (900)")
        sql.execute("CREATE TABLE target_1 PARTITION OF target DEFAULT")
    score_dataset(path, [rows], server, table="target", append=True, keep=["id"])
    assert count(sql) == 2000
    sql.execute(LEAVES_OUT)
    sql.execute("CREATE TRIGGER leaves BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION leave_out()")
    with pytest.raises(
        ValueError, match=r"2,000 rows were copied into the table 'target', but it has 1,000 more: a trig"
    ):
        score_dataset(path, [rows], server, table="target", append=True, keep=["id"], batch_size=300)
    assert count(sql) == 2000


def test_a_trigger_that_removes_rows_fails_the_job(server, sql, table, path, rows):
    table(f"id bigint, {SCORES}")
    sql.execute(REMOVES)
    sql.execute("CREATE TRIGGER removes AFTER INSERT ON target FOR EACH STATEMENT EXECUTE FUNCTION remove()")
    with pytest.raises(ValueError, match=r"2,000 rows were copied into the table 'target', but it has 1,999 more"):
        score_dataset(path, [rows], server, table="target", append=True, keep=["id"])
    assert count(sql) == 0


def test_a_rule_keeps_no_row_away(server, sql, table, path, rows):
    table(f"id bigint, {SCORES}")
    sql.execute("CREATE RULE nothing AS ON INSERT TO target DO INSTEAD NOTHING")
    assert score_dataset(path, [rows], server, table="target", append=True, keep=["id"]).written == 2000
    assert count(sql) == 2000


def test_a_view_and_a_temporary_table_are_refused(server, sql, table, path, rows):
    table(f"id bigint, {SCORES}")
    sql.execute("CREATE VIEW seen AS SELECT * FROM target")
    with pytest.raises(ValueError, match="'seen' is a view"):
        score_dataset(path, [rows], server, table="seen", append=True, keep=["id"])
    for address, name in ((server, "pg_temp.gone"), (f"{server}?options=-csearch_path%3Dpg_temp", "gone")):
        for append in (False, True):
            with pytest.raises(ValueError, match=f"table='{name}' would be a temporary table, gone"):
                score_dataset(path, [rows], address, table=name, append=append)


def test_a_job_that_waits_for_a_locked_table_stops_when_asked(server, sql, table, path, rows):
    table(f"id bigint, {SCORES}")
    asked = threading.Event()
    threading.Timer(0.5, asked.set).start()
    start = time.monotonic()
    import adbc_driver_postgresql.dbapi as driver

    with driver.connect(server) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE target IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoppedError, match="stopped during waiting for the table 'target'"):
            score_dataset(path, [rows], server, table="target", append=True, keep=["id"], stop=asked.is_set)
    assert time.monotonic() - start < 10
    assert tabkd.load(path).predict(pd.read_parquet(rows)[["amount", "shop", "paid"]]).shape == (2000,)


def test_ids_of_a_csv_go_into_a_table_of_integers_or_are_refused(server, sql, path, frame, tmp_path):
    sql.execute("DROP TABLE IF EXISTS of_a_csv")
    sql.execute(f"CREATE TABLE of_a_csv (id bigint PRIMARY KEY, {SCORES})")
    frame.head(50).to_csv(tmp_path / "rows.csv", index=False)
    score_dataset(path, [str(tmp_path / "rows.csv")], server, table="of_a_csv", append=True, keep=["id"])
    frame.head(60).tail(10).assign(id=[f"{i:04d}" for i in range(10)]).to_csv(tmp_path / "codes.csv", index=False)
    with pytest.raises(ValueError, match="'id' of the table 'of_a_csv' is bigint, which does not hold '0000'"):
        score_dataset(path, [str(tmp_path / "codes.csv")], server, table="of_a_csv", append=True, keep=["id"])
    sql.execute("SELECT id FROM of_a_csv ORDER BY id")
    assert [row[0] for row in sql.fetchall()] == list(range(50))


def test_every_night_has_its_rejects(server, sql, table, path, frame, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table(f"id bigint, {SCORES}")
    options = {"table": "target", "append": True, "keep": ["id"], "resume": True, "max_rejects": 1}
    for night in range(3):
        rows = frame[:50].astype({"amount": str})
        rows.loc[night, "amount"] = "1 EUR"
        rows.to_parquet(f"{night}.parquet")
        done = score_dataset(path, [f"{night}.parquet"], server, rejects="rejects.csv", **options)
        assert (done.written, done.rejected) == (49, 1)
        assert pd.read_csv("rejects.csv")["row"].tolist() == [night]
        assert count(sql) == 49 * (night + 1)
    (folder,) = tmp_path.glob(".*.tabkd")
    assert sorted(file.name for file in folder.iterdir()) == ["lock", "transaction.json"]
