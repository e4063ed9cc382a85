"""Queries as people write them, queries that fail, and queries that take too long."""

import signal
import subprocess
import sys
import threading
import time

import duckdb
import numpy as np
import pandas as pd
import pytest

import tabkd
from tabkd.batch._job import score_dataset
from tabkd.batch._sql import one_statement
from tabkd.batch._stopping import StoppedError

FEATURES = "0.5::float8 AS amount, 'a' AS shop, true AS paid"
# One row at once, and no other for minutes.
SLOW = {
    "postgres": f"SELECT i AS id, {FEATURES} FROM generate_series(1, 100000) i WHERE i < 3 OR pg_sleep(100) IS NULL",
    "duckdb": f"SELECT count(*) AS id, {FEATURES} FROM range(1000000000000) t(i) WHERE hash(i) % 7 = 1",
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("duckdb") / "rows.duckdb")
    with duckdb.connect(path) as database:
        database.execute("CREATE TABLE nothing (x int)")
    return path


@pytest.fixture(params=["postgres", "duckdb"])
def source(request, server, stored):
    """Each database, and what errors call it."""
    return request.param, *((server, "@127.0.0.1:") if request.param == "postgres" else (stored, "rows.duckdb"))


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT {FEATURES} -- the rows",
        f"SELECT {FEATURES};",
        f"SELECT {FEATURES} ; -- ';' and more ;",
        f"SELECT {FEATURES} /* ; ' */ ;; /* the end */\n",
        f"-- ; first\nSELECT {FEATURES}, ';' AS x, '''; --' AS y, $$;'$$ AS z, $a$;$$ -- $a$ AS \"q;\"\"\" --",
        f"WITH rows AS (SELECT {FEATURES}) SELECT * FROM rows;",
        f"(SELECT {FEATURES}) ORDER BY 1",
        "VALUES (0.5, 'a', true)",
    ],
)
def test_one_statement_is_scored_however_it_ends(source, path, tmp_path, query):
    kind, database, _ = source
    names = {"column1": "amount", "column2": "shop", "column3": "paid"} if kind == "postgres" else None
    names = names or {"col0": "amount", "col1": "shop", "col2": "paid"}
    column_map = {column: name for name, column in names.items()} if query.startswith("VALUES") else {}
    score_dataset(path, [database], str(tmp_path / "out.parquet"), query=query, column_map=column_map)
    expected = tabkd.load(path).predict_proba(pd.DataFrame({"amount": [0.5], "shop": ["a"], "paid": [True]}))
    assert pd.read_parquet(tmp_path / "out.parquet").iloc[:, 1:].to_numpy().tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("query", "match"),
    [
        (f"SELECT {FEATURES}; SELECT 2", "several statements; give one SELECT"),
        ("SELECT 1;\n-- a\nDROP TABLE nothing", "several statements"),
        (" ; -- nothing", "is empty; give a SELECT"),
        ("DELETE FROM nothing", "syntax error|Parser Error"),
        ("SELECT 1 AS x, 2 AS X, 3 AS x", "more than one column named 'x'"),
    ],
)
def test_other_than_one_statement_is_refused(source, path, tmp_path, query, match):
    with pytest.raises(ValueError, match=match):
        score_dataset(path, [source[1]], str(tmp_path / "out.csv"), query=query)
    assert not list(tmp_path.iterdir())


def test_a_semicolon_within_a_statement_is_none():
    for query in ("SELECT E'\\';' ", "SELECT a$b$ FROM x$y$ ", "SELECT /* /* ; */ ; */ 1 ", 'SELECT ";" '):
        assert one_statement(query) == one_statement(query + ";--") == query
    with pytest.raises(ValueError, match="several statements"):
        one_statement("SELECT a$b$; FROM x$y$")


@pytest.mark.parametrize("fails_at", [0, 150_000])
@pytest.mark.parametrize("output", ["out.csv", "out.parquet"])
def test_a_failing_query_is_told_as_such(source, path, tmp_path, output, fails_at):
    kind, database, name = source
    rows = "generate_series(0, 200000) t(i)" if kind == "postgres" else "range(200001) t(i)"
    number = f"CAST(CASE WHEN i = {fails_at} THEN 'x' || i ELSE '1' END AS float8)"
    query = f"SELECT {number} AS amount, 'a' AS shop, true AS paid FROM {rows}"
    with pytest.raises(ValueError, match=f"x{fails_at}") as failed:
        score_dataset(path, [database], str(tmp_path / output), query=query, batch_size=1000)
    assert name in str(failed.value)
    assert "cannot write" not in str(failed.value)
    assert not list(tmp_path.iterdir())


def test_a_connection_that_is_cut_is_told_as_such(server, sql, path, tmp_path):
    failed = []

    def score():
        try:
            score_dataset(path, [server], str(tmp_path / "out.csv"), query=SLOW["postgres"])
        except ValueError as error:
            failed.append(str(error))

    thread = threading.Thread(target=score)
    thread.start()
    deadline = time.monotonic() + 30
    cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    while thread.is_alive() and time.monotonic() < deadline:
        sql.execute(cut)
        thread.join(0.1)
    assert "@127.0.0.1:" in failed[0]
    assert "terminating connection" in failed[0]
    assert not list(tmp_path.iterdir())


def test_a_slow_query_is_cancelled_when_a_job_is_stopped(source, path, tmp_path):
    kind, database, name = source
    asked = threading.Event()
    threading.Timer(1, asked.set).start()
    start = time.monotonic()
    with pytest.raises(StoppedError, match="stopped during the query of ") as stopped:
        score_dataset(path, [database], str(tmp_path / "out.csv"), query=SLOW[kind], stop=asked.is_set)
    assert time.monotonic() - start < 10
    assert name in str(stopped.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_slow_query(source, sql, path, tmp_path, number, code):
    kind, database, _ = source
    program = "from tabkd._cli import app; app()"
    arguments = ["score", path, database, "--query", SLOW[kind], "--output", tmp_path / "out.csv"]
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    if kind == "postgres":
        begun = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        wait_for(lambda: (sql.execute(begun), sql.fetchone()[0])[1])
    else:
        wait_for(lambda: list(tmp_path.glob(".out*")))
        time.sleep(0.5)
    start = time.monotonic()
    process.send_signal(number)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == code, said
    assert time.monotonic() - start < 10
    assert "stopped during the query of" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("waits_as", ["input", "output"])
def test_a_signal_ends_the_wait_for_a_locked_table(server, sql, path, tmp_path, waits_as):
    sql.execute("DROP TABLE IF EXISTS locked")
    sql.execute(f"CREATE TABLE locked AS SELECT {FEATURES}")
    pd.DataFrame({"amount": [0.5], "shop": ["a"], "paid": [True]}).to_parquet(tmp_path / "in.parquet")
    options = [path, tmp_path / "in.parquet", "--output", server, "--table", "locked", "--append"]
    if waits_as == "input":
        options = [path, server, "--query", "SELECT * FROM locked", "--output", tmp_path / "out.csv"]
    command = [sys.executable, "-c", "from tabkd._cli import app; app()", "score", *map(str, options)]
    import adbc_driver_postgresql.dbapi as driver

    with driver.connect(server) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'locked'"
        wait_for(lambda: (sql.execute(waiting), sql.fetchone()[0])[1])
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=10)[1]
    assert process.returncode == 143, said
    assert "stopped during" in said


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_rows_come_in_the_order_of_the_query(source, path, tmp_path):
    kind, database, _ = source
    rows = "generate_series(1, 100000) t(i)" if kind == "postgres" else "range(1, 100001) t(i)"
    query = f"SELECT i AS id, {FEATURES} FROM {rows} ORDER BY (i * 7919) % 100003 DESC"
    score_dataset(path, [database], str(tmp_path / "out.parquet"), query=query, keep=["id"], batch_size=999)
    found = pd.read_parquet(tmp_path / "out.parquet")["id"].to_numpy()
    assert len(found) == 100_000
    assert (np.diff(found * 7919 % 100003) < 0).all()
