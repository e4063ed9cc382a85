"""Rows scored by students in Node."""

import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="there is no Node on the PATH")

# Answers one line for each line: the script of a student is run and kept, and rows are scored.
_HARNESS = """
const lines = require("readline").createInterface({input: process.stdin}), kept = {};
lines.on("line", (line) => {
  const {name, script, code, rows, options} = JSON.parse(line);
  let answer = null;
  try {
    if (script) kept[name] = new Function(`${script}; return student;`)();
    else answer = code ? new Function("student", code)(kept[name]) : kept[name].score(rows, options);
  } catch (error) { answer = {error: error.message}; }
  console.log(JSON.stringify(answer));
});
"""


class Node:
    """A process of Node with students in it."""

    def __init__(self):
        self._process = subprocess.Popen(
            [NODE, "-e", _HARNESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def _ask(self, **question):
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def load(self, name, script):
        """Run the script of a student, and keep the student by a name."""
        assert self._ask(name=name, script=script) is None

    def score(self, name, rows, **options):
        """The answers of a student; ``{"error": …}`` if it refuses the rows."""
        return self._ask(name=name, rows=rows, options=options)

    def run(self, code, name=""):
        """What a piece of code returns, which finds a student as `student`."""
        return self._ask(name=name, code=code)

    def close(self):
        self._process.stdin.close()
        assert self._process.wait(timeout=10) == 0
        self._process.stdout.close()


def records(X):
    """The rows of a frame as JSON has them."""
    columns = {str(name): [_plain(value) for value in X[name].tolist()] for name in X}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(value):
    if value is None or pd.isna(value):
        return None
    return str(value) if isinstance(value, pd.Timestamp) else value


def scores(answers):
    """The probabilities or values of a list of answers, (n, K)."""
    key = "probabilities" if "probabilities" in answers[0] else "values"
    values = [answer[key] for answer in answers]
    return np.array([list(v.values()) if isinstance(v, dict) else np.atleast_1d(v) for v in values])


def contributions(answers):
    """The contributions of a list of answers, (n, d) or (n, d, K)."""
    return np.array([list(answer["contributions"].values()) for answer in answers])
