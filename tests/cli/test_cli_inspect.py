"""`tabkd inspect`, and names that a terminal or rich would obey."""

import json
import warnings

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import PoissonRegressor
from sklearn.pipeline import make_pipeline

from tabkd import DistilledClassifier, DistilledRegressor, load
from tabkd._cli import terminal
from tabkd._cli.table_codes import TableCodes
from tabkd.students import AdditiveStudent, MLPStudent, TreeStudent
from tests.cli.commands import SMALL, refused, run, write

# Markup, an escape sequence, a change of direction, a line end, and one that is only long.
NAMES = ["speed [m/s]", "[/x]", "a\x1b[31mred", "left\u202eright", "two\nlines", "n" * 300, ":smile:"]
SHOWN = ["speed [m/s]", "[/x]", r"a\x1b[31mred", r"left\u202eright", r"two\nlines", "n" * 300, ":smile:"]
LEVELS = ["[red]", "b\x1b]0;title\x07", "c\u2066d"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A table and a model of strange names, levels and classes."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, len(NAMES))), columns=NAMES)
    frame["level"] = rng.choice(LEVELS, 200)
    y = np.where(frame["speed [m/s]"] > 0, "[bold]\x1b[1m", "NO")
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(5, random_state=0))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=300, random_state=0).fit(frame, y)
    path = tmp_path_factory.mktemp("hostile") / "m.onnx"
    model.measure_doubt(frame).to_onnx(path)
    return frame.assign(**{"y\x1b[2J": y}), path


def is_plain(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def test_inspect_shows_every_name_whole_and_obeys_none(hostile):
    output = run("inspect", hostile[1]).stdout
    assert is_plain(output)
    lines = output.splitlines()
    for shown in SHOWN:
        assert sum(f" {shown} " in line for line in lines) == 1, shown
    assert r"[red], b\x1b]0;title\x07, c\u2066d" in output
    assert r"NO, [bold]\x1b[1m" in output
    assert r"probability of [bold]\x1b[1m" in output


@pytest.mark.parametrize("width", [20, 60, 400])
def test_a_terminal_of_any_width_shows_every_name(hostile, monkeypatch, width):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "dumb")
    output = run("inspect", hostile[1]).stdout
    for shown in SHOWN:
        assert shown in output.replace("\x1b[0m", "").replace("\x1b[1m", ""), shown


def test_json_has_all_there_is(hostile):
    frame, path = hostile
    output = run("inspect", path, "--json").stdout
    assert output.isascii()
    assert is_plain(output)
    found = json.loads(output)
    exported = load(path)
    assert found["n_bytes"] == path.stat().st_size
    model = onnx.load(path)
    assert [entry["name"] for entry in found["inputs"]] == [entry.name for entry in model.graph.input]
    assert found["inputs"][0] == {"name": NAMES[0], "type": "FLOAT", "shape": [None, 1]}
    assert found["inputs"][-1] == {"name": "level", "type": "STRING", "shape": [None, 1]}
    assert found["outputs"] == [
        {"name": "label", "type": "STRING", "shape": [None]},
        {"name": "probabilities", "type": "FLOAT", "shape": [None, 2]},
    ]
    assert [column["name"] for column in found["columns"]] == [*NAMES, "level"]
    assert found["columns"][-1]["categories"] == sorted(LEVELS)
    assert found["columns"][0]["low"] == frame[NAMES[0]].min()
    assert {key: found[key] for key in exported.metadata} == json.loads(json.dumps(exported.metadata))


def test_types_and_levels_are_shown(distilled):
    output = run("inspect", distilled[0] / "student.onnx").stdout
    assert "probabilities FLOAT [n, 2]" in output
    assert "channel STRING" in output
    assert "online" in output
    assert "amount FLOAT" in output


def test_doubt_is_shown_by_bands(distilled):
    path = distilled[0] / "student.onnx"
    report = json.loads((distilled[0] / "report.json").read_text())
    assert json.loads(run("inspect", path, "--json").stdout)["doubt"] == report["doubt"]
    output = run("inspect", path).stdout
    assert "doubt: |student − teacher|, measured on 375 rows" in output
    assert "probability of yes" in output
    last = report["doubt"]["bands"][-1]
    cells = [f"from {report['doubt']['edges'][-1]:.4g}", str(last["rows"]), f"{last['99%']:.4g}"]
    assert any(all(f" {cell} " in line for cell in cells) for line in output.splitlines())


def test_doubt_that_was_not_measured_is_not_shown(tmp_path):
    frame = pd.DataFrame({"x": np.arange(100.0)})
    DistilledClassifier(RandomForestClassifier(3), student="tree", n_synthetic=100).fit(frame, frame["x"] > 50).to_onnx(
        tmp_path / "m.onnx"
    )
    assert "doubt" not in run("inspect", tmp_path / "m.onnx").stdout


def test_many_levels_are_counted(tmp_path):
    frame = pd.DataFrame({"shop": [f"shop {i % 40}" for i in range(400)], "x": np.arange(400.0)})
    frame["kind"] = np.tile(["a, b", "c"], 200)
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(3, random_state=0))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=100).fit(frame, frame["x"] > 200)
    model.to_onnx(tmp_path / "m.onnx")
    output = run("inspect", tmp_path / "m.onnx").stdout
    assert "40 categories: shop 0, shop 1," in output
    assert "2 categories: 'a, b', c" in output
    assert "(28 more; --json lists all)" in run("inspect", tmp_path / "m.onnx").stdout


def test_distill_and_score_obey_no_name(hostile, tmp_path):
    frame, path = hostile
    table = write(frame, tmp_path / "t.parquet")
    folder = tmp_path / "o\x1b[31m [b]ut"
    result = run("distill", table, "--target", "y\x1b[2J", "--output", folder, *SMALL)
    assert is_plain(result.stdout + result.stderr)
    assert r"'y\x1b[2J' has 2 values" in result.stdout
    assert r"o\x1b[31m [b]ut/student.onnx" in result.stdout
    bad = write(pd.concat([frame] * 4).assign(level="new"), tmp_path / "bad.parquet")
    result = run("score", path, bad, "--output", tmp_path / "o\x1b[1m.csv")
    assert is_plain(result.stdout + result.stderr)
    assert "Warning: column 'level'" in result.stderr
    message = refused("score", path, write(frame.drop(columns=NAMES[2]), tmp_path / "c.parquet"), "--output", "o.csv")
    assert is_plain(message)
    assert r"a\x1b[31mred" in message
    message = refused("distill", tmp_path / "no\x1b[2Jne.csv", "--target", "y", "--output", tmp_path / "x")
    assert r"no\x1b[2Jne.csv" in message


def test_a_warning_of_python_is_one_plain_line(capsys):
    with warnings.catch_warnings(), terminal.plain_warnings():
        warnings.simplefilter("always")
        shown = warnings.formatwarning("column a\x1b[31m\nb", UserWarning, "file.py", 1)
    assert shown == "UserWarning: column a\\x1b[31m b\n"
    assert warnings.formatwarning("x", UserWarning, "file.py", 1).startswith("file.py:1")


def test_the_link_of_a_regressor_is_shown(tmp_path):
    X = np.linspace(0, 1, 200)[:, None]
    shown = {
        "log": (PoissonRegressor(), X[:, 0] + 1, "link        log, predictions above zero"),
        "floor": (RandomForestRegressor(5, random_state=0), X[:, 0] + 1, "link        identity, predictions from 1.0"),
        "free": (RandomForestRegressor(5, random_state=0), X[:, 0] - 1, "link        identity\n"),
    }
    for name, (teacher, y, line) in shown.items():
        model = DistilledRegressor(teacher, student="tree", n_synthetic=300, random_state=0).fit(X, y)
        model.to_onnx(tmp_path / f"{name}.onnx")
        assert line in run("inspect", tmp_path / f"{name}.onnx").stdout


def test_columns_of_an_array_have_the_names_that_scoring_asks_for(tmp_path):
    X = np.random.default_rng(0).normal(size=(200, 2))
    teacher = RandomForestRegressor(3, monotonic_cst=[1, 0], random_state=0)
    model = DistilledRegressor(teacher, student="tree", n_synthetic=100, random_state=0).fit(X, X[:, 0])
    model.to_onnx(tmp_path / "m.onnx")
    assert load(tmp_path / "m.onnx").feature_names_in_.tolist() == ["x0", "x1"]
    output = run("inspect", tmp_path / "m.onnx").stdout
    assert " x0 " in output
    assert "increasing with x0" in output
    assert "x0 <= " in run("inspect", tmp_path / "m.onnx", "--rules").stdout


def test_rules_of_a_tree_are_printed_and_obeyed_by_no_terminal(hostile):
    output = run("inspect", hostile[1], "--rules").stdout
    assert is_plain(output)
    assert " rules" in output.splitlines()[0]
    assert r"probability of [bold]\x1b[1m" in output
    assert "speed [m/s] " in output
    rules = load(hostile[1]).metadata["rules"]
    assert rules["columns"][:3] == ["condition", "rows", "share"]
    assert sum(row[1] for row in rules["rows"]) == len(hostile[0])
    assert json.loads(run("inspect", hostile[1], "--json").stdout)["rules"] == rules


def test_a_scorecard_is_printed_with_a_table_for_each_pair(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"[red]": rng.uniform(size=1000), "b\x1b[31m": rng.choice(["[/x]", "y\x07"], 1000)})
    y = X["[red]"] * np.where(X["b\x1b[31m"] == "[/x]", 1, -1)
    teacher = make_pipeline(TableCodes(), RandomForestRegressor(5, random_state=0))
    student = AdditiveStudent(n_pairs=1, max_iter=5, random_state=0)
    DistilledRegressor(teacher, student=student, n_synthetic=300, random_state=0).fit(X, y).to_onnx(tmp_path / "m.onnx")
    output = run("inspect", tmp_path / "m.onnx", "--rules").stdout
    assert is_plain(output)
    columns, grid = output.split("Points of ")
    assert "(base)" in columns
    assert "column_2" not in columns
    assert r"b\x1b[31m (down) and [red] (across)" in grid or r"[red] (down) and b\x1b[31m (across)" in grid
    assert "[/x]" in grid


@pytest.mark.parametrize("student", [MLPStudent(max_iter=1), TreeStudent(max_leaf_nodes=None, min_samples_leaf=1)])
def test_a_file_without_rules_says_which_files_have_some(student, tmp_path):
    X = np.random.default_rng(0).normal(size=(3000, 3))
    model = DistilledRegressor(RandomForestRegressor(5, random_state=0), student=student, augmenter=None)
    model.fit(X, X[:, 0] + X[:, 1] * X[:, 2]).to_onnx(tmp_path / "m.onnx")
    assert "rules" not in load(tmp_path / "m.onnx").metadata
    message = refused("inspect", tmp_path / "m.onnx", "--rules")
    assert type(student).__name__ in message
    assert "--student tree or additive" in message
    assert "max_leaf_nodes" in message
