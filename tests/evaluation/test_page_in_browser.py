"""The page of a report in a real browser: its student scores as ONNX Runtime does, and its form as the student."""

import json
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from tabkd import DistilledClassifier, DistilledRegressor, ExportedStudent
from tests.browser import chromium, needs_browser
from tests.javascript.node import records
from tests.small_students import small_students

pytestmark = needs_browser
SMALL = small_students(
    mlp={"max_iter": 20, "random_state": 0},
    additive={"n_pairs": 1, "max_iter": 20, "random_state": 0},
    tree={"random_state": 0},
    boosted_trees={"n_estimators": 8, "max_leaf_nodes": 4, "random_state": 0},
)
# Puts what the student answers to rows, and the errors of the page, into the page.
PROBE = """<script>
const out = document.createElement("pre");
out.id = "probe";
out.textContent = JSON.stringify(student.score(ROWS).map(({probabilities, values}) => probabilities ?? values));
document.body.append(out);
</script>"""
HOSTILE = "</script><script>document.title='attacked'</script>"


def table(n=1600):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            HOSTILE: rng.lognormal(3, 1, n),
            "age": rng.integers(18, 80, n),
            "job": pd.Categorical(rng.choice(["Office", "Sales", HOSTILE], n)),
        }
    )
    X.loc[::9, HOSTILE] = np.nan
    X.loc[::13, "job"] = None
    return X, X["age"] / 20 + (X["job"] == "Sales") + rng.normal(size=n)


def opened(model, X, y, folder, rows):
    """The report's page with a probe, as the browser leaves it."""
    content = model.report(X, y, timing=False, n_resamples=20).to_html()
    probe = PROBE.replace("ROWS", json.dumps(records(rows)).replace("<", "\\u003c"))
    path = folder / "report.html"
    path.write_text(content.replace("</body>", probe + "</body>"), encoding="utf-8")
    dom = chromium(path, "--dump-dom")
    assert "attacked" not in re.search("<title>(.*?)</title>", dom)[1]
    return dom, json.loads(unescape(re.search('<pre id="probe">(.*?)</pre>', dom, re.DOTALL)[1]))


@pytest.mark.parametrize("student", SMALL)
def test_the_student_in_the_page_scores_as_onnx_runtime(student, tmp_path):
    X, signal = table()
    y = np.where(signal > signal.median(), "yes", "no")
    teacher = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    model = DistilledClassifier(teacher, student=SMALL[student], n_synthetic=300, random_state=0).fit(X[:600], y[:600])
    dom, answers = opened(model, X[600:], y[600:], tmp_path, X[600:])
    exported = ExportedStudent(model.to_onnx().SerializeToString())
    expected = exported.predict_proba(X[600:])
    found = np.array([[answer["no"], answer["yes"]] for answer in answers])
    assert len(found) == 1000
    assert np.abs(found - expected).max() < 1e-5
    # The form starts from the row of the lowest score.
    said = float(re.search('<output class="says">(.*?)</output>', dom)[1])
    assert said == pytest.approx(expected[:, 1].min(), rel=1e-4, abs=1e-6)
    assert dom.count('type="range"') == 2
    assert (
        len(re.findall("<tr><th>", re.search('<div class="reasons wide">(.*?)</div></div></div>', dom, re.DOTALL)[1]))
        == 3
    )


def test_values_in_the_page_are_those_of_onnx_runtime(tmp_path):
    X, signal = table()
    X, y = X[["age", HOSTILE]], 1000 * signal.to_numpy()
    model = DistilledRegressor(
        HistGradientBoostingRegressor(max_iter=10, random_state=0), student="tree", n_synthetic=300, random_state=0
    ).fit(X[:600], y[:600])
    dom, answers = opened(model, X[600:], y[600:], tmp_path, X[600:])
    expected = ExportedStudent(model.to_onnx().SerializeToString()).predict(X[600:])
    assert np.abs(np.array(answers) - expected).max() < 1e-5 * np.ptp(expected)
    assert float(re.search('<output class="says">(.*?)</output>', dom)[1]) == pytest.approx(expected.min(), rel=1e-4)
