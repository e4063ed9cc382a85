"""Jobs that meet kills, signals, full disks and other jobs: no row is lost, none is scored twice."""

import json
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

import tabkd
from tabkd import DistilledClassifier
from tabkd._cli import app
from tabkd._cli.table_codes import TableCodes
from tabkd.batch._job import StoppedError, score_dataset
from tabkd.batch._rejects import TooManyRejectsError
from tabkd.batch._workplace import BusyError, workplace
from tests.batch.stopping import StopAfter

N_ROWS = 3000


def scored(path, source, output, **options):
    return score_dataset(tabkd.load(path), [str(source)], str(output), keep=["id"], **options)


@pytest.fixture(scope="module")
def month(frame, tmp_path_factory):
    """Rows in Parquet and CSV, some of them bad."""
    folder = tmp_path_factory.mktemp("month")
    many = pd.concat([frame] * 20, ignore_index=True).assign(id=lambda f: np.arange(len(f)))
    pa.parquet.write_table(pa.table(many[:40_000]), folder / "0.parquet", row_group_size=7000)
    text = many[40_000:].to_csv(index=False).replace("\n50000,", "\n50000x,", 1).replace("\n55000,", "\n55000,oh", 1)
    (folder / "1.csv").write_text(text)
    return folder


OPTIONS = ["--keep", "id", "--max-rejects", "5", "--batch-size", "1000"]


def command(path, month, folder, *more):
    out, rejects = folder / "out.parquet", folder / "rejects.csv"
    arguments = ["score", path, month, "--output", out, "--rejects", rejects, *OPTIONS, *more]
    return [sys.executable, "-c", _SMALL_PARTS, *map(str, arguments)]


# Parts of some thousand rows, so that a small job has many of them; and a word when all is imported.
_SMALL_PARTS = """
import onnxruntime
from tabkd.batch import _job as job
from tabkd.batch import _parts as parts
from tabkd._cli import app
parts._PART_ROWS = 3000
print("begun", flush=True)
app()
"""


def begun(*arguments):
    """A job in a process of its own, which begins now: importing what it needs takes longer than the job."""
    process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.fixture(scope="module")
def undisturbed(path, month, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    process = begun(path, month, folder)
    start = time.monotonic()
    _, said = process.communicate()
    assert process.returncode == 0, said
    return {name: (folder / name).read_bytes() for name in ("out.parquet", "rejects.csv")}, time.monotonic() - start


def kill_and_finish(path, month, folder, seconds, rng, kills):
    """Kill the job at random moments, then let it finish; how often it was killed before it was done."""
    for killed in range(kills):
        with begun(path, month, folder, "--resume") as process:
            try:
                process.communicate(timeout=rng.uniform(0, 0.5) * seconds)
            except subprocess.TimeoutExpired:
                process.kill()
            else:
                assert process.returncode == 0
                return killed
    subprocess.run(command(path, month, folder, "--resume"), check=True, capture_output=True)
    return kills


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_job_goes_on_and_gives_the_same_bytes(path, month, undisturbed, tmp_path, seed):
    expected, seconds = undisturbed
    assert kill_and_finish(path, month, tmp_path, seconds, random.Random(seed), 3) > 0
    assert {name: (tmp_path / name).read_bytes() for name in expected} == expected
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.parquet", "rejects.csv"]


@pytest.mark.slow
def test_fifty_kills(path, month, undisturbed, tmp_path):
    expected, seconds = undisturbed
    rng = random.Random(0)
    killed = jobs = 0
    while killed < 50:
        folder = tmp_path / str(jobs)
        folder.mkdir()
        killed += kill_and_finish(path, month, folder, seconds, rng, 5)
        assert {name: (folder / name).read_bytes() for name in expected} == expected
        jobs += 1


def test_what_is_finished_is_not_scored_again(path, month, undisturbed, tmp_path, monkeypatch):
    from tabkd.batch import _parts as parts

    monkeypatch.setattr(parts, "_PART_ROWS", 3000)
    out, rejects = tmp_path / "out.parquet", tmp_path / "rejects.csv"
    options = {"rejects": str(rejects), "max_rejects": 5, "batch_size": 1000, "resume": True}
    for n_batches in (1, 10, 4):
        with pytest.raises(StoppedError, match="stopped after"):
            scored(path, month, out, **options, stop=StopAfter(n_batches))
        assert not out.exists()
        assert not rejects.exists()
    manifest = json.loads((tmp_path / ".out.parquet.tabkd" / "manifest.json").read_bytes())
    assert sum(part["counts"]["batches"] for part in manifest["parts"]) == 15
    calls = []
    exported = tabkd.load(path)
    monkeypatch.setattr(
        exported, "predict_proba", lambda X, score=exported.predict_proba: calls.append(len(X)) or score(X)
    )
    counts = score_dataset(exported, [str(month)], str(out), keep=["id"], **options)
    assert (counts.read, counts.rejected) == (60_000, 1)
    assert sum(calls) == 60_000 - 15_000 - 1  # the one that is rejected
    assert {"out.parquet": out.read_bytes(), "rejects.csv": rejects.read_bytes()} == undisturbed[0]


def test_rejects_are_counted_and_kept_when_a_job_goes_on(path, month, undisturbed, tmp_path):
    out, rejects = tmp_path / "out.parquet", tmp_path / "rejects.csv"
    options = {"batch_size": 1000, "resume": True}
    # All batches but the last few: the bad row is in a finished part.
    with pytest.raises(StoppedError):
        scored(path, month, out, **options, rejects=str(rejects), max_rejects=5, stop=StopAfter(57))
    with pytest.raises(TooManyRejectsError, match="At least 1 rows cannot be scored, and max_rejects is 0"):
        scored(path, month, out, **options)
    scored(path, month, out, **options, rejects=str(rejects), max_rejects=1)
    assert {"out.parquet": out.read_bytes(), "rejects.csv": rejects.read_bytes()} == undisturbed[0]


def swap(folder):
    (folder / "part-000000.arrow").rename(folder / "x")
    (folder / "part-000001.arrow").rename(folder / "part-000000.arrow")
    (folder / "x").rename(folder / "part-000001.arrow")


def forget_the_first(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["parts"][0]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def flip(folder):
    content = bytearray((folder / "part-000001.arrow").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "part-000001.arrow").write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        swap,
        forget_the_first,
        flip,
        lambda folder: (folder / "part-000000.rejects.arrow").unlink(),
        lambda folder: (folder / "part-000001.arrow").write_bytes(b""),
    ],
)
def test_damaged_parts_are_scored_again(path, month, undisturbed, tmp_path, monkeypatch, damage):
    from tabkd.batch import _parts as parts

    monkeypatch.setattr(parts, "_PART_ROWS", 3000)
    out, rejects = tmp_path / "out.parquet", tmp_path / "rejects.csv"
    options = {"rejects": str(rejects), "max_rejects": 5, "batch_size": 1000, "resume": True}
    with pytest.raises(StoppedError):
        scored(path, month, out, **options, stop=StopAfter(15))
    damage(tmp_path / ".out.parquet.tabkd")
    scored(path, month, out, **options)
    assert {"out.parquet": out.read_bytes(), "rejects.csv": rejects.read_bytes()} == undisturbed[0]


def test_a_job_is_stopped_while_its_output_is_put_together(path, month, undisturbed, tmp_path):
    out, rejects = tmp_path / "out.parquet", tmp_path / "rejects.csv"
    options = {"rejects": str(rejects), "max_rejects": 5, "batch_size": 1000, "resume": True}
    with pytest.raises(StoppedError, match="merged"):
        scored(path, month, out, **options, stop=StopAfter(70))
    assert [file.name for file in tmp_path.iterdir()] == [".out.parquet.tabkd"]
    scored(path, month, out, **options)
    assert {"out.parquet": out.read_bytes(), "rejects.csv": rejects.read_bytes()} == undisturbed[0]


def test_what_is_in_the_way_of_the_outputs_is_told_before_the_first_row(path, month, tmp_path):
    options = {"resume": True, "max_rejects": 5, "stop": lambda: pytest.fail("a batch was scored")}
    with pytest.raises(OSError, match=r"cannot write '.*no/r\.csv'.*Make the folder first"):
        scored(path, month, tmp_path / "out.parquet", **options, rejects=str(tmp_path / "no" / "r.csv"))
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(OSError, match="it is a folder"):
        scored(path, month, tmp_path / "folder.parquet", **options, rejects=str(tmp_path / "r.csv"))


def test_a_link_to_another_disk_is_followed(path, frame, small_disk, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    (tmp_path / "link.parquet").symlink_to(small_disk / "out.parquet")
    scored(path, tmp_path / "in.parquet", tmp_path / "link.parquet")
    assert pa.parquet.read_table(small_disk / "out.parquet").num_rows == N_ROWS
    assert (tmp_path / "link.parquet").is_symlink()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.5, "top_fraction": 0.5}, "two ways"),
        ({"top_fraction": 1.5}, r"top_fraction is 1\.5; expected a number from 0 to 1"),
        ({"threshold": -1}, "threshold is -1"),
        ({"batch_size": 0}, "batch_size is 0; expected a number from 1"),
        ({"max_rejects": -1}, "max_rejects is -1; expected a number from 0"),
    ],
)
def test_options_out_of_their_range(path, frame, tmp_path, options, message):
    frame.to_parquet(tmp_path / "in.parquet")
    with pytest.raises(ValueError, match=message):
        scored(path, tmp_path / "in.parquet", tmp_path / "out.parquet", **options)


def test_a_job_of_another_model_input_or_option_is_refused(path, frame, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    options = {"batch_size": 500, "resume": True}
    with pytest.raises(StoppedError):
        scored(path, tmp_path / "in.parquet", out, **options, stop=StopAfter(2))
    with pytest.raises(ValueError, match=r"holds an unfinished job of another threshold\. Repeat the options"):
        scored(path, tmp_path / "in.parquet", out, **options, threshold=0.5)
    other = tmp_path / "other.onnx"
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(2, random_state=1))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=100, random_state=1)
    model.fit(frame[["amount", "shop", "paid"]], frame["amount"] > 0).to_onnx(other)
    with pytest.raises(ValueError, match="another model"):
        scored(other, tmp_path / "in.parquet", out, **options)
    frame[::-1].to_parquet(tmp_path / "in.parquet")
    with pytest.raises(ValueError, match="another input"):
        scored(path, tmp_path / "in.parquet", out, **options)
    # Without, it begins anew.
    assert scored(path, tmp_path / "in.parquet", out).written == N_ROWS
    assert not (tmp_path / ".out.parquet.tabkd").exists()
    manifest = tmp_path / ".out.parquet.tabkd" / "manifest.json"
    manifest.parent.mkdir()
    (manifest.parent / "lock").touch()
    for garbage in (
        "[]",
        "{",
        '{"format": 1, "job": [], "parts": null}',
        '{"format": 1, "job": {}, "parts": [{"x": 1}]}',
    ):
        manifest.write_text(garbage)
        with pytest.raises(ValueError, match="not a manifest of tabkd"):
            scored(path, tmp_path / "in.parquet", out, **options)


def test_a_model_swapped_under_the_job_changes_nothing(path, frame, expected, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    model = tmp_path / "model.onnx"
    model.write_bytes(path.read_bytes())

    def swap():
        model.write_bytes(b"another")
        return False

    options = {"stop": swap, "batch_size": 100}
    score_dataset(tabkd.load(model), [str(tmp_path / "in.parquet")], str(tmp_path / "out.parquet"), **options)
    np.testing.assert_array_equal(pd.read_parquet(tmp_path / "out.parquet")["probability_True"], expected)


def test_an_input_that_changes_while_it_is_read_is_refused(path, frame, tmp_path):
    source = tmp_path / "in.csv"
    frame.to_csv(source, index=False)

    def append():
        with source.open("a") as file:
            file.write("1,2.0,a,True\n")
        return False

    with pytest.raises(ValueError, match=r"in\.csv' was changed while it was read"):
        scored(path, source, tmp_path / "out.parquet", stop=append)
    assert [file.name for file in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_batch_and_says_how_to_go_on(path, month, undisturbed, tmp_path, number):
    process = begun(path, month, tmp_path, "--resume")
    parts = tmp_path / ".out.parquet.tabkd"
    while not list(parts.glob("part-*")) and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Error: stopped after" in said
    assert "the same command continues from there" in said
    assert (parts / "manifest.json").is_file()
    subprocess.run(command(path, month, tmp_path, "--resume"), check=True, capture_output=True)
    assert {name: (tmp_path / name).read_bytes() for name in undisturbed[0]} == undisturbed[0]


def test_the_second_job_on_one_output_is_refused(path, frame, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    with workplace(out, keep=False):
        with pytest.raises(BusyError, match="another job is writing"):
            scored(path, tmp_path / "in.parquet", out)
        result = CliRunner().invoke(app, ["score", str(path), str(tmp_path / "in.parquet"), "--output", str(out)])
        assert (result.exit_code, result.stderr.startswith("Error: another job is writing")) == (4, True)
    assert scored(path, tmp_path / "in.parquet", out).written == N_ROWS


def test_of_many_jobs_at_once_each_is_whole_or_refused(path, frame, expected, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    out, outcomes = tmp_path / "out.parquet", []

    def job():
        for _ in range(5):
            try:
                outcomes.append(scored(path, tmp_path / "in.parquet", out, batch_size=500).written)
            except BusyError:
                outcomes.append(None)

    threads = [threading.Thread(target=job) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 20
    assert set(outcomes) <= {N_ROWS, None}
    assert N_ROWS in outcomes
    np.testing.assert_array_equal(pd.read_parquet(out)["probability_True"], expected)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


@pytest.mark.parametrize("resume", [False, True])
def test_a_full_disk_leaves_nothing_and_a_resumed_job_goes_on(path, month, undisturbed, small_disk, resume):
    more = ["--resume"] if resume else []
    done = subprocess.run(command(path, month, small_disk, *more), capture_output=True, text=True)
    assert done.returncode == 1
    assert "Error: " in done.stderr
    assert "No space left on device" in done.stderr
    assert not (small_disk / "out.parquet").exists()
    left = [file.name for file in small_disk.iterdir()]
    assert left == ([".out.parquet.tabkd"] if resume else [])
    subprocess.run(["mount", "-o", "remount,size=20M", small_disk], check=True)
    subprocess.run(command(path, month, small_disk, *more), check=True, capture_output=True)
    assert {name: (small_disk / name).read_bytes() for name in undisturbed[0]} == undisturbed[0]


def test_the_command_tells_what_it_did(path, month, tmp_path):
    out, rejects, summary = (tmp_path / name for name in ("out.parquet", "rejects.csv", "summary.json"))
    arguments = ["score", path, month, "--output", out, "--keep", "id", "--summary", summary, "--log", "json"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 3
    assert "1.csv, row 15,000: column 'amount' is 'oh" in json.loads(result.stderr)["error"]
    assert not summary.exists()
    result = CliRunner().invoke(app, [*map(str, arguments), "--rejects", str(rejects), "--max-rejects", "1"])
    assert result.exit_code == 0, result.stderr
    rows = {"read": 60_000, "scored": 59_999, "rejected": 1, "written": 59_999}
    for text in (summary.read_text(), result.stderr.splitlines()[-1]):
        assert rows.items() <= json.loads(text).items()
    result = CliRunner().invoke(app, [*map(str, arguments), "--threshold", "0.5", "--top-fraction", "0.1"])
    assert "give one of them" in result.stderr
    for wrong in (tmp_path / "no" / "s.json", out, tmp_path, path, month / "1.csv"):
        result = CliRunner().invoke(app, [*map(str, arguments), "--summary", str(wrong)])
        assert json.loads(result.stderr)["error"].startswith(f"--summary '{wrong}'")
