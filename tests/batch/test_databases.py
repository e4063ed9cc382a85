"""Rows from databases and to them: a real PostgreSQL server on loopback, and DuckDB files."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

import tabkd
from tabkd._cli import app
from tabkd.batch._found_files import find_files
from tabkd.batch._job import StoppedError, score_dataset
from tabkd.batch._rejects import TooManyRejectsError
from tabkd.batch._workplace import BusyError

N_ROWS = 20_000


@contextlib.contextmanager
def cursor(server):
    import adbc_driver_postgresql.dbapi as driver

    with driver.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": np.arange(N_ROWS), "amount": rng.normal(size=N_ROWS).round(6)})
    return frame.assign(shop=rng.choice(["a", "é", None], N_ROWS))


@pytest.fixture(scope="module")
def expected(frame, path):
    return tabkd.load(path).predict_proba(frame[["amount", "shop"]])[:, 1]


@pytest.fixture(scope="module")
def rows(server, frame):
    """A table of the server, with columns of types that Arrow has no name for."""
    with cursor(server) as sql:
        sql.adbc_ingest("rows", pa.table(frame))
        sql.execute("ALTER TABLE rows ADD price numeric(12, 6), ADD uid uuid, ADD note jsonb, ADD seen timestamptz")
        sql.execute(
            "UPDATE rows SET price = amount::numeric, uid = md5(id::text)::uuid, note = '{}', seen = '2026-01-01Z'"
        )
    return "rows"


@pytest.mark.parametrize("batch_size", [700, 65_536])
def test_rows_of_a_query_and_scores_into_a_table(server, rows, path, frame, expected, batch_size):
    options = {"query": "SELECT * FROM rows ORDER BY id;", "keep": ["id", "uid", "note", "seen"]}
    options |= {"column_map": {"amount": "price"}, "batch_size": batch_size, "table": f"scores{batch_size}"}
    counts = score_dataset(tabkd.load(path), [server], server, **options)
    assert (counts.read, counts.written) == (N_ROWS, N_ROWS)
    with cursor(server) as sql:
        sql.execute(f"SELECT * FROM scores{batch_size} ORDER BY id")
        found = sql.fetch_arrow_table().to_pandas()
    assert found.columns.tolist()[:5] == ["id", "uid", "note", "seen", "prediction"]
    np.testing.assert_array_equal(found["id"], frame["id"])
    np.testing.assert_array_equal(found["probability_True"], expected)
    assert found["uid"].str.len().eq(36).all()
    with pytest.raises(ValueError, match="already exists"):
        score_dataset(tabkd.load(path), [server], server, **options)
    score_dataset(tabkd.load(path), [server], server, **options, append=True)
    with cursor(server) as sql:
        sql.execute(f"SELECT count(*) FROM scores{batch_size}")
        assert sql.fetchone() == (2 * N_ROWS,)


def test_a_table_of_another_schema_and_an_awkward_name(server, path, frame, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    with cursor(server) as sql:
        sql.execute('CREATE SCHEMA "Risk"')
    for append in (False, True):
        score_dataset(tabkd.load(path), [str(tmp_path / "in.parquet")], server, table='Risk.a "b"', append=append)
    with pytest.raises(ValueError, match="already exists"):
        score_dataset(tabkd.load(path), [str(tmp_path / "in.parquet")], server, table='Risk.a "b"')
    with cursor(server) as sql:
        sql.execute('SELECT count(*) FROM "Risk"."a ""b"""')
        assert sql.fetchone() == (2 * N_ROWS,)


def test_columns_of_one_name_are_refused(server, path, tmp_path):
    with pytest.raises(ValueError, match="query has more than one column named 'x'"):
        score_dataset(tabkd.load(path), [server], str(tmp_path / "out.csv"), query="SELECT 1 AS x, 2 AS x")


def test_a_failed_job_leaves_no_table(server, path, frame, tmp_path):
    frame.assign(amount=frame["amount"].where(frame["id"] < N_ROWS - 1, np.inf)).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(TooManyRejectsError):
        score_dataset(tabkd.load(path), [str(tmp_path / "in.parquet")], server, table="failed", batch_size=500)
    with cursor(server) as sql:
        sql.execute("SELECT to_regclass('failed') IS NULL")
        assert sql.fetchone() == (True,)


def test_a_killed_job_leaves_no_table_and_holds_none_up(server, path, frame, tmp_path):
    pd.concat([frame] * 20).to_parquet(tmp_path / "in.parquet")
    program = "from tabkd._cli import app; app()"
    arguments = ["score", path, tmp_path / "in.parquet", "--output", server, "--table", "killed", "--batch-size", "100"]
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)])
    with cursor(server) as sql:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            sql.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            if sql.fetchone()[0]:
                break
            time.sleep(0.02)
        else:
            pytest.fail("the job never began to write")
        with pytest.raises(BusyError, match="another job is writing the table 'killed'"):
            score_dataset(tabkd.load(path), [str(tmp_path / "in.parquet")], server, table="killed")
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        sql.execute("SELECT to_regclass('killed') IS NULL")
        assert sql.fetchone() == (True,)
    deadline = time.monotonic() + 30
    while True:  # until the server has noticed
        with contextlib.suppress(BusyError):
            assert score_dataset(tabkd.load(path), [str(tmp_path / "in.parquet")], server, table="killed").written
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)


# A job of many parts that ends with the process: before its transaction is committed, after, or at any moment.
_RESUMED = """
import os, sys
import adbc_driver_postgresql.dbapi, onnxruntime
from tabkd.batch import _parts as parts
from tabkd.batch import _postgres_table as postgres_table
from tabkd.batch._job import score_dataset

path, source, server, table, moment = sys.argv[1:]
parts._PART_ROWS = 2000
leave = postgres_table.PostgresTable.__exit__
note = postgres_table.CommitNote.write

def noted(*arguments):
    note(*arguments)
    os._exit(9)

def left(self, *error):
    leave(self, *error)
    os._exit(9)

if moment == "before":
    postgres_table.CommitNote.write = noted
if moment == "after":
    postgres_table.PostgresTable.__exit__ = left
print("begun", flush=True)
done = score_dataset(path, [source], server, table=table, keep=["id"], batch_size=500, resume=True, append=True)
print(done.written, *done.warnings)
"""


def begun(folder, *arguments):
    command = [sys.executable, "-c", _RESUMED, *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def resumed(folder, *arguments):
    """The exit code of such a job, and what it said."""
    process = begun(folder, *arguments)
    said, error = process.communicate()
    return process.returncode, said.removeprefix("begun\n") + error


def ids_of(server, table):
    with cursor(server) as sql:
        sql.execute(f"SELECT id FROM {table} ORDER BY id")
        return [row[0] for row in sql.fetchall()]


@pytest.mark.parametrize(("moment", "is_there"), [("before", False), ("after", True)])
def test_rows_are_appended_once_wherever_the_commit_was_cut_off(server, path, frame, tmp_path, moment, is_there):
    frame.to_parquet(tmp_path / "in.parquet")
    table = f"cut_off_{moment}"
    given = (path, tmp_path / "in.parquet", server, table)
    assert resumed(tmp_path, *given, moment) == (9, "")
    with cursor(server) as sql:
        sql.execute(f"SELECT to_regclass('{table}') IS NOT NULL")
        assert sql.fetchone() == (is_there,)
    (folder,) = tmp_path.glob(f".{table}-*.tabkd")
    for already in (is_there, True):
        told = " the rows were in the table already" if already else "\n"
        code, said = resumed(tmp_path, *given, "never")
        assert (code, said.startswith(f"{N_ROWS}{told}")) == (0, True), said
        assert ids_of(server, table) == [*range(N_ROWS)]
        assert {file.name for file in folder.iterdir()} == {"lock", "transaction.json"}


def test_a_job_into_a_table_that_is_killed_at_any_moment_goes_on(server, path, frame, tmp_path):
    many = pd.concat([frame] * 5).assign(id=np.arange(5 * N_ROWS))
    many.to_parquet(tmp_path / "in.parquet")
    rng = np.random.default_rng(0)
    kills = 0
    for _ in range(40):
        process = begun(tmp_path, path, tmp_path / "in.parquet", server, "hunted", "never")
        process.stdout.readline()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.1, 0.4 + kills / 4))
        if process.poll() is None:
            process.kill()
            kills += 1
        error = process.communicate()[1]
        if process.returncode == 0:
            break
        # Until the server has noticed that the one before is gone.
        assert process.returncode == -signal.SIGKILL or "BusyError" in error, error
    assert process.returncode == 0
    assert kills >= 2
    assert ids_of(server, "hunted") == [*range(5 * N_ROWS)]


@pytest.mark.parametrize("gone", ["DROP TABLE vanished", "DROP TABLE vanished; CREATE TABLE vanished (id bigint)"])
def test_a_table_that_is_gone_after_its_rows_were_committed_is_told(server, path, frame, tmp_path, gone):
    frame.to_parquet(tmp_path / "in.parquet")
    given = (path, tmp_path / "in.parquet", server, "vanished")
    with cursor(server) as sql:
        sql.execute("DROP TABLE IF EXISTS vanished")
        assert resumed(tmp_path, *given, "after") == (9, "")
        for statement in gone.split(";"):
            sql.execute(statement)
    code, said = resumed(tmp_path, *given, "never")
    assert code == 1
    assert "the transaction of the table 'vanished' was committed, but the table is gone" in said
    (folder,) = tmp_path.glob(".vanished-*.tabkd")
    assert folder.name in said
    for damaged in ("1x", "{}", '{"transaction": 99999999999999999999, "table": 1, "job": ""}'):
        (folder / "transaction.json").write_text(damaged)
        assert f"{folder.name}/transaction.json' is damaged" in resumed(tmp_path, *given, "never")[1]


def test_a_job_that_was_finished_is_not_in_the_way_of_the_next(server, path, frame, tmp_path):
    for day in range(3):
        frame[:1000].assign(id=np.arange(1000) + 1000 * day).to_parquet(tmp_path / f"{day}.parquet")
    assert resumed(tmp_path, path, tmp_path / "0.parquet", server, "nightly", "after") == (9, "")
    assert resumed(tmp_path, path, tmp_path / "1.parquet", server, "nightly", "after") == (9, "")
    assert resumed(tmp_path, path, tmp_path / "2.parquet", server, "nightly", "never") == (0, "1000\n")
    assert ids_of(server, "nightly") == [*range(3000)]


def test_a_job_without_resume_removes_what_one_with_it_left(server, path, frame, tmp_path, monkeypatch):
    frame.to_parquet(tmp_path / "in.parquet")
    assert resumed(tmp_path, path, tmp_path / "in.parquet", server, "anew", "before") == (9, "")
    monkeypatch.chdir(tmp_path)
    assert list(tmp_path.glob(".anew*"))
    score_dataset(path, [str(tmp_path / "in.parquet")], server.replace("postgresql:", "postgres:"), table="anew")
    assert not list(tmp_path.glob(".anew*"))


def test_the_table_is_looked_for_where_rows_are_copied_to(server, path, frame, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    with cursor(server) as sql:
        sql.execute("CREATE SCHEMA first")
        sql.execute("CREATE TABLE elsewhere (id bigint)")
    address = f"{server}?options=-csearch_path%3Dfirst,public"
    score_dataset(path, [str(tmp_path / "in.parquet")], address, table="elsewhere", keep=["id"])
    assert ids_of(server, "first.elsewhere") == [*range(N_ROWS)]
    assert ids_of(server, "public.elsewhere") == []
    for name in ("x.", ".x", "."):
        with pytest.raises(ValueError, match="has an empty name"):
            score_dataset(path, [str(tmp_path / "in.parquet")], address, table=name)


def test_the_password_is_told_to_nobody(server, rows, path, tmp_path):
    secret = urlsplit(server).password
    arguments = ["score", path, server, "--query", "SELECT * FROM rows", "--output", tmp_path / "out.parquet"]
    arguments += ["--log", "json", "--summary", tmp_path / "s.json", "--rejects", tmp_path / "r.csv"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.stderr
    wrong = [*arguments[:4], "SELECT * FROM nothing", *arguments[5:]]
    refused = CliRunner().invoke(app, list(map(str, wrong)))
    assert refused.exit_code == 1
    assert 'relation "nothing" does not exist' in json.loads(refused.stderr)["error"]
    gone = list(map(str, arguments))
    gone[2] = server.replace("127.0.0.1", "127.0.0.2")
    unreachable = CliRunner().invoke(app, gone)
    assert unreachable.exit_code == 1
    told = result.output + result.stderr + refused.stderr + unreachable.stderr + (tmp_path / "s.json").read_text()
    asked = server.replace(f":{secret}@", "@") + f"?password={secret}"
    hidden = CliRunner().invoke(app, list(map(str, [*arguments[:2], asked, *wrong[3:]])))
    assert hidden.exit_code == 1
    told += hidden.output + hidden.stderr
    assert "password=***" in told
    assert secret not in told
    assert "tabkd:***@127.0.0.1" in told
    assert json.loads((tmp_path / "s.json").read_text())["scored"] == N_ROWS


def test_duckdb(path, frame, expected, tmp_path):
    with duckdb.connect(tmp_path / "rows.duckdb") as database:
        database.register("given", pa.table(frame))
        database.execute("CREATE TABLE rows AS SELECT *, amount::decimal(12, 6) AS price FROM given")
    source = str(tmp_path / "rows.duckdb")
    for column in ("amount", "price"):
        options = {"keep": ["id"], "column_map": {"amount": column}, "query": "SELECT * FROM rows", "batch_size": 999}
        counts = score_dataset(tabkd.load(path), [source], str(tmp_path / "out.parquet"), **options)
        assert counts.read == N_ROWS
        scores = pd.read_parquet(tmp_path / "out.parquet")
        np.testing.assert_array_equal(scores["id"], frame["id"])
        np.testing.assert_array_equal(scores["probability_True"], expected)
    none = {"query": "SELECT * FROM rows WHERE id < 0"}
    assert score_dataset(tabkd.load(path), [source], str(tmp_path / "none.parquet"), **none).written == 0


def test_what_does_not_go_together_is_refused(path, frame, tmp_path):
    def refused(match, inputs=("in.parquet",), output="out.parquet", **options):
        with pytest.raises((ValueError, FileNotFoundError), match=match):
            score_dataset(tabkd.load(path), list(inputs), output, **options)

    with contextlib.chdir(tmp_path):
        frame.to_parquet("in.parquet")
        with duckdb.connect("a.duckdb") as database:
            database.execute("CREATE TABLE rows AS SELECT 1 AS amount, 'a' AS shop")
        server = "postgresql://user:secret@127.0.0.1:1/db"
        refused("query is for a database", query="SELECT 1")
        refused(r"'a\.duckdb' is a database; choose the rows to score with query", ["a.duckdb"])
        refused("must be the only input; got 2 inputs", ["a.duckdb", "in.parquet"], query="SELECT 1")
        refused("the database 'b.duckdb' does not exist", ["b.duckdb"], query="SELECT 1")
        refused("has no column 'amount'", ["a.duckdb"], query="SELECT 1 AS x")
        refused("Parser Error|syntax error", ["a.duckdb"], query="SELEC 1")
        refused("resume=True needs files", ["a.duckdb"], query="SELECT * FROM rows", resume=True)
        refused(r"'postgresql://user:\*\*\*@127.0.0.1:1/db' needs table, the name", output=server)
        refused(r"postgresql://user:\*\*\*@127.0.0.1:1/db: .*refused", output=server, table="t")
        refused("table needs an output in PostgreSQL", table="t")
        refused("append=True needs an output in PostgreSQL", append=True)
        assert sorted(os.listdir()) == ["a.duckdb", "in.parquet"]


# Folders


def test_a_folder_for_each_value(path, frame, expected, tmp_path):
    frame = frame.assign(month=np.where(frame["id"] % 3, "a/b c", None), day=frame["id"] % 2)
    frame.to_parquet(tmp_path / "in.parquet")
    source, out = str(tmp_path / "in.parquet"), tmp_path / "out"
    out.mkdir()
    options = {"keep": ["id"], "partition_by": ["month", "day"], "batch_size": 777}
    counts = score_dataset(tabkd.load(path), [source], str(out), **options)
    assert counts.written == N_ROWS
    found = sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file())
    months = ["month=__HIVE_DEFAULT_PARTITION__", "month=a%2Fb c"]
    assert found == [f"{month}/day={day}/part-0.parquet" for month in months for day in (0, 1)]
    files = f"read_parquet('{out}/**/*.parquet', hive_partitioning = true)"
    scores = duckdb.sql(f"SELECT * FROM {files} ORDER BY id").df()
    np.testing.assert_array_equal(scores["probability_True"], expected)
    assert scores["month"].fillna("").tolist() == frame["month"].fillna("").tolist()
    with pytest.raises(ValueError, match="already exists and is not an empty folder"):
        score_dataset(tabkd.load(path), [source], str(out), **options)
    with pytest.raises(ValueError, match="is in the folder of the output"):
        score_dataset(path, [source], str(tmp_path / "o"), **options, rejects=str(tmp_path / "o" / "r.csv"))
    with pytest.raises(ValueError, match="is not a folder"):
        score_dataset(tabkd.load(path), [source], "-", **options)
    with pytest.raises(ValueError, match="partition_by id has more than 500 values"):
        score_dataset(tabkd.load(path), [source], str(tmp_path / "many"), partition_by=["id"])
    # What was written can be scored again, its folders read as columns.
    (file,) = [file for file in find_files([str(out)]) if "day=1" in file.path and "HIVE" in file.path]
    assert file.partition == {"month": None, "day": "1"}
    assert file.n_rows() == (frame["month"].isna() & (frame["day"] == 1)).sum()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.parquet", "out"]


def test_a_job_with_folders_goes_on_after_a_kill(path, frame, tmp_path, monkeypatch):
    frame.assign(day=frame["id"] % 3).to_parquet(tmp_path / "in.parquet")
    options = {"partition_by": ["day"], "batch_size": 1000, "resume": True, "keep": ["id"]}
    source, out = [str(tmp_path / "in.parquet")], tmp_path / "out"
    with pytest.raises(StoppedError):
        score_dataset(path, source, str(out), **options, stop=lambda: True)
    # What a kill leaves where the folder was being put together.
    (tmp_path / ".out.tabkd" / "rows" / "day=9").mkdir(parents=True)
    assert score_dataset(path, source, str(out), **options).written == N_ROWS
    assert sorted(folder.name for folder in out.iterdir()) == ["day=0", "day=1", "day=2"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.parquet", "out"]
