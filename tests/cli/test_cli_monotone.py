"""`tabkd distill --increasing --decreasing`, and what `tabkd inspect` shows of it."""

import json

import lightgbm
import numpy as np
import pandas as pd
import pytest

from tabkd import load
from tests.cli.commands import SMALL, refused, refused_later, run, write


@pytest.fixture(scope="module")
def loans(tmp_path_factory):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"income": rng.lognormal(size=900), "debt level": rng.normal(size=900)})
    frame["age"] = rng.integers(18, 80, 900).astype(float)
    frame["town"] = rng.choice(["A", "B"], 900)
    risk = frame["debt level"] - np.log(frame["income"]) + np.sin(frame["age"]) + rng.normal(size=900)
    frame["default"] = np.where(risk > 0, "yes", "no")
    return write(frame, tmp_path_factory.mktemp("loans") / "loans.parquet")


def breaks(path, column, sign) -> float:
    exported = load(path)
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"income": rng.lognormal(size=50), "debt level": rng.normal(size=50), "age": 30.0, "town": "A"})
    grid = np.linspace(-3, 60, 40)
    moved = rows.loc[np.repeat(rows.index, 40)].assign(**{column: np.tile(grid, 50)})
    return float((-sign * np.diff(exported.predict_proba(moved)[:, 1].reshape(50, 40), axis=1)).max())


CONSTRAINED = ("--decreasing", "income", "--increasing", "debt level", "--increasing", "age")


@pytest.mark.parametrize("teacher", ["ensemble", "lightgbm", "xgboost", "hist-gradient-boosting", "random-forest"])
def test_distill_keeps_the_directions_and_inspect_shows_them(loans, tmp_path, teacher):
    run("distill", loans, "--target", "default", "--teacher", teacher, "--output", tmp_path, *CONSTRAINED, *SMALL)
    student = tmp_path / "student.onnx"
    for column, sign in (("income", -1), ("debt level", 1), ("age", 1)):
        assert breaks(student, column, sign) <= 1e-6
    shown = run("inspect", student).stdout
    assert "monotone    proved: increasing with debt level, age; decreasing with income" in shown
    assert json.loads(run("inspect", student, "--json").stdout)["monotone"] == {"increasing": [1, 2], "decreasing": [0]}


def test_a_model_without_constraints_says_nothing_of_them(distilled):
    assert "monotone" not in run("inspect", distilled[0] / "student.onnx").stdout


@pytest.fixture(scope="module")
def teacher_file(loans, tmp_path_factory):
    """A LightGBM of two columns in another order, which writes the space of a name as an underscore."""
    frame = pd.read_parquet(loans)
    model = lightgbm.LGBMClassifier(n_estimators=20, monotone_constraints=[1, -1], verbosity=-1)
    model.fit(frame[["debt level", "income"]], frame["default"] == "yes")
    path = tmp_path_factory.mktemp("teacher") / "teacher.txt"
    model.booster_.save_model(path)
    return path


def test_the_constraints_of_a_teachers_file_reach_the_student(loans, teacher_file, tmp_path):
    run("distill", loans, "--target", "default", "--teacher", teacher_file, "--output", tmp_path, *SMALL)
    assert load(tmp_path / "student.onnx").metadata["monotone"] == {"increasing": [1], "decreasing": [0]}


def test_constraints_against_those_of_a_teachers_file_are_refused(loans, teacher_file, tmp_path):
    arguments = ("distill", loans, "--target", "default", "--teacher", teacher_file, "--output", tmp_path, *SMALL)
    message = refused_later(*arguments, "--increasing", "income")
    assert "--increasing of column 'income' is 1 (rising), but the teacher was fitted with -1" in message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--increasing", "salary"), "--increasing 'salary' is not a column of"),
        (("--increasing", "Incom"), "did you mean 'income'?"),
        (("--decreasing", "age", "--drop", "age"), "--decreasing 'age' is left out by --drop"),
        (("--decreasing", "age", "--time-column", "age"), "--decreasing 'age' is the column of --time-column"),
        (("--increasing", "default"), "--increasing 'default' is the target"),
        (("--decreasing", "town"), "--decreasing constrains column 'town', which is categorical"),
    ],
)
def test_directions_that_mean_nothing_are_refused(loans, tmp_path, options, words):
    message = refused_later("distill", loans, "--target", "default", "--output", tmp_path, *options, *SMALL)
    assert words in message
    assert not list(tmp_path.iterdir())


def test_a_column_does_not_rise_and_fall(loans, tmp_path):
    options = ("--increasing", "age", "--decreasing", "age")
    message = refused("distill", loans, "--target", "default", "--output", tmp_path, *options, *SMALL)
    assert "--increasing and --decreasing both name 'age'; give one of them." in message


def test_three_classes_have_no_direction(loans, tmp_path):
    frame = pd.read_parquet(loans).assign(
        group=lambda d: pd.cut(d["age"], 3, labels=["young", "mid", "old"]).astype(str)
    )
    table = write(frame, tmp_path / "three.parquet")
    message = refused_later(
        "distill", table, "--target", "group", "--output", tmp_path / "x", "--increasing", "income", *SMALL
    )
    assert "needs two classes or one target, but there are 3 classes" in message
