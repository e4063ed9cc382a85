"""`tabkd distill` with the file of a teacher."""

import json

import numpy as np
import pandas as pd
import pytest

from tabkd._cli.teachers import ready_teacher
from tests.cli.commands import SMALL, refused_later, run, write


@pytest.fixture(scope="session")
def numbers(frame):
    return frame[["amount", "hour", "amount_to_usual"]].assign(y=(frame["amount"] > 40).astype(int))


@pytest.fixture(scope="session")
def teacher_files(numbers, tmp_path_factory):
    import lightgbm
    import skops.io
    import xgboost
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("teachers")
    X, y = numbers.drop(columns="y"), numbers["y"]
    boosted = xgboost.XGBClassifier(n_estimators=10).fit(X, y)
    boosted.save_model(folder / "t.json")
    boosted.save_model(folder / "t.ubj")
    lightgbm.LGBMClassifier(n_estimators=10, verbosity=-1).fit(X, y).booster_.save_model(folder / "t.txt")
    forest = RandomForestClassifier(10, random_state=0).fit(X.to_numpy(np.float32), y)
    (folder / "t.onnx").write_bytes(to_onnx(forest, X.to_numpy(np.float32)[:1]).SerializeToString())
    skops.io.dump(forest, folder / "untrusted.skops")
    skops.io.dump(RandomForestClassifier(10, random_state=0).fit(X, y), folder / "forest.skops")
    skops.io.dump(LogisticRegression(max_iter=1000).fit(X, y), folder / "t.skops")
    (folder / "t.pkl").write_bytes(b"never opened")
    for name in ("broken.json", "broken.txt", "broken.onnx", "broken.skops"):
        (folder / name).write_bytes(b"broken")
    return folder


@pytest.mark.parametrize("name", ["t.json", "t.ubj", "t.txt", "t.onnx", "t.skops"])
def test_a_teacher_from_its_file(numbers, teacher_files, tmp_path, name):
    table = write(numbers, tmp_path / "t.parquet")
    arguments = ("--target", "y", "--teacher", teacher_files / name, "--output", tmp_path / "out")
    run("distill", table, *arguments, *SMALL)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["metrics"]["teacher"]["accuracy"] > 0.95
    assert "may have been fitted on the test rows" in report["warnings"][0]


def test_a_teacher_from_its_file_is_measured_on_rows_of_another_table(numbers, teacher_files, tmp_path):
    table, test = write(numbers, tmp_path / "t.parquet"), write(numbers[:100], tmp_path / "test.parquet")
    arguments = ("--target", "y", "--teacher", teacher_files / "t.json", "--output", tmp_path / "out")
    run("distill", table, "--test", test, *arguments, *SMALL)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert not any("fitted on the test rows" in warning for warning in report["warnings"])


def test_a_forest_of_skops_is_read_when_its_types_are_trusted(numbers, teacher_files, tmp_path):
    table = write(numbers, tmp_path / "t.parquet")
    arguments = ("--target", "y", "--teacher", teacher_files / "forest.skops", "--output", tmp_path / "out")
    trust = ("--trust", "sklearn.tree._tree.Tree")
    run("distill", table, *arguments, *trust, *SMALL)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["teacher"] == "RandomForestClassifier"


def test_labels_of_text_meet_the_codes_of_a_boosted_teacher(numbers, teacher_files, tmp_path):
    table = write(numbers.assign(y=numbers["y"].map({0: "low", 1: "top"})), tmp_path / "t.parquet")
    arguments = ("--target", "y", "--teacher", teacher_files / "t.json", "--output", tmp_path / "out")
    run("distill", table, *arguments, *SMALL)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["classes"] == ["low", "top"]


def test_categories_of_xgboost_are_matched_by_name(tmp_path):
    """XGBoost codes the levels in the order of the frame at fit; another order must not shuffle them."""
    import xgboost

    rng = np.random.default_rng(0)
    X = pd.DataFrame({"c": pd.Categorical(rng.choice(list("xyz"), 300), categories=list("zxy"))})
    y = (X["c"] == "x").astype(int)
    model = xgboost.XGBClassifier(n_estimators=10, enable_categorical=True).fit(X, y)
    model.save_model(tmp_path / "t.json")
    text = X.astype("str")
    teacher = ready_teacher(str(tmp_path / "t.json"), "classification", text, y, n_jobs=1, random_state=0)
    np.testing.assert_allclose(teacher.predict_proba(text), model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("t.pkl", "is a pickle"),
        ("untrusted.skops", "sklearn.tree._tree.Tree"),
        ("broken.json", "cannot read the teacher"),
        ("broken.txt", "is not a model"),
        ("broken.onnx", "cannot read the teacher"),
        ("broken.skops", "cannot read the teacher"),
        ("missing.json", "does not exist"),
        ("t.model", "has the suffix '.model'"),
        ("adaboost", "is not known"),
    ],
)
def test_teachers_that_are_refused(numbers, teacher_files, tmp_path, name, words):
    table = write(numbers, tmp_path / "t.parquet")
    teacher = teacher_files / name if "." in name else name
    out = tmp_path / "out"
    assert words in refused_later("distill", table, "--target", "y", "--teacher", teacher, "--output", out)
    assert not out.exists()


def test_a_teacher_of_other_classes_or_columns(numbers, teacher_files, frame, tmp_path):
    three = write(numbers.assign(y=np.arange(len(numbers)) % 3), tmp_path / "three.parquet")
    arguments = ("--target", "y", "--teacher", teacher_files / "t.json", "--output", tmp_path / "out")
    assert "knows [0, 1]" in refused_later("distill", three, *arguments)
    other = write(numbers.rename(columns={"hour": "time"}), tmp_path / "other.parquet")
    assert "'hour'" in refused_later("distill", other, *arguments)
    assert "classifier, but the task" in refused_later("distill", three, *arguments, "--task", "regression")
