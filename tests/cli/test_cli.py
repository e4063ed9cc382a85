"""The command itself; `inspect` and `demo`."""

import os
import re
import subprocess
import sys

import click
import pytest

import tabkd
from tests.cli.commands import refused, run


def test_help_names_every_command():
    output = run("--help").stdout
    assert all(command in output for command in ("distill", "score", "inspect", "export", "compare", "demo"))


def test_help_lists_commands_with_their_whole_first_sentence():
    words = " ".join(run("--help").stdout.split())
    assert "score Score any number of rows, batch by batch, and write a prediction for each of them. inspect" in words


@pytest.mark.parametrize("command", ["distill", "score", "inspect", "export", "compare"])
def test_help_explains_arguments(command):
    text = run(command, "--help").stdout
    assert any(words in text for words in ("The table to learn from", "A file that `tabkd distill` wrote."))


def test_a_mistyped_option_is_answered_by_the_one_that_is_meant():
    message = refused("score", "m.onnx", "t.csv", "--ouput", "o.csv", code=2)
    assert re.search("Did you mean '?--output", message)


@pytest.mark.skipif(not hasattr(click, "NoSuchCommand"), reason="Click suggests commands from 8.4 on")
def test_a_mistyped_command_is_answered_by_the_one_that_is_meant():
    assert "Did you mean 'score'?" in refused("scor", code=2)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tabkd ", {"distill", "score", "inspect", "export", "compare", "monitor", "demo"}),
        ("tabkd score --eng", {"--engine"}),
        ("tabkd score --engine ", {"local", "spark"}),
        ("tabkd distill --student t", {"tree"}),
    ],
)
def test_a_shell_completes_commands_options_and_values(words, expected):
    n_words = len(words.split(" "))
    asked = {"_TABKD_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(n_words - 1)}
    program = "import sys; sys.argv = ['tabkd']; from tabkd._cli import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ | asked
    )
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == expected


def test_nan_is_in_no_range():
    common = ("score", "m.onnx", "t.csv", "--output", "o.csv")
    for option in ("--threshold", "--top-fraction"):
        assert "'nan' is not a number" in refused(*common, option, "nan", code=2)


def test_an_interrupt_before_a_command_works_leaves_no_traceback():
    program = """
import sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "tabkd._cli.score":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from tabkd._cli import app
app()
"""
    done = subprocess.run([sys.executable, "-c", program, "score"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_the_installed_command_runs():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tabkd._cli import app; app()",
            "score",
            "none.onnx",
            "t.csv",
            "--output",
            "o.csv",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "none.onnx" in done.stderr


def test_inspect_shows_columns_and_origin(distilled):
    output = run("inspect", distilled[0] / "student.onnx").stdout
    for words in ("classification", "no, yes", "by neg_log_loss", "KB", tabkd.__version__, "17 columns", "amount"):
        assert words in output


@pytest.mark.slow
def test_demo_goes_the_whole_way(tmp_path):
    output = run("demo", "--rows", "6000", "--output", tmp_path / "demo").stdout
    assert "Kept:" in output
    assert "Gained:" in output
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {"payments.parquet", "student.onnx", "report.json", "report.html", "scores.parquet"}
