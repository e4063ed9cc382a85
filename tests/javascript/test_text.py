"""The script itself: names of users are text in it, and never code; it runs in a browser."""

import html
import json
import re
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from tabkd import DistilledClassifier, ExportedStudent
from tabkd._javascript.graph import OPERATORS
from tabkd._javascript.table import refuse_twice
from tabkd._javascript.text import javascript, runtime
from tests.browser import chromium, needs_browser
from tests.export.hard import FAST, fast_students
from tests.javascript.node import contributions, needs_node, scores

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "\"quotes'",
    "back\\slash",
    "new\nline",
    "__proto__",
    "constructor",
    "line\u2028and\u2029paragraph",
    "${x}`tick`",
    "&amp;",
]


@pytest.fixture(scope="module")
def hostile():
    """A student whose columns, levels and classes have hostile names, and rows of it."""
    rng, n = np.random.default_rng(0), 300
    X = pd.DataFrame({name: rng.choice(HOSTILE[:4], n).astype(object) for name in HOSTILE[:5]})
    X = X.assign(**{name: rng.normal(size=n) for name in HOSTILE[5:]})
    y = np.array(["</script>", "__proto__", "\u2028"])[
        np.digitize(X["__proto__"] + (X[HOSTILE[0]] == HOSTILE[1]), [0, 1])
    ]
    model = DistilledClassifier(student=fast_students()["tree"], **FAST).fit(X, y)
    rows = [dict(zip(X, row, strict=True)) for row in zip(*(X[name].tolist() for name in X), strict=True)]
    return ExportedStudent(model.to_onnx(contributions=True).SerializeToString()), rows


def test_no_name_ends_the_script_that_holds_it(hostile):
    text = javascript(hostile[0].content)
    assert text.isascii()
    for end in ("</", "<!--", "<script", "\u2028"):
        assert end not in text.lower()


@needs_node
def test_hostile_names_are_names(hostile, node):
    exported, rows = hostile
    node.load("hostile", javascript(exported.content))
    answers = node.score("hostile", rows)
    assert list(answers[0]["probabilities"]) == list(exported.classes_)
    assert list(answers[0]["contributions"]) == HOSTILE
    np.testing.assert_allclose(scores(answers), exported.predict_proba(rows), atol=1e-6)
    np.testing.assert_allclose(contributions(answers), exported.contributions(rows).values, atol=1e-6)
    known = node.run("return student.columns.map(({name, levels}) => [name, levels || null])", "hostile")
    assert known[0] == [HOSTILE[0], sorted(HOSTILE[:4])]
    lacking = {name: value for name, value in rows[0].items() if name != "constructor"}
    assert 'no value for the column "constructor"' in node.score("hostile", lacking)["error"]


@needs_browser
def test_a_browser_gives_the_same_answers(hostile, tmp_path):
    exported, rows = hostile
    # As a text: in an object literal the key __proto__ would be no key.
    given = json.dumps(json.dumps(rows)).replace("<", "\\u003c")
    page = f"""<!doctype html><meta charset="utf-8"><pre id="out"></pre><script>{javascript(exported.content)}</script>
    <script>document.getElementById("out").textContent = JSON.stringify(student.score(JSON.parse({given})));</script>"""
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    dom = chromium(tmp_path / "page.html", "--dump-dom")
    answers = json.loads(html.unescape(re.search(r'<pre id="out">(.*?)</pre>', dom, re.DOTALL)[1]))
    np.testing.assert_allclose(scores(answers), exported.predict_proba(rows), atol=1e-6)
    np.testing.assert_allclose(contributions(answers), exported.contributions(rows).values, atol=1e-6)


@needs_node
def test_python_and_javascript_know_the_same_operators(node):
    assert set(node.run(f"{runtime()}; return tabkd.operators")) == OPERATORS


@needs_node
def test_a_file_with_the_script_is_a_module_of_node(hostile, node, tmp_path):
    (tmp_path / "student.js").write_text(javascript(hostile[0].content))
    path = json.dumps(str(tmp_path / "student.js"))
    code = f"return process.getBuiltinModule('module').createRequire({path})({path}).classes"
    assert node.run(code) == list(hostile[0].classes_)


def test_the_runtime_is_small():
    assert len(runtime()) < 23_000


def test_the_scripts_are_files_of_the_package():
    names = [path.name for path in files("tabkd._javascript").iterdir() if path.name.endswith(".js")]
    assert sorted(names) == ["operators.js", "rows.js", "student.js"]


def test_names_that_are_one_text_are_refused():
    with pytest.raises(NotImplementedError, match="Two columns are called '1', because names in JavaScript are text"):
        refuse_twice("columns", ["a", "1", "1"])
