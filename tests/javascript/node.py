"""Rows scored by a student in Node."""

import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="there is no Node")

# One process for all models: the text of each is run, and its rows are scored.
_HARNESS = """
const {readFileSync} = require("fs");
const results = JSON.parse(readFileSync(0, "utf8")).map(({text, rows, options}) => {
  const {student} = new Function(`${text}; return {student};`)();
  return rows.map((part) => {
    try { return student.score(part, options); } catch (error) { return {error: error.message}; }
  });
});
process.stdout.write(JSON.stringify(results));
"""


def in_node(jobs):
    """The answers of each job (text, list of rows or lists of rows, options); ``{"error": …}`` where one is refused."""
    given = [dict(zip(("text", "rows", "options"), job, strict=False)) for job in jobs]
    done = subprocess.run([NODE, "-e", _HARNESS], input=json.dumps(given), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def records(X):
    """The rows of a frame as JSON has them."""
    if isinstance(X, np.ndarray):
        X = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    columns = {str(name): [plain(value) for value in X[name].tolist()] for name in X}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def plain(value):
    """A value as JSON has it."""
    if value is None or pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def scores(answers):
    """float64 (n, K) of a list of answers."""
    first = "probabilities" if "probabilities" in answers[0] else "values"
    values = [answer[first] for answer in answers]
    return np.array([list(v.values()) if isinstance(v, dict) else np.atleast_1d(v) for v in values], dtype=float)


def contributions(answers):
    """float64 (n, d) or (n, d, M) of a list of answers."""
    return np.array([list(answer["contributions"].values()) for answer in answers], dtype=float)
