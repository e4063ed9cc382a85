"""`tabkd compare`: students, teachers' files and columns of scores against a student."""

import json

import pytest

import tabkd
from tests.cli.commands import SMALL, refused, run, write


@pytest.fixture(scope="module")
def student(distilled):
    return distilled[0] / "student.onnx"


@pytest.fixture(scope="module")
def other(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    options = ("--teacher", "lightgbm", *SMALL)
    run("distill", table, "--target", "fraud", "--drop", "time_days", "--output", folder, *options)
    return folder / "student.onnx"


def test_two_students_are_compared_in_tables(student, other, table):
    output = run("compare", student, other, table, "--segment", "channel", "--review", "0.1").stdout
    assert f"{str(other)!r} in place of {str(student)!r}" in output
    for part in ("threshold of old", "PSI of scores", "speed of new", "by channel", "alerts of old at 0.1", "online"):
        assert part in output


def test_json_has_all_of_it(student, other, table):
    found = json.loads(run("compare", student, other, table, "--review", "0.1", "--json").stdout)
    assert found["n_rows"] == 1500
    assert found["review"][0]["alerts"] == 150
    assert found["review"] == tabkd.compare(student, other, [table], review=[0.1], timing=False).review


@pytest.mark.parametrize("suffix", [".txt", ".json"])
def test_the_file_of_a_teacher_is_compared_with_its_student(frame, tmp_path, suffix):
    import lightgbm
    import xgboost

    X, y = frame[["amount", "hour", "amount_to_usual"]], (frame["fraud"] == "yes").astype(int)
    table = write(X.assign(fraud=frame["fraud"]), tmp_path / "rows.parquet")
    if suffix == ".txt":
        teacher = lightgbm.LGBMClassifier(n_estimators=10, n_jobs=1, verbosity=-1).fit(X, y)
        teacher.booster_.save_model(tmp_path / "t.txt")
    else:
        teacher = xgboost.XGBClassifier(n_estimators=10, n_jobs=1).fit(X, y)
        teacher.save_model(tmp_path / "t.json")
    path = tmp_path / f"t{suffix}"
    run("distill", table, "--target", "fraud", "--teacher", path, "--output", tmp_path / "out", *SMALL)
    new = tmp_path / "out" / "student.onnx"
    found = json.loads(run("compare", path, new, table, "--review", "0.1", "--json").stdout)
    with_scores = write(X.assign(before=teacher.predict_proba(X)[:, 1]), tmp_path / "scores.parquet")
    by_column = json.loads(run("compare", "column:before", new, with_scores, "--review", "0.1", "--json").stdout)
    assert found["review"][0]["same"] == pytest.approx(by_column["review"][0]["same"], abs=1)
    assert found["differences"]["mean"] == pytest.approx(by_column["differences"]["mean"], abs=1e-6)
    assert found["old"] == {".txt": "LightGBM", ".json": "XGBoost"}[suffix]


def test_what_is_no_model_is_refused_with_what_would_be(student, table, tmp_path):
    assert "OLD is 'score': it is the .onnx file of a student" in refused("compare", "score", student, table)
    assert "OLD 'model.pkl' is a pickle" in refused("compare", "model.pkl", student, table)
    assert "no.onnx" in refused("compare", tmp_path / "no.onnx", student, table)
    (tmp_path / "broken.onnx").write_bytes(b"\xff\xff")
    assert "broken.onnx" in refused("compare", tmp_path / "broken.onnx", student, table)


def test_a_threshold_in_use_gets_one_that_keeps_its_volume(student, other, table):
    found = json.loads(run("compare", student, other, table, "--threshold", "0.5", "--json").stdout)
    (entry,) = found["review"]
    assert entry["old_threshold"] >= 0.5
    assert "--threshold 2" in refused("compare", student, other, table, "--threshold", "2")


def test_messages_name_the_options_of_the_command(student, table):
    assert "--segment 'city' is not a column" in refused("compare", student, student, table, "--segment", "city")
    assert "--review" in refused("compare", student, student, table, "--review", "2", code=2)


def test_the_page_has_every_part_of_the_comparison(student, other, table, tmp_path):
    path = tmp_path / "compare.html"
    run("compare", student, other, table, "--segment", "channel", "--review", "0.1", "--html", path)
    content = path.read_text(encoding="utf-8")
    for title in ("The same alerts", "The scores", "By channel", "Speed"):
        assert f"<h2>{title}</h2>" in content
    assert "gives as many alerts as" in content
    assert len(content.encode()) < 400_000
    assert "<script" not in content


def test_a_page_that_cannot_be_written_is_refused_before_the_rows_are_read(student, table, tmp_path):
    said = refused("compare", student, student, "no-rows.csv", "--html", tmp_path / "nowhere" / "a.html")
    assert "nowhere" in said
    assert "cannot be written" in said
    for page in (table, tmp_path / "page.html"):
        said = refused("compare", student, student, table, tmp_path, "--html", page)
        assert f"--html {str(page)!r} is read by this command" in said
