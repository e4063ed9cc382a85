"""The commands from end to end on small tables, and every mistake that the command line can be given."""

import functools
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tabkd
from tabkd.cli import app
from tabkd.cli.teachers import TeacherName, ready_teacher
from tabkd.datasets import make_card_transactions
from tabkd.evaluation import timing

SMALL = ("--student", "tree", "--n-synthetic", "500", "--jobs", "1")


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def refused(*arguments, code=1):
    """The one line on stderr."""
    result = run(*arguments, code=code)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    if code != 2:
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture(scope="session", autouse=True)
def quick_timing():
    """Measure speed for an instant: what is tested is that it is reported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "speed", functools.partial(timing.speed, seconds=0.01))
        yield


@pytest.fixture(scope="session")
def frame():
    return make_card_transactions(1500, random_state=0).assign(
        fraud=lambda d: np.where((d["channel"] == "online") & (d["amount"] > 30), "yes", "no")
    )


@pytest.fixture(scope="session")
def table(frame, tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "payments.parquet"
    frame.to_parquet(path)
    return path


@pytest.fixture(scope="session")
def distilled(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("distilled") / "new" / "folder"
    result = run("distill", table, "--target", "fraud", "--time-column", "time_days", "--output", folder, *SMALL)
    return folder, result.stdout


def write(frame, path):
    frame.to_parquet(path, index=False) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def test_help_names_every_command():
    output = run("--help").stdout
    assert all(command in output for command in ("distill", "score", "inspect", "demo"))


def test_the_installed_command_runs():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tabkd.cli import app; app()",
            "score",
            "none.onnx",
            "t.csv",
            "--output",
            "o.csv",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "none.onnx" in done.stderr


# --- distill


def test_distill_writes_the_student_and_its_report(distilled):
    folder, output = distilled
    assert sorted(path.name for path in folder.iterdir()) == ["report.json", "student.onnx"]
    report = json.loads((folder / "report.json").read_text())
    assert set(report["metrics"]) == {"teacher", "student", "hard", "small", "prior"}
    assert report["n_bytes"] == (folder / "student.onnx").stat().st_size
    assert report["parity"]["max_difference"] < 1e-5
    assert report["speed"]["ratio"] > 0
    assert {"skill_kept", "recovered_gap", "fidelity", "advice"} <= set(report)
    assert report["classes"] == ["no", "yes"]
    for words in ("skill kept", "hard-label", "latest 375 rows", "classification"):
        assert words in output


def test_the_time_column_is_no_feature(distilled):
    scorer = tabkd.load(distilled[0] / "student.onnx")
    assert "time_days" not in list(scorer.feature_names_in_)


@pytest.mark.parametrize("name", sorted(set(TeacherName) - {"ensemble"}))
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


def test_a_class_of_one_row_is_learnt_from(frame, tmp_path):
    labels = frame["fraud"].where(frame.index != 7, "once")
    table = write(frame.assign(fraud=labels), tmp_path / "t.parquet")
    run("distill", table, "--target", "fraud", "--output", tmp_path, "--teacher", "random-forest", *SMALL)
    assert tabkd.load(tmp_path / "student.onnx").classes_.tolist() == ["no", "once", "yes"]


# --- distill with the file of a teacher


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


def refused_later(*arguments):
    """The one line on stderr of a command that has said on stdout what it was about to do."""
    result = run(*arguments, code=1)
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_a_teacher_of_other_classes_or_columns(numbers, teacher_files, frame, tmp_path):
    three = write(numbers.assign(y=np.arange(len(numbers)) % 3), tmp_path / "three.parquet")
    arguments = ("--target", "y", "--teacher", teacher_files / "t.json", "--output", tmp_path / "out")
    assert "knows [0, 1]" in refused_later("distill", three, *arguments)
    other = write(numbers.rename(columns={"hour": "time"}), tmp_path / "other.parquet")
    assert "'hour'" in refused_later("distill", other, *arguments)
    assert "classifier, but the task" in refused_later("distill", three, *arguments, "--task", "regression")


# --- distill with what cannot be distilled


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"fraud": "no"}, "'fraud' has one class only, 'no'"),
        ({"fraud": lambda d: d["fraud"].where(d.index != 3)}, "'fraud' is missing in 1 of 1,500 rows"),
        ({"amount": lambda d: d["amount"].where(d.index != 3, np.inf)}, "'amount' contains infinity"),
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
    assert "amount" in message


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
    assert "boosted_trees" in refused(*common, "--student", "forest", code=2)


def test_an_unwritable_output_fails_before_the_work(table, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tabkd.cli.distill.run", lambda *_: pytest.fail("it went to work"))
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


# --- score


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("output_suffix", [".parquet", ".csv"])
def test_score_is_what_the_scorer_says(distilled, frame, tmp_path, suffix, output_suffix):
    model = distilled[0] / "student.onnx"
    table, out = write(frame, tmp_path / f"t{suffix}"), tmp_path / f"out{output_suffix}"
    result = run("score", model, table, "--output", out, "--keep", "amount", "--batch-size", "400")
    assert "1,500 rows in, 1,500 rows out" in result.stdout
    scores = pd.read_parquet(out) if output_suffix == ".parquet" else pd.read_csv(out)
    assert list(scores.columns) == ["amount", "prediction", "probability_no", "probability_yes"]
    scorer = tabkd.load(model)
    expected = scorer.predict_proba(frame[list(scorer.feature_names_in_)])
    np.testing.assert_allclose(scores[["probability_no", "probability_yes"]], expected, atol=1e-6)
    np.testing.assert_array_equal(scores["amount"], frame["amount"])
    np.testing.assert_array_equal(scores["prediction"], scorer.classes_[expected.argmax(axis=1)])


def test_text_that_looks_like_numbers_stays_text(frame, tmp_path):
    codes = frame["terminal"].str[1:].str.zfill(6)
    train = write(frame.assign(terminal=codes), tmp_path / "t.parquet")
    run("distill", train, "--target", "fraud", "--output", tmp_path, *SMALL)
    later = frame.assign(terminal=codes)[:300]
    outs = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path, out in zip((tmp_path / "s.parquet", tmp_path / "s.csv"), outs, strict=True):
        run("score", tmp_path / "student.onnx", write(later, path), "--output", out, "--keep", "terminal")
    first, second = (pd.read_parquet(out) for out in outs)
    pd.testing.assert_frame_equal(first, second)


def test_score_of_a_regression(frame, tmp_path):
    table = write(frame, tmp_path / "t.parquet")
    run("distill", table, "--target", "amount", "--output", tmp_path, "--teacher", "lightgbm", *SMALL)
    run("score", tmp_path / "student.onnx", table, "--output", tmp_path / "out.parquet")
    scores = pd.read_parquet(tmp_path / "out.parquet")
    assert list(scores.columns) == ["prediction"]
    assert scores["prediction"].notna().all()


def test_scores_that_cannot_be_made(distilled, frame, tmp_path):
    model = distilled[0] / "student.onnx"
    table, out = write(frame, tmp_path / "t.parquet"), tmp_path / "out.parquet"
    assert "suffix '.txt'" in refused("score", model, table, "--output", tmp_path / "out.txt")
    assert "does not exist" in refused("score", model, tmp_path / "none.csv", "--output", out)
    assert "--keep 'froud'" in refused("score", model, table, "--output", out, "--keep", "froud")
    short = write(frame.drop(columns="hour"), tmp_path / "short.csv")
    assert "has no column 'hour'" in refused("score", model, short, "--output", out)
    assert "choose another file" in refused("score", model, table, "--output", table)
    wrong = write(frame.assign(amount=frame["amount"].astype(str) + " EUR"), tmp_path / "wrong.csv")
    assert "EUR" in refused("score", model, wrong, "--output", out, code=3)
    assert "cannot write" in refused("score", model, table, "--output", tmp_path / "no" / "out.csv")
    clash = write(frame.assign(prediction=1), tmp_path / "clash.parquet")
    assert "'prediction'" in refused("score", model, clash, "--output", out, "--keep", "prediction")
    assert not out.exists()
    assert not list(tmp_path.glob(".*"))


def test_infinite_values_late_in_a_table_leave_no_scores(distilled, frame, tmp_path):
    table = write(frame.assign(amount=frame["amount"].where(frame.index < 1400, np.inf)), tmp_path / "t.parquet")
    out = tmp_path / "out.parquet"
    out.write_text("what was there before")
    message = refused("score", distilled[0] / "student.onnx", table, "--output", out, "--batch-size", "100", code=3)
    assert "row 1,400: column 'amount' is 'inf': infinite" in message
    assert out.read_text() == "what was there before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "t.parquet"]


@pytest.mark.parametrize("command", ["score", "inspect"])
def test_models_that_are_none(frame, tmp_path, command):
    import onnx

    table = write(frame, tmp_path / "t.parquet")
    rest = (table, "--output", tmp_path / "out.parquet") if command == "score" else ()
    assert "none.onnx" in refused(command, tmp_path / "none.onnx", *rest)
    (tmp_path / "corrupt.onnx").write_bytes(b"\x00 corrupt")
    assert "corrupt.onnx" in refused(command, tmp_path / "corrupt.onnx", *rest)
    info = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [info], [out])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "foreign.onnx")
    assert "foreign.onnx" in refused(command, tmp_path / "foreign.onnx", *rest)


# --- inspect and demo


def test_inspect_shows_columns_and_origin(distilled):
    output = run("inspect", distilled[0] / "student.onnx").stdout
    for words in ("classification", "no, yes", "skill kept", "KB", tabkd.__version__, "17 columns", "amount"):
        assert words in output


@pytest.mark.slow
def test_demo_goes_the_whole_way(tmp_path):
    output = run("demo", "--rows", "6000", "--output", tmp_path / "demo").stdout
    assert "Kept:" in output
    assert "Gained:" in output
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {"payments.parquet", "student.onnx", "report.json", "scores.parquet"}
