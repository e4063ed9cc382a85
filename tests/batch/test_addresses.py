"""Passwords in the addresses of servers, of any characters: nothing that tabkd says or writes has them."""

import json
import traceback
from urllib.parse import quote

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from tabkd._cli import app
from tabkd.batch._addresses import check, key_of, shown, without_password
from tabkd.batch._job import score_dataset

# No part of what tabkd says otherwise.
passwords = st.text(st.characters(codec="utf-8"), min_size=0, max_size=8).map(lambda text: f"Zq{text}X9")
awkward = st.text("#?/@%[]:&=+ '\"\\a1", min_size=0, max_size=8).map(lambda text: f"Zq{text}X9")


def said_by(given):
    """All that an address of this form has told by the ways in which it can be refused or shown."""
    said = [shown(given), without_password(f"could not connect to {given}", given)]
    try:
        check(given)
    except ValueError as error:
        said += traceback.format_exception(error)
    return "\n".join(said)


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://u:{}@host/db",
        "postgresql://u:{}@host:5432,[::1]:1/db?sslmode=require",
        "postgres://:{}@/db?host=/tmp",
        "postgresql://u:{}@",
        "postgresql+psycopg://u:{}@host/db",
        "mysql://u:{}@host/db",
    ],
)
@given(password=passwords | awkward)
@example(password="Zqa@b/c@dX9")
@example(password="Zq%zz[X9")
@example(password="Zq?password=1&x@yX9")
def test_a_password_is_not_shown_whatever_its_characters(form, password):
    for written in (password, quote(password, safe=""), quote(password)):
        said = said_by(form.format(written))
        assert password not in said
        assert quote(password, safe="") not in said
        assert "X9" not in said


@pytest.mark.parametrize("option", ["password", "sslpassword", "passfile", "%70assword", "oauth_client_secret"])
@given(password=passwords | awkward)
def test_a_password_among_the_options_is_not_shown(option, password):
    said = said_by(f"postgresql://u@host/db?sslmode=require&{option}={quote(password, safe='')}&port=1")
    assert quote(password, safe="") not in said
    assert "X9" not in said
    assert "sslmode=require" in said
    assert "port=1" in said


def test_a_password_without_its_host_is_not_shown():
    for address in ("postgresql://u:Zq9/db", "postgresql://u:Zq9", "postgresql://u:1,2:Zq9?x=1"):
        assert "Zq9" not in said_by(address)
        with pytest.raises(ValueError, match="has a port that is not a number"):
            check(address)


@pytest.mark.parametrize(
    ("address", "hidden"),
    [
        ("postgresql://u:sEcR#tt@host/db", "postgresql://u:***@host/db"),
        ("postgresql://u:a?b@host", "postgresql://u:***@host"),
        ("postgresql://u:a[b@host", "postgresql://u:***@host"),
        ("postgresql://u:p%40x@[::1]:5432/db", "postgresql://u:***@[::1]:5432/db"),
        ("postgresql://u@h1:1,h2:2/db?application_name=x", "postgresql://u@h1:1,h2:2/db?application_name=x"),
        ("postgresql:///db?host=%2Ftmp", "postgresql:///db?host=%2Ftmp"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        ("postgresql://", "postgresql://"),
    ],
)
def test_what_libpq_takes_is_taken_and_shown_without_the_password(address, hidden):
    check(address)
    assert shown(address) == hidden


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("postgresql://u:a@b@host/db", "more than one '@'"),
        ("postgresql://u:a/b@host/db", "more than one way"),
        ("postgresql://u:a%zz@host/db", "'%' that two hexadecimal digits do not follow"),
        ("postgresql://u:a%00@host/db", "or %00"),
        ("postgresql://u:a\0@host/db", "cannot be printed"),
        ("postgresql://u:a\udcff@host/db", "cannot be printed"),
        ("postgresql://u:ab@[::1/db", "a bracket without its counterpart"),
        ("postgresql://u:ab@host/db?x", "not of the form name=value"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_with_the_way_to_write_it(address, what):
    with pytest.raises(ValueError, match=r"write %40 for '@', %2F for '/'") as refused:
        check(address)
    assert what in str(refused.value)


def test_a_table_has_one_name_for_its_job_however_a_user_logs_in():
    same = ["postgresql://u:a#?b@h:1/db", "postgres://h:1/db", "postgresql://v@h:1/db?user=w&password=x"]
    assert len({key_of(address, "t") for address in same}) == 1
    others = ["postgresql://h:1/other", "postgresql://h:2/db", "postgresql://h:1/db?host=x", "postgresql:///db?host=h"]
    assert len({key_of(address, "t") for address in [*same, *others]}) == 5
    assert key_of(same[0], "t") != key_of(same[0], "u")


# Jobs


@pytest.fixture(scope="module")
def spoken(server):
    """The address of a user whose password has characters that addresses have for themselves."""
    import adbc_driver_postgresql.dbapi as driver

    with driver.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE spoken LOGIN SUPERUSER PASSWORD 'Zq#?[:&=9'")
        cursor.execute("CREATE TABLE spoken_rows AS SELECT 0.5::float8 AS amount, 'a' AS shop, true AS paid")
    return server.replace("tabkd:s3cret", "spoken:Zq#?[:&=9")


@pytest.mark.parametrize("written", [lambda password: password, lambda password: quote(password, safe="")])
def test_no_file_and_no_line_of_a_job_has_the_password(spoken, path, tmp_path, monkeypatch, written):
    monkeypatch.chdir(tmp_path)
    password = "Zq#?[:&=9"
    source = spoken.replace(password, written(password))
    query = "SELECT * FROM spoken_rows UNION ALL SELECT 'Infinity', 'a', true"
    arguments = [
        "score",
        str(path),
        source,
        "--query",
        query,
        "--output",
        source,
        "--table",
        "spoken_scores",
        "--append",
    ]
    arguments += ["--summary", "s.json", "--rejects", "r.csv", "--max-rejects", "1"]
    said = ""
    for more in (["--log", "json"], ["--log", "plain"]):
        result = CliRunner().invoke(app, [*arguments, *more])
        assert result.exit_code == 0, result.output
        said += result.output + result.stderr + (tmp_path / "s.json").read_text() + (tmp_path / "r.csv").read_text()
    assert json.loads((tmp_path / "s.json").read_text())["written"] == 1
    pd.DataFrame({"amount": [0.5], "shop": ["a"], "paid": [True]}).to_parquet("in.parquet")
    arguments[2:5] = ["in.parquet"]
    result = CliRunner().invoke(app, [*arguments, "--resume"])
    assert result.exit_code == 0, result.output
    said += result.output + result.stderr + "".join(str(p) for p in tmp_path.rglob("*"))
    said += "".join(p.read_text() for p in tmp_path.rglob("*.json"))
    for failing in (
        {"query": "SELECT nothing"},
        {"query": "SELECT 'Zq#?[:&=9'::int AS amount, 'a' AS shop, true AS paid"},
    ):
        with pytest.raises(ValueError, match=r"spoken:\*\*\*@127") as refused:
            score_dataset(path, [source], "out.parquet", **failing)
        said += "".join(traceback.format_exception(refused.value))
    wrong = source.replace("spoken:", "spoken:wrong").replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(ValueError, match=r"spoken:\*\*\*@127.0.0.2") as refused:
        score_dataset(path, [wrong], "out.parquet", query="SELECT 1")
    said += "".join(traceback.format_exception(refused.value))
    assert "spoken:***@127.0.0.1" in said
    assert password not in said
    assert quote(password, safe="") not in said


@pytest.mark.parametrize(
    "given",
    [
        "host=127.0.0.1 user=u password=Zq9secret dbname=db",
        "dbname=db password='Zq9 se\\'cret'",
        "jdbc:postgresql://127.0.0.1/db?user=u&password=Zq9secret",
        "postgresql+psycopg2://u:Zq9secret@127.0.0.1/db",
        "POSTGRESQL://u:Zq9secret@127.0.0.1/db",
        "mysql://u:Zq9secret@127.0.0.1/db",
        "postgresql://u:Zq9/secret@127.0.0.1:1/db",
        "postgresql://u:Zq9@secret@127.0.0.1:1/db",
        "postgresql://u:Zq9%secret@127.0.0.1:1/db",
    ],
)
def test_other_forms_of_an_address_are_refused_without_their_password(path, tmp_path, given):
    pd.DataFrame({"amount": [0.5], "shop": ["a"], "paid": [True]}).to_parquet(tmp_path / "in.parquet")
    source, said = str(tmp_path / "in.parquet"), ""
    for arguments in (
        ["score", str(path), given, "--query", "SELECT 1", "--output", str(tmp_path / "out.csv")],
        ["score", str(path), given, "--output", str(tmp_path / "out.csv")],
        ["score", str(path), source, "--output", given, "--table", "t"],
        ["score", str(path), source, "--output", given],
        ["score", str(path), source, "--output", str(tmp_path / "out.csv"), "--rejects", given],
        ["score", given, source, "--output", str(tmp_path / "out.csv")],
        ["distill", given, "--target", "paid", "--output", str(tmp_path / "model")],
        ["inspect", given],
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 1, result.output
        said += result.output + result.stderr
    for inputs, options in (
        ([given], {"query": "SELECT 1"}),
        ([given], {}),
        ([f"{given}.db"], {"query": "SELECT 1"}),
        ([source, given], {"query": "SELECT 1"}),
        ([source], {"output": given}),
        ([source], {"output": given, "table": "t"}),
        ([source], {"rejects": given}),
    ):
        with pytest.raises((ValueError, OSError)) as refused:
            score_dataset(path, inputs, **{"output": str(tmp_path / "out.csv"), **options})
        said += "".join(traceback.format_exception(refused.value))
    assert "secret" not in said
    assert "Zq9" not in said


@pytest.mark.parametrize(
    "url",
    [
        "memory://user:Zq9secret@folder/in.csv",
        "memory://user:Zq9/secret@folder/in.csv",
        "memory://folder/in.csv?sig=Zq9secret",
        "memory://folder/in.csv?se=2026&X-Amz-Signature=Zq9secret",
        "memory://folder/in.csv?api-key=Zq9secret",
        "ftp://user:Zq9secret@127.0.0.1:1/in.csv",
        "https://h.example/in.csv?X-Goog-Credential=Zq9secret",
    ],
)
def test_a_key_in_the_url_of_a_store_is_neither_shown_nor_written(path, tmp_path, url):
    rejects = tmp_path / "bad.csv"
    options = ["--output", str(tmp_path / "out.csv"), "--rejects", str(rejects), "--max-rejects", "9"]
    done = CliRunner().invoke(app, ["score", str(path), url, *options])
    assert done.exit_code == 1
    assert "***" in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert not rejects.exists()


def test_names_that_look_like_logins_are_read_from_a_store(path, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://day/at 10:00/user@here.csv", "wb") as file:
        file.write(b"amount,shop,paid\n0.5,a,true\n")
    url = "memory://day/at 10:00/user@here.csv"
    done = CliRunner().invoke(app, ["score", str(path), url, "--output", str(tmp_path / "out.csv")])
    assert done.exit_code == 0, done.stderr


def test_a_traceback_has_no_password(tmp_path, monkeypatch):
    monkeypatch.setenv("TABKD_TRACEBACK", "1")
    done = CliRunner().invoke(app, ["inspect", "https://u:Zq9secret@h/model.onnx"])
    assert "Traceback" in done.stderr
    assert "secret" not in done.stderr


def test_a_url_is_no_folder_for_a_student(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"x": range(200), "y": [0, 1] * 100}).to_csv("in.csv", index=False)
    done = CliRunner().invoke(app, ["distill", "in.csv", "--target", "y", "--output", "https://u:Zq9secret@h/out"])
    assert done.exit_code == 1
    assert "is a URL; give a folder" in done.stderr
    assert "secret" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
