"""`tabkd monitor`: the drift of many jobs over time, from their summaries."""

import hashlib
import json
import os
import re
from datetime import UTC, datetime

import pytest

from tests.cli.commands import refused, run, write


@pytest.fixture(scope="module")
def summaries(distilled, frame, tmp_path_factory):
    """Four jobs, of which the last two see larger and larger amounts."""
    folder, student = tmp_path_factory.mktemp("jobs"), distilled[0] / "student.onnx"
    paths = []
    for k, times in enumerate([1, 1, 3, 30]):
        rows = write(frame.assign(amount=frame["amount"] * times), folder / f"rows{k}.parquet")
        path = folder / f"job{k}.json"
        options = ("--segment", "channel", "--threshold", "0.5", "--summary", path)
        run("score", student, rows, "--output", folder / f"scores{k}.parquet", *options)
        facts = json.loads(path.read_text())
        path.write_text(json.dumps(facts | {"time": f"2026-0{k + 1}-01T02:00:00+00:00"}))
        paths.append(path)
    return paths


def changed(path, folder, **facts):
    """A copy of a summary in which some facts differ; None takes one away."""
    content = json.loads(path.read_text()) | facts
    copy = folder / f"copy{len(list(folder.iterdir()))}.json"
    copy.write_text(json.dumps({name: value for name, value in content.items() if value != "gone"}))
    return copy


def test_a_summary_says_when_its_job_ran_and_by_which_model(distilled, table, tmp_path):
    student, before = distilled[0] / "student.onnx", datetime.now(UTC).replace(microsecond=0)
    run("score", student, table, "--output", tmp_path / "scores.csv", "--summary", tmp_path / "job.json")
    facts = json.loads((tmp_path / "job.json").read_text())
    assert before <= datetime.fromisoformat(facts["time"]) <= datetime.now(UTC)
    assert facts["model_sha256"] == hashlib.sha256(student.read_bytes()).hexdigest()


def test_jobs_are_rows_in_order_of_time_however_they_are_given(summaries):
    lines = run("monitor", *summaries[::-1]).stdout.splitlines()
    times = [match[0] for line in lines if (match := re.search(r"2026-0\d-01 02:00", line)) and ".json" in line]
    assert times == [f"2026-0{k}-01 02:00" for k in (1, 2, 3, 4)]
    facts = json.loads(summaries[3].read_text())
    last = next(line for line in lines if "job3.json" in line)
    index = max(part["stability_index"] for part in facts["drift"]["columns"].values())
    for said in (f"{facts['drift']['score_stability_index']:.3f}", f"amount {index:.3f}", f"{facts['written']:,} ("):
        assert said in last
    assert any("PSI of scores by channel" in line for line in lines)
    assert any(line.startswith("The last job warned: column 'amount'") for line in lines)


def test_the_page_shows_scores_columns_segments_and_volumes(summaries, tmp_path):
    run("monitor", *summaries, "--html", tmp_path / "drift.html")
    content = (tmp_path / "drift.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h2>(.*?)</h2>", content)
    assert titles == ["Scores and volumes", "Columns that moved most", "By channel", "Jobs", "Warnings"]
    charts = re.findall(r"<h3>(.*?)</h3>", content)
    assert {"Stability index of scores", "Alerts", "Share of alerts", "Volume"} <= set(charts)
    assert charts.index("amount") == charts.index("Volume") + 1
    assert '<td class="much">' in content
    assert "<script" not in content


def test_a_summary_without_a_time_has_the_one_of_its_file_and_says_so(summaries, tmp_path):
    old = changed(summaries[0], tmp_path, time="gone")
    os.utime(old, (0, 0))
    done = run("monitor", summaries[1], old).stdout
    assert "1970-01-01 00:00" in done
    assert done.index("1970-01-01") < done.index("2026-02-01")
    assert "1 of 2 summaries do not say when their jobs ran" in done


def test_a_job_without_rows_is_a_row_without_an_index(summaries, tmp_path):
    facts = json.loads(summaries[0].read_text())
    columns = {name: part | {"stability_index": None} for name, part in facts["drift"]["columns"].items()}
    drift = {"columns": columns, "score_stability_index": None}
    empty = changed(summaries[0], tmp_path, drift=drift, read=0, scored=0, written=0, warnings=[])
    done = run("monitor", summaries[1], empty, "--html", tmp_path / "page.html").stdout
    assert "1 of 2 jobs scored no rows" in done


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[1]", "is not a summary of a job; give files that `tabkd score --summary` wrote"),
        ("not JSON", "is not JSON"),
        ('{"rows": 1}', "is not a summary of a job: it has no 'model'"),
    ],
)
def test_a_file_that_is_no_summary_is_named(summaries, tmp_path, content, says):
    path = tmp_path / "other.json"
    path.write_text(content)
    said = refused("monitor", *summaries, path)
    assert says in said
    assert "other.json" in said


def test_jobs_that_cannot_be_compared_are_refused(summaries, tmp_path):
    other = changed(summaries[0], tmp_path, model_sha256="0" * 64)
    assert "is of another model" in refused("monitor", *summaries, other)
    moved = changed(summaries[0], tmp_path, model="other.onnx")  # the same file elsewhere
    run("monitor", *summaries, moved)
    older = changed(summaries[0], tmp_path, model="other.onnx", model_sha256="gone")
    assert "is of another model" in refused("monitor", *summaries, older)
    facts = json.loads(summaries[0].read_text())
    blind = changed(summaries[0], tmp_path, drift=facts["drift"] | {"score_stability_index": None})
    assert "has no drift of scores" in refused("monitor", *summaries, blind)
    empty = changed(summaries[0], tmp_path, drift={})
    assert "has no drift" in refused("monitor", *summaries, empty)
    assert "its time is 'today'" in refused("monitor", *summaries, changed(summaries[0], tmp_path, time="today"))


def test_fewer_than_two_jobs_are_refused(summaries):
    assert "there is one summary" in refused("monitor", summaries[0])
    assert "is given twice" in refused("monitor", summaries[0], summaries[0])


def test_the_page_is_no_file_of_the_command(summaries):
    assert "is read by this command" in refused("monitor", *summaries, "--html", summaries[0])


def test_names_of_columns_and_levels_do_not_become_markup(summaries, tmp_path):
    facts = json.loads(summaries[0].read_text())
    hostile = "<script>alert(1)</script>"
    drift = facts["drift"]
    drift["columns"][hostile] = {"stability_index": 9.0}
    drift["segments"][hostile] = [{"level": hostile, "score_stability_index": 1.0}]
    job = changed(summaries[0], tmp_path, drift=drift, warnings=[hostile], time="2027-01-01T00:00:00+00:00")
    run("monitor", *summaries, job, "--html", tmp_path / "page.html")
    content = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "alert(1)" in content
    assert "<script" not in content
