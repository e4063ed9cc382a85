"""The page on other runtimes: its programs score like `tabkd.load`."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tabkd import load

PAGE = Path(__file__).parents[2] / "docs" / "deploy" / "runtimes.md"
MODELS = ("student.onnx", "numbers.onnx")
UNSEEN = [None, "lottery", "<NA>", "ｆｕｅｌ", "Fuel", ""]


def blocks(language):
    """The code of the page in one language, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)


def hard(rows):
    """The rows with missing values, categories that were not there at fit, and numbers far away."""
    for i, row in enumerate(rows):
        if i % 2:
            row["merchant_category"] = UNSEEN[i // 2 % len(UNSEEN)]
        if i % 3 == 0:
            row |= {"channel": None, "currency": None, "customer_age": None, "abroad": not row["abroad"]}
        if i % 5 == 0:
            row |= {"amount": -1e30, "amount_to_usual": None, "hour": 2.5, "abroad": None}
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the models of the page, and rows that are hard to read."""
    folder = tmp_path_factory.mktemp("runtimes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(blocks("python")[0], str(PAGE), "exec"), {})
    rows = hard(json.loads((folder / "rows.json").read_text()))
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


def assert_like_load(printed, folder, models=MODELS, atol=1e-6):
    """A program printed the probabilities that `tabkd.load` gives, one line for each model."""
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    lines = printed.splitlines()
    assert len(lines) == len(models)
    for name, line in zip(models, lines, strict=True):
        expected = load(folder / name).predict_proba(rows)
        assert expected[:, 1].std() > 0.01
        np.testing.assert_allclose(json.loads(line), expected, rtol=0, atol=atol)


def run(*command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_onnx_runtime_alone_scores_like_load(folder):
    without_tabkd = "import sys\nsys.modules['tabkd'] = None\n"
    assert_like_load(run(sys.executable, "-I", "-c", without_tabkd + blocks("python")[1], folder=folder), folder)
