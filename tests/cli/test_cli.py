"""The command itself; `inspect` and `demo`."""

import subprocess
import sys

import pytest

import tabkd
from tests.cli.commands import run


def test_help_names_every_command():
    output = run("--help").stdout
    assert all(command in output for command in ("distill", "score", "inspect", "demo"))


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
    assert names == {"payments.parquet", "student.onnx", "report.json", "scores.parquet"}
