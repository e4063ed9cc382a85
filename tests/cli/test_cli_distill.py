"""`tabkd distill` from end to end, and what cannot be distilled."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import tabkd
from tabkd._cli.distill import StudentName
from tabkd._cli.teachers import TEACHERS, ready_teacher
from tabkd.students import STUDENTS
from tests.cli.commands import SMALL, refused, refused_later, run, write


def test_distill_writes_the_student_and_its_report(distilled):
    folder, output = distilled
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "student.onnx"]
    report = json.loads((folder / "report.json").read_text())
    assert set(report["metrics"]) == {"teacher", "student", "hard", "small", "prior"}
    assert report["n_bytes"] == (folder / "student.onnx").stat().st_size
    assert report["parity"]["max_difference"] < 1e-5
    assert report["speed"]["ratio"] > 0
    assert {"skill_kept", "recovered_gap", "fidelity", "advice"} <= set(report)
    assert report["classes"] == ["no", "yes"]
    for words in ("skill kept", "hard-label", "latest 375 rows", "classification"):
        assert words in output


def test_the_graph_is_built_and_proven_once(table, tmp_path, monkeypatch):
    from tabkd._export import build

    calls = []

    def counted(function):
        def call(*args):
            calls.append(function.__name__)
            return function(*args)

        return call

    for name in ("build", "check_parity"):
        monkeypatch.setattr(build, name, counted(getattr(build, name)))
    run("distill", table, "--target", "fraud", "--output", tmp_path, "--teacher", "lightgbm", *SMALL)
    assert calls == ["build", "check_parity"]
    report = json.loads((tmp_path / "report.json").read_text())
    metadata = tabkd.load(tmp_path / "student.onnx").metadata
    assert (metadata["skill_kept"], metadata["skill_metric"]) == (report["skill_kept"], report["metric"])


def test_the_time_column_is_no_feature(distilled):
    exported = tabkd.load(distilled[0] / "student.onnx")
    assert "time_days" not in list(exported.feature_names_in_)


@pytest.mark.parametrize("name", sorted(set(TEACHERS) - {"ensemble"}))
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_named_teacher_takes_any_table(frame, name, task):
    """Text, categories, nullable numbers, true and false, a column without a value, levels never seen."""
    X = frame.drop(columns=["fraud", "time_days"]).assign(
        channel=frame["channel"].astype("category"), hour=frame["hour"].astype("Int64"), nothing=np.nan
    )
    y = (frame["fraud"] == "yes").astype(int) if task == "classification" else frame["amount"]
    teacher = ready_teacher(name, task, X, y, n_jobs=1, random_state=0)
    small = {"model__max_iter": 20} if name.startswith("hist") else {"model__n_estimators": 20}
    teacher.set_params(**small).fit(X[:1000], y[:1000])
    assert teacher.score(X[1000:].assign(country="XX"), y[1000:]) > 0.5


def test_a_named_teacher_is_distilled(table, tmp_path):
    run("distill", table, "--target", "fraud", "--teacher", "lightgbm", "--output", tmp_path / "out", *SMALL)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["teacher"] == "LGBMClassifier"
    assert report["metrics"]["teacher"]["roc_auc"] > 0.9


def test_regression_is_found_and_columns_are_dropped(frame, tmp_path):
    table = write(frame, tmp_path / "t.csv")
    arguments = (
        "--target",
        "amount",
        "--drop",
        "merchant",
        "--drop",
        "terminal",
        "--output",
        tmp_path / "out",
    )
    output = run("distill", table, *arguments, "--teacher", "lightgbm", *SMALL).stdout
    assert "Task: regression, since 'amount'" in output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["task"] == "regression"
    assert report["n_features"] == frame.shape[1] - 3
    assert 0 < report["metrics"]["teacher"]["r2"] <= 1


def test_a_test_file_and_a_task_of_ones_own(frame, tmp_path):
    train, test = write(frame[:1000], tmp_path / "a.parquet"), write(frame[1000:], tmp_path / "b.csv")
    arguments = ("--target", "hour", "--test", test, "--task", "regression", "--teacher", "random-forest")
    run("distill", train, *arguments, "--output", tmp_path, *SMALL)
    assert json.loads((tmp_path / "report.json").read_text())["n_test"] == 500


def test_the_same_seed_gives_the_same_student(table, tmp_path):
    for name in ("a", "b"):
        run(
            "distill",
            table,
            "--target",
            "fraud",
            "--teacher",
            "lightgbm",
            "--output",
            tmp_path / name,
            *SMALL,
        )
    first, second = (tabkd.load(tmp_path / name / "student.onnx") for name in ("a", "b"))
    rows = pd.read_parquet(table)[list(first.feature_names_in_)]
    np.testing.assert_array_equal(first.predict_proba(rows), second.predict_proba(rows))


def test_a_teacher_without_time_labels_few_rows_and_the_report_says_so(table, tmp_path):
    options = ("--teacher", "lightgbm", "--student", "tree", "--n-jobs", "1", "--max-label-seconds", "0.000001")
    run("distill", table, "--target", "fraud", "--output", tmp_path, *options)
    labelling = json.loads((tmp_path / "report.json").read_text())["provenance"]["labelling"]
    assert (labelling["n_rows"], labelling["n_wanted"]) == (1000, 40_000)
    assert labelling["rows_per_second"] > 0


def test_a_class_of_one_row_is_learnt_from(frame, tmp_path):
    labels = frame["fraud"].where(frame.index != 7, "once")
    table = write(frame.assign(fraud=labels), tmp_path / "t.parquet")
    run("distill", table, "--target", "fraud", "--output", tmp_path, "--teacher", "random-forest", *SMALL)
    assert tabkd.load(tmp_path / "student.onnx").classes_.tolist() == ["no", "once", "yes"]


# What cannot be distilled


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"fraud": "no"}, "'fraud' has one class only, 'no'"),
        ({"fraud": lambda d: d["fraud"].where(d.index != 3)}, "'fraud' is missing in 1 of 1,500 rows"),
        ({"amount": lambda d: d["amount"].where(d.index != 3, np.inf)}, "'amount' is inf in row 3"),
        ({"card_age_days": pd.Timestamp("2026-01-01")}, "'card_age_days'"),
        ({"merchant": lambda d: [[1]] * len(d)}, "'merchant'"),
    ],
)
def test_spoilt_columns_are_named(frame, tmp_path, columns, words):
    table = write(frame.assign(**columns), tmp_path / "t.parquet")
    out = tmp_path / "out"
    assert words in refused("distill", table, "--target", "fraud", "--output", out)
    assert not out.exists()


def test_infinite_and_textual_targets_of_a_regression(frame, tmp_path):
    table = write(frame.assign(amount=np.inf), tmp_path / "t.parquet")
    assert "infinite" in refused("distill", table, "--target", "amount", "--output", tmp_path / "out")
    arguments = ("--target", "fraud", "--task", "regression", "--output", tmp_path / "out")
    assert "a regression needs numbers" in refused("distill", table, *arguments)


@pytest.mark.parametrize("option", ["--target", "--drop", "--time-column"])
def test_columns_that_are_not_there(table, tmp_path, option):
    target = () if option == "--target" else ("--target", "fraud")
    message = refused("distill", table, option, "froud", *target, "--output", tmp_path / "out")
    assert f"{option} 'froud' is not a column" in message
    assert "did you mean 'fraud'?" in message


def test_test_rows_of_classes_and_columns_that_training_lacks(frame, tmp_path):
    train = write(frame, tmp_path / "a.parquet")
    common = ("--target", "fraud", "--output", tmp_path / "out")
    test = write(frame.assign(fraud="maybe"), tmp_path / "b.parquet")
    assert "['maybe'] in the test rows only" in refused("distill", train, *common, "--test", test)
    test = write(frame.drop(columns="hour"), tmp_path / "c.parquet")
    assert "hour" in refused("distill", train, *common, "--test", test)
    both = ("--test", test, "--time-column", "time_days")
    assert "give one of them" in refused("distill", train, *common, *both)


def test_time_columns_without_an_order(frame, tmp_path):
    table = write(frame.assign(day="31/12/2025"), tmp_path / "t.parquet")
    arguments = ("--target", "fraud", "--output", tmp_path / "out", "--time-column")
    assert "no order in time" in refused("distill", table, *arguments, "day")
    assert "'currency'" in refused("distill", table, *arguments, "currency")


def test_tables_that_cannot_be_read(frame, tmp_path):
    common = ("--target", "fraud", "--output", tmp_path / "out")
    assert "does not exist" in refused("distill", tmp_path / "none.parquet", *common)
    assert "suffix '.xlsx'" in refused("distill", tmp_path / "table.xlsx", *common)
    (tmp_path / "folder.csv").mkdir()
    assert "is not a file" in refused("distill", tmp_path / "folder.csv", *common)
    corrupt = tmp_path / "corrupt.parquet"
    corrupt.write_bytes(b"PAR1 not really")
    assert "as Parquet" in refused("distill", corrupt, *common)
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("a,fraud\n1,no\n2\n")
    assert "as CSV" in refused("distill", ragged, *common)
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    assert "empty" in refused("distill", empty, *common).lower()
    header = tmp_path / "header.csv"
    header.write_text("a,fraud\n")
    assert "0 rows" in refused("distill", header, *common)
    twice = tmp_path / "twice.csv"
    twice.write_text("a,a,fraud\n1,2,no\n")
    assert "more than one column named 'a'" in refused("distill", twice, *common)
    alone = write(frame[["fraud"]], tmp_path / "alone.parquet")
    assert "no column is left" in refused("distill", alone, *common)
    assert not (tmp_path / "out").exists()


def test_options_out_of_range_are_usage_errors(table, tmp_path):
    common = ("distill", table, "--target", "fraud", "--output", tmp_path / "out")
    assert "0.9" in refused(*common, "--test-size", "1.5", code=2)
    message = refused(*common, "--student", "forest", code=2)
    assert "'forest' is not a student" in message
    assert all(name in message for name in STUDENTS)


def test_students_and_teachers_of_the_registries_are_the_choices(monkeypatch):
    """Another student is known to the command as soon as it is to the library."""
    text = run("distill", "--help").stdout
    assert "|".join(STUDENTS) in text
    assert all(name in text for name in TEACHERS)
    monkeypatch.setitem(STUDENTS, "forest", STUDENTS["tree"])
    assert StudentName().convert("forest", None, None) == "forest"


def test_the_names_of_students_cost_no_library_that_trains():
    code = "import sys, tabkd._cli.distill; print({'jax', 'lightgbm', 'xgboost'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_an_unwritable_output_fails_before_the_work(table, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tabkd._cli.distill.run", lambda *_: pytest.fail("it went to work"))
    message = refused("distill", table, "--target", "fraud", "--output", tmp_path / "file" / "out")
    assert "--output" in message
    assert "cannot be written to" in message


def test_a_disk_that_fills_up_leaves_nothing_behind(table, tmp_path, monkeypatch):
    import errno
    import os

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    out = tmp_path / "out"
    arguments = ("--target", "fraud", "--output", out, "--teacher", "lightgbm")
    message = refused_later("distill", table, *arguments, *SMALL)
    assert "No space left" in message
    assert not out.exists()
