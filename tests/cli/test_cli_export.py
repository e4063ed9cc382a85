"""`tabkd export`: a student as SQL or JavaScript."""

import pytest

from tabkd import load
from tabkd._cli.export import _DIALECTS
from tabkd._sql.dialects import DIALECTS
from tests.cli.commands import refused, run
from tests.sql.hard import exported


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "student.onnx"
    path.write_bytes(exported("tree", "binary").content)
    return path


def test_sql_goes_to_standard_output_or_to_a_file(model, tmp_path):
    options = ("--to", "sql", "--dialect", "sqlite", "--table", "rows", "--keep", "id", "--column-map", "x1=age")
    expected = load(model).to_sql("sqlite", table="rows", keep=["id"], column_map={"x1": "age"})
    assert run("export", model, *options).stdout == expected
    assert run("export", model, *options, "--output", tmp_path / "s.sql").stdout == ""
    assert (tmp_path / "s.sql").read_text("utf-8") == expected


def test_javascript_goes_to_a_file(model, tmp_path):
    run("export", model, "--to", "js", "--output", tmp_path / "s.js")
    assert "const student = tabkd.load(" in (tmp_path / "s.js").read_text("utf-8")


def test_the_command_has_every_dialect():
    assert list(_DIALECTS) == list(DIALECTS)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--to", "sql"), 1, "--to sql needs --dialect: duckdb, sqlite"),
        (("--to", "sql", "--dialect", "oracle"), 2, "'oracle' is not one of 'duckdb'"),
        (("--to", "js", "--keep", "id"), 1, "--keep is for --to sql"),
        (("--to", "sql", "--dialect", "spark", "--column-map", "a"), 1, "--column-map 'a' is not of the form"),
        (("--to", "sql", "--dialect", "spark", "--table", ""), 1, "--table '' is not the name of a table in Spark"),
        (("--to", "js", "--table", ""), 1, "--table is for --to sql"),
        (("--to", "js", "--reasons", "1"), 1, "--reasons is for --to sql"),
        (("--to", "sql", "--dialect", "spark", "--reasons", "1"), 1, "--reasons needs contributions, which the model"),
        (("--to", "sql", "--dialect", "spark", "--keep", "prediction"), 1, "--keep 'prediction' has the name"),
    ],
)
def test_options_that_do_not_fit_are_refused(model, options, code, message):
    assert message in refused("export", model, *options, code=code)


def test_the_model_is_not_overwritten(model, tmp_path):
    link = tmp_path / "link.js"
    link.symlink_to(model)
    for output in (model, link):
        assert "--output" in (message := refused("export", model, "--to", "js", "--output", output))
        assert "is the model itself" in message
    load(model)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "a.onnx").write_text("no model")
    assert "is not a whole ONNX file of tabkd" in refused(
        "export", tmp_path / "a.onnx", "--to", "sql", "--dialect", "duckdb"
    )


def test_reasons_are_columns_of_the_statement(tmp_path):
    path = tmp_path / "explained.onnx"
    path.write_bytes(exported("additive", "binary", contributions=True).content)
    statement = run("export", path, "--to", "sql", "--dialect", "duckdb", "--reasons", "2").stdout
    assert statement == load(path).to_sql("duckdb", reasons=2)
    assert '"contribution_2"' in statement
