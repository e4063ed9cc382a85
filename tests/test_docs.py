"""The code of README and docs, run as it stands."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tabkd import load
from tabkd._cli import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
#: Pages whose code needs other software, or files: each has a test of its own, in the file named here.
RUN_ELSEWHERE = {"guide/clusters.md": "tests/spark/test_clusters.py", "guide/tall.md": "tests/spark/test_tall.py"}


def code_blocks(page: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M))


def pages_with_code() -> list[str]:
    """README and every page of the site with code, but for those in `deploy`, which have tests of their own."""
    pages = {page.relative_to(DOCS).as_posix(): page for page in sorted(DOCS.rglob("*.md"))}
    found = [name for name, page in pages.items() if not name.startswith("deploy/") and code_blocks(page)]
    return ["../README.md", *(name for name in found if name not in RUN_ELSEWHERE)]


@pytest.mark.parametrize("name", pages_with_code())
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(compile(code_blocks(DOCS / name), name, "exec"), namespace)
    student = tmp_path / "student.onnx"
    if student.exists():
        assert student.stat().st_size <= 110_000  # with contributions
        assert load(student).predict_proba(namespace["X"]).shape == (len(namespace["X"]), 2)


@pytest.mark.parametrize("name", [*RUN_ELSEWHERE, *(f"deploy/{page.name}" for page in DOCS.glob("deploy/*.md"))])
def test_a_page_that_needs_other_software_has_a_test_of_its_own(name):
    if code_blocks(DOCS / name):
        tests = [ROOT / RUN_ELSEWHERE[name]] if name in RUN_ELSEWHERE else (ROOT / "tests").rglob("test_*.py")
        page = Path(name).name
        assert any(f'"{page}"' in test.read_text(encoding="utf-8") for test in tests), f"no test runs {name}"


def test_the_commands_of_get_started_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "get-started.md").read_text(encoding="utf-8")
    exec(re.search(r"^```python\n(.*?)^```", page, re.S | re.M)[1], {})  # the table
    commands = re.findall(r"^```bash\ntabkd (.*)$", page, re.MULTILINE)
    for command in commands:
        done = CliRunner().invoke(app, shlex.split(command))
        assert done.exit_code == 0, done.output
    assert [command.split()[0] for command in commands] == ["distill", "score"]
    assert len(pd.read_parquet("scores.parquet")) == len(pd.read_parquet("new.parquet"))
    assert "Warning" not in done.output


def test_the_statement_of_the_page_on_sql_scores_like_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(compile(code_blocks(DOCS / "deploy" / "sql.md"), "sql.md", "exec"), namespace)
    scores = namespace["scores"].sort_values("id")
    expected = namespace["load"]("student.onnx").predict_proba(namespace["X"])
    np.testing.assert_allclose(scores[["probability_0", "probability_1"]], expected, atol=1e-6)


def test_the_notebook_example_has_at_most_ten_lines():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = re.search(r"^```python\n(.*?)^```", readme, re.S | re.M)[1]
    assert len([line for line in example.splitlines() if line.strip()]) <= 10


def test_what_documents_include_is_up_to_date():
    command = [sys.executable, "docs/include.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_lead_somewhere():
    pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs"]
    subprocess.run([sys.executable, "docs/check_links.py", *pages], cwd=ROOT, env=os.environ, check=True)
