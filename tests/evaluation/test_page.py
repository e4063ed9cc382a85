"""The page of a report: one file for each task and student, in which no text of a user becomes markup."""

import dataclasses
import json
import pickle
import re
from html import escape, unescape
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._javascript.text import javascript
from tabkd._page.tree import Node, tree
from tabkd.evaluation import ContributionDisplay, FidelityDisplay, _exhibits
from tabkd.evaluation._costs import costs
from tabkd.evaluation._memory import not_measured
from tabkd.evaluation._page import page as pages
from tests.small_students import small_students

HOSTILE = "</script><script>alert('x')</script>\"&<b>"
SMALL = small_students(
    mlp={"hidden_layer_sizes": (8,), "n_knots": 16, "max_iter": 20, "random_state": 0},
    additive={"n_knots": 24, "n_pairs": 1, "max_iter": 20, "random_state": 0},
    tree={"max_leaf_nodes": 12, "random_state": 0},
    boosted_trees={"n_estimators": 10, "random_state": 0},
)
UNKNOWN = dict.fromkeys(("teacher", "student"), not_measured("not asked"))
CARRIED = {"style", "script", "svg", "table", "form", "h1", "figure"}


class Elements(HTMLParser):
    """The elements of a page, and what their attributes refer to."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.links = [], []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]


def rows(n=900):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "amount": rng.lognormal(3, 1, n),
            "age": rng.integers(18, 80, n),
            "job": pd.Categorical(rng.choice(["Office", "Sales", "Field"], n)),
            "again": rng.random(n) < 0.3,
        }
    )
    X.loc[::9, "amount"] = np.nan
    return X, X["age"] / 20 + (X["job"] == "Sales") + rng.normal(size=n)


def hostile(X):
    X = X.rename(columns={"amount": HOSTILE})
    return X.assign(job=X["job"].cat.rename_categories({"Sales": HOSTILE}))


def classifier(student="tree", n_classes=2, change=lambda X: X, labels=("no", "yes", "maybe"), **params):
    X, signal = rows()
    X = change(X)
    y = np.array(labels)[pd.qcut(signal, n_classes, labels=False)]
    teacher = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    model = DistilledClassifier(teacher, student=SMALL[student], n_synthetic=300, random_state=0, **params)
    return model.fit(X[:600], y[:600]).report(X[600:], y[600:], timing=False, n_resamples=50)


def regressor(student="tree", targets=1):
    X, signal = rows()
    y = signal.to_numpy() if targets == 1 else np.column_stack([signal, -signal])
    numbers = X[["age", "again"]].astype(float)
    teacher = HistGradientBoostingRegressor(max_iter=10) if targets == 1 else RandomForestRegressor(5, random_state=0)
    model = DistilledRegressor(teacher, student=SMALL[student], n_synthetic=300, random_state=0)
    return model.fit(numbers[:600], y[:600]).report(numbers[600:], y[600:], timing=False, n_resamples=50)


def headings(content):
    return re.findall(r"<h2>(.*?)</h2>", content)


@pytest.mark.parametrize("student", SMALL)
def test_a_page_of_two_classes_has_every_section(student):
    report = classifier(student)
    content = report.to_html()
    assert set(Elements(content).tags) >= CARRIED
    found = headings(content)
    for title in ("Ensemble against student", "Try the student", "Student against teacher", "Classes"):
        assert title in found
    for title in ("Where they disagree most", "What makes up the scores", "What was done"):
        assert title in found
    assert ("The model itself" in found) == (student in ("additive", "tree"))
    assert content.count("<svg") >= 6


@pytest.mark.parametrize(
    ("verdict", "warnings", "title"),
    [
        ("distil", [], "Ship it."),
        ("distil", ["The file is not small."], "Ship it with care."),
        ("do not distil", [], "Do not distil."),
        ("cannot tell", [], "Cannot tell."),
    ],
)
def test_the_first_sentence_of_a_page_is_the_verdict_of_the_report(verdict, warnings, title):
    report = dataclasses.replace(classifier("tree"), verdict=verdict, warnings=warnings)
    assert re.search(r'<div class="verdict \w+"><b>(.*?)</b>', report.to_html())[1] == title


@pytest.mark.parametrize("student", SMALL)
def test_a_page_is_one_small_file_that_needs_no_network(student):
    content = classifier(student).to_html()
    assert len(content.encode()) < 400_000
    assert Elements(content).links == []
    assert not re.search(r"(https?:)?//[a-z]+\.[a-z]", re.sub(r"<script>.*?</script>", "", content, flags=re.DOTALL))
    assert "@import" not in content
    assert "url(" not in content


@pytest.mark.parametrize("make", [lambda: classifier(n_classes=3), regressor, lambda: regressor(targets=2)])
def test_other_tasks_have_a_page(make):
    report = make()
    content = report.to_html()
    assert "Ensemble against student" in headings(content)
    assert ("Student against teacher" in headings(content)) == (report.segments != [])


def test_no_name_or_level_or_class_becomes_markup():
    plain, attacked = classifier(), classifier(change=hostile, labels=("no", HOSTILE, "maybe"))
    for attribute in ("to_html", "_repr_html_"):
        expected, found = (Elements(getattr(report, attribute)()).tags for report in (plain, attacked))
        assert found.count("script") == expected.count("script")
        assert "b" not in set(found) - set(expected)
        assert found.count("b") == expected.count("b")


@pytest.mark.parametrize("student", ["additive", "tree"])
def test_no_name_or_level_becomes_markup_in_rules_and_figures(student):
    content = classifier(student, change=hostile).to_html()
    assert "alert(" in content
    assert "<script>alert" not in content


def test_a_notebook_shows_the_page_without_scripts():
    content = classifier()._repr_html_()
    assert "script" not in Elements(content).tags
    assert "Student against teacher" in headings(content)
    assert "Try the student" not in headings(content)


def test_the_page_is_written_whole(tmp_path):
    report = classifier()
    content = report.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == content
    assert json.loads(report.to_json(tmp_path / "report.json")) == json.loads((tmp_path / "report.json").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_the_frame_has_a_column_for_each_contestant():
    frame = classifier().to_frame()
    assert list(frame.columns) == ["teacher", "student", "prior"]
    assert "log_loss" in frame.index


def test_segments_find_where_the_student_is_wrong():
    """One level has an interaction, which a sum of functions of one column cannot have."""
    X, signal = rows(2000)
    y = (signal + 3 * (X["job"] == "Field") * np.sign(X["age"] - 50) > signal.median()).astype(int)
    teacher = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    model = DistilledClassifier(
        teacher, student=clone(SMALL["additive"]).set_params(n_pairs=0), random_state=0, n_synthetic=300
    )
    report = model.fit(X[:1400], y[:1400]).report(X[1400:], y[1400:], timing=False, n_resamples=50)
    first = report.segments[0]
    assert (first["column"], first["segment"]) == ("job", "Field")
    assert first["times"] > 1.2
    gaps = [abs(row["teacher"] - row["student"]) for row in report.worst_rows]
    all_gaps = np.abs(report.scores["teacher"] - report.scores["student"])[:, 1]
    assert gaps == pytest.approx(np.sort(all_gaps)[::-1][: len(gaps)])
    assert report.worst_rows[0]["values"]["age"] == X["age"].iloc[1400 + report.worst_rows[0]["row"]]


def test_monotone_columns_are_on_the_page():
    report = classifier("boosted_trees", monotonic_cst={"age": 1})
    assert report.monotone == {"age": 1}
    assert "Direction of columns" in headings(report.to_html())


def test_drift_of_test_rows_is_found():
    X, signal = rows()
    y = (signal > signal.median()).astype(int)
    teacher = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    model = DistilledClassifier(teacher, student=SMALL["tree"], n_synthetic=300, random_state=0).fit(X[:600], y[:600])
    moved = X[600:].assign(age=79)
    report = model.report(moved, y[600:], timing=False, n_resamples=50)
    indices = {name: part["stability_index"] for name, part in report.drift["columns"].items()}
    assert max(indices, key=indices.get) == "age"
    assert report.drift["columns"]["amount"]["missing"] == pytest.approx(1 / 9, abs=0.01)


def scaled(estimator):
    return make_pipeline(make_column_transformer((StandardScaler(), [0]), remainder="passthrough"), estimator)


@pytest.mark.parametrize("within", [lambda forest: forest, scaled], ids=["alone", "in a pipeline"])
@pytest.mark.parametrize("frozen", [lambda teacher: teacher, FrozenEstimator], ids=["fitted", "frozen"])
def test_costs_name_trees_and_packages(within, frozen):
    X, y = np.random.default_rng(0).normal(size=(200, 3)), np.arange(200) % 2
    teacher = within(RandomForestRegressor(7, max_depth=3)).fit(X, y)
    found = costs(frozen(teacher), 1000, UNKNOWN)
    assert found["teacher"]["trees"] == 7
    assert "scikit-learn" in found["teacher"]["packages"]
    assert found["teacher"]["bytes"] > 1000
    assert found["student"]["bytes"] == 1000


def test_a_teacher_that_cannot_be_pickled_has_no_bytes():
    class Teacher:
        answer = staticmethod(lambda X: X)

        def __reduce__(self):
            raise TypeError("no")

    found = costs(Teacher(), None, UNKNOWN)["teacher"]
    assert found == {"bytes": None, "packages": None, "trees": None, "memory": None, "memory_reason": "not asked"}


def test_the_command_of_the_page_does_it_again():
    report = classifier()
    assert report.provenance["settings"]["student"].startswith("TreeStudent")
    assert re.fullmatch("[0-9a-f]{64}", report.provenance["model"])
    assert report.provenance["versions"]["tabkd"]
    assert report.provenance["own_rows"]["source"] in ("teacher", "out-of-bag", "out-of-fold", "beside")
    assert report.provenance["own_rows"]["source"] in report.to_html()
    assert set(report.provenance["labelling"]) == {"n_rows", "n_wanted", "rows_per_second", "n_chosen"}
    assert "What the teacher labelled" in report.to_html()


def test_displays_draw_what_the_report_has():
    pytest.importorskip("matplotlib").use("Agg")
    report = classifier()
    display = FidelityDisplay.from_report(report).plot(gridsize=10)
    assert display.student == pytest.approx(report.scores["student"][:, 1])
    assert display.ax_.get_ylabel() == "student: probability of yes"
    values = SimpleNamespace(values=np.array([[1.0, -3.0], [1.0, 3.0]]), feature_names=["a", "b"])
    bars = ContributionDisplay.from_contributions(values).plot(max_display=1)
    assert (bars.names, bars.sizes.tolist()) == (["b", "a"], [3.0, 1.0])
    assert len(bars.ax_.patches) == 1


def test_displays_refuse_what_has_no_single_score():
    with pytest.raises(ValueError, match="several targets"):
        FidelityDisplay.from_report(regressor(targets=2))
    with pytest.raises(ValueError, match=r"shape \(2,\) and student \(3,\)"):
        FidelityDisplay.from_predictions([1, 2], [1, 2, 3])


def test_a_page_without_a_student_says_why():
    X, signal = rows()
    numbers = X[["age", "again"]].astype(float)
    student = SVR(C=0.5)
    model = DistilledRegressor(HistGradientBoostingRegressor(max_iter=5), student=student, n_synthetic=0)
    report = model.fit(numbers[:200], signal[:200]).report(numbers[600:], signal[600:], timing=False, n_resamples=20)
    content = report.to_html()
    assert "The student is not in this page: " in content
    assert "SVMRegressor" in content
    assert "script" not in Elements(content).tags


def test_what_does_not_fit_into_the_page_is_left_out_and_the_page_says_so(monkeypatch):
    report = classifier()
    content = report.to_html()
    assert "Its contributions are not in this page" not in content
    room = len(content.encode()) + 2_000
    script = len(javascript(report.exhibits.form["content"]))
    for less, says in ((3_000, "Its contributions are not in this page: with"), (script, "The student is not in this")):
        monkeypatch.setattr(pages, "LARGEST", room - less)
        content = report.to_html()
        assert says in content
        assert len(content.encode()) <= room - less
    assert "script" not in Elements(content).tags


def test_the_form_has_the_levels_of_its_examples(monkeypatch):
    monkeypatch.setattr(_exhibits, "_MOST_LEVELS", 1)
    known = classifier().exhibits.form
    field = next(column for column in known["columns"] if column["name"] == "job")
    assert {example["values"]["job"] for example in known["examples"]} <= {None, *field["levels"]}
    assert len(field["levels"]) == len(set(field["levels"]))


def test_what_only_a_page_shows_is_made_when_a_page_is_asked_for():
    report = classifier()
    assert list(vars(report.exhibits)) == ["_given"]
    core = report._repr_html_()
    assert "form" not in vars(report.exhibits)
    report.to_html()
    assert "form" in vars(report.exhibits)
    assert report._repr_html_() == core


def test_a_page_stays_as_it_was_when_the_model_is_fitted_again():
    X, signal = rows()
    y = (signal > signal.median()).astype(int)
    teacher = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    model = DistilledClassifier(teacher, student=SMALL["tree"], n_synthetic=300, random_state=0).fit(X[:600], y[:600])
    kept, again = (model.report(X[600:], y[600:], timing=False, n_resamples=20) for _ in range(2))
    expected = again.to_html()
    model.fit(X[300:][["age", "job"]], 1 - y[300:])
    assert kept.to_html() == expected


def test_a_pickled_report_has_the_page_and_not_the_model():
    report = classifier()
    again = pickle.loads(pickle.dumps(report))
    assert "_given" not in vars(again.exhibits)
    assert again.to_html() == report.to_html()


@pytest.mark.parametrize("make", [classifier, lambda: classifier(n_classes=3), regressor])
def test_a_tree_is_drawn_with_its_splits_and_answers(make):
    report = make()
    drawn = report.exhibits.tree["nodes"]
    assert drawn[0].share == 1
    leaves = [node for node, after in zip(drawn, [*drawn[1:], drawn[0]], strict=True) if after.depth <= node.depth]
    assert sum(node.share for node in leaves) == pytest.approx(1)
    content = report.to_html()
    svg = re.search('<div class="wide tree">(.*?)</div>', content, re.DOTALL)[1]
    assert svg.count("<path") > len(drawn) - 2
    assert all(escape(node.answer) in svg for node in leaves)


def test_a_large_tree_is_drawn_as_far_as_most_rows_go():
    nodes = [Node(depth, f"split {depth}", 0.5**depth, "yes", 0.5) for depth in range(12)]
    chain = [part for node in nodes for part in (node, node._replace(by="leaf", depth=node.depth + 1))]
    svg = tree([nodes[0], *chain[1:]], "yes or no")
    assert "split 7" in svg
    assert "split 8" not in svg
    assert "yes …" in svg


def test_pairs_of_columns_are_maps_of_their_points():
    report = classifier("additive")
    columns, values = report.exhibits.rules["columns"], report.exhibits.rules["values"]
    cells = [row for row in zip(*values, strict=True) if dict(zip(columns, row, strict=True))["column_2"] is not None]
    content = report.to_html()
    assert len(cells) > 0
    assert len(re.findall("<rect [^>]*><title>", content)) == len(cells)
    assert "Points of both columns together" in content


def test_worth_is_a_share_in_percent():
    report = classifier()
    report.review[0]["worth"] |= {"same": 0.125, "come": None, "go": 0.5}
    content = report.to_html()
    assert "<td>12.5%</td><td>–</td><td>50.0%</td>" in content


def test_the_page_says_the_reason_of_the_verdict_and_not_its_title_again():
    report = classifier()
    assert report.advice.endswith(report.why)
    shown = re.search('<div class="verdict care">(.*?)</div>', report.to_html(), re.DOTALL)[1]
    assert report.why[1:] in unescape(shown)
    assert report.advice[:30] not in unescape(shown)
