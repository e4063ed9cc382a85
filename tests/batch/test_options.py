"""Messages call a parameter by its name in Python, and by its option in the command."""

import ast
import contextlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import tabkd
from tabkd._cli import app
from tabkd._cli.errors import options_of
from tabkd._cli.score import score
from tabkd._options import called_as, called_now, option
from tabkd.batch import score_dataset

PACKAGE = Path(tabkd.__file__).parent
# What takes one of the parameters, the error in Python, and in the command.
CASES = [
    ({"keep": ["x"]}, "keep='x' is not a column of", "--keep 'x' is not a column of"),
    ({"keep": ["prediction"]}, "keep='prediction' has the name", "--keep 'prediction' has the name"),
    ({"column_map": {"x": "y"}}, "column_map='x' is not a column", "--column-map 'x' is not a column"),
    ({"column_map": {"amount": "y"}}, "map other names with column_map", "map other names with --column-map"),
    ({"query": "SELECT 1"}, "query is for a database", "--query is for a database"),
    ({"table": "t"}, "table needs an output in PostgreSQL", "--table needs an output in PostgreSQL"),
    ({"append": True}, "append=True needs an output", "--append needs an output"),
    ({"max_rejects": 3}, "max_rejects=3 would lose", "--max-rejects 3 would lose"),
    ({"rejects": "r.txt"}, "rejects='r.txt' has the suffix '.txt'", "--rejects 'r.txt' has the suffix '.txt'"),
    ({"output": "o.txt"}, "output='o.txt' has the suffix '.txt'", "--output 'o.txt' has the suffix '.txt'"),
    ({"output": "-", "resume": True}, "resume=True cannot write to", "--resume cannot write to"),
    ({"partition_by": ["shop"]}, "not a folder, and partition_by writes", "not a folder, and --partition-by writes"),
    ({"threshold": 0.5, "top_fraction": 0.5}, "threshold and top_fraction are", "--threshold and --top-fraction are"),
    ({"delimiter": ";;"}, "delimiter is ';;'", "--delimiter is ';;'"),
    ({"encoding": "utf-99"}, "encoding='utf-99' is not known", "--encoding 'utf-99' is not known"),
    ({"decimal": ",", "thousands": ","}, "thousands and decimal are both", "--thousands and --decimal are both"),
]


def arguments_of(options):
    """The options as one types them."""
    for name, value in options.items():
        values = [f"{a}={b}" for a, b in value.items()] if isinstance(value, dict) else value
        for one in values if isinstance(values, list) else [values]:
            yield f"--{name.replace('_', '-')}"
            if one is not True:
                yield str(one)


@pytest.fixture
def source(frame, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame.to_csv("in.csv", index=False)
    return "in.csv"


@pytest.mark.parametrize(("options", "in_python", "in_command"), CASES)
def test_an_error_calls_a_parameter_as_the_user_does(path, source, options, in_python, in_command):
    options = {"output": "o.csv"} | options
    with pytest.raises(ValueError, match=re.escape(in_python)) as refused:
        score_dataset(path, [source], **options)
    assert "--" not in str(refused.value)
    result = CliRunner().invoke(app, ["score", str(path), source, *arguments_of(options)])
    assert result.exit_code == 1
    assert in_command in result.stderr
    assert called_now() == {}


def test_reasons_of_rejects_too(path, frame, source):
    frame[:1].assign(amount="1,5").to_csv(source, index=False)
    options = {"rejects": "r.csv", "max_rejects": 1}
    reason = "not a number; to read it as one, add"
    score_dataset(path, [source], "o.csv", **options)
    assert pd.read_csv("r.csv")["reason"].tolist() == [f"{reason} decimal=','"]
    result = CliRunner().invoke(app, ["score", str(path), source, "--output", "o.csv", *arguments_of(options)])
    assert result.exit_code == 0
    assert pd.read_csv("r.csv")["reason"].tolist() == [f"{reason} --decimal ','"]


def test_values_of_users_that_look_like_options_are_left_alone(path, source):
    for name in ("keep='x' resume=True", "--max-rejects max_rejects", "{keep}"):
        result = CliRunner().invoke(app, ["score", str(path), source, "--output", "o.csv", "--keep", name])
        assert f"--keep {name!r} is not a column of" in result.stderr


def test_threads_of_a_job_call_parameters_alike(path, frame, source):
    frame.assign(paid="perhaps").to_csv(source, index=False)
    result = CliRunner().invoke(app, ["score", str(path), source, "--output", "o.csv"])
    assert "and --max-rejects is 0: nothing was written" in result.stderr


def test_every_option_of_the_command_is_known():
    options = options_of(score)
    told = CliRunner().invoke(app, ["score", "--help"], env={"COLUMNS": "200"}).stdout
    assert set(re.findall(r"^  (--[a-z-]+)", told, re.MULTILINE)) == {*options.values(), "--help"}
    both = set(inspect.signature(score_dataset).parameters) & {given.name for given in score.params}
    assert both - {"model", "inputs"} <= set(options)


def test_a_block_ends_as_it_began():
    with contextlib.suppress(ZeroDivisionError), called_as({"keep": "--keep"}):
        assert option("keep", "x") == "--keep 'x'"
        raise ZeroDivisionError
    assert option("keep", "x") == "keep='x'"


def test_no_text_outside_the_commands_names_an_option():
    found = [
        f"{file.relative_to(PACKAGE)}:{node.lineno} {match[0]}"
        for file in PACKAGE.rglob("*.py")
        if "_cli" not in file.parts and file.name != "_options.py"
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for match in re.finditer(r"(?<![\w-])--[a-z][a-z-]*", re.sub(r"`tabkd [^`]*`", "", node.value))
    ]
    assert found == []
    assert not re.search(r"--[a-z]", subprocess.check_output([sys.executable, "-m", "pydoc", "tabkd.batch"], text=True))
