"""The code of README and docs, run as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "docs" / "guide.md", ROOT / "docs" / "signed.md"]


def code_blocks(page: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(compile(code_blocks(page), str(page), "exec"), namespace)
    assert (tmp_path / "student.onnx").stat().st_size <= 110_000  # with contributions
    assert namespace["load"]("student.onnx").predict_proba(namespace["X"]).shape == (len(namespace["X"]), 2)


def test_the_statement_of_the_page_on_sql_scores_like_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(compile(code_blocks(ROOT / "docs" / "deploy" / "sql.md"), "sql.md", "exec"), namespace)
    scores = namespace["scores"].sort_values("id")
    expected = namespace["load"]("student.onnx").predict_proba(namespace["X"])
    np.testing.assert_allclose(scores[["probability_0", "probability_1"]], expected, atol=1e-6)


def test_the_notebook_example_has_at_most_ten_lines():
    example = re.search(r"^```python\n(.*?)^```", PAGES[0].read_text(encoding="utf-8"), re.S | re.M)[1]
    assert len([line for line in example.splitlines() if line.strip()]) <= 10


def test_what_documents_include_is_up_to_date():
    pages = ["README.md", "docs/guide.md", "docs/benchmarks.md", "docs/tall.md"]
    command = [sys.executable, "docs/include.py", "--check", *pages]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_lead_somewhere():
    pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs"]
    subprocess.run([sys.executable, "docs/check_links.py", *pages], cwd=ROOT, env=os.environ, check=True)
