"""What a job exits with is what became of its output, whatever happens to its summary, its log and its process."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tabkd._cli import app
from tabkd.batch._job import score_dataset
from tabkd.batch._outputs import RejectsError
from tests.batch.processes import BROKEN, CLOSED, open_folder

N_ROWS = 3000
# A line of progress for every batch.
_TALKING = "from tabkd._cli import score_log; score_log._EVERY = 0"


@pytest.fixture
def job(path, frame, tmp_path):
    """The arguments of a job of five batches."""
    frame.to_parquet(tmp_path / "in.parquet")
    options = ["--output", tmp_path / "out.parquet", "--keep", "id", "--batch-size", "600"]
    return ["score", path, tmp_path / "in.parquet", *options]


def is_whole(folder, expected):
    np.testing.assert_array_equal(pd.read_parquet(folder / "out.parquet")["probability_True"], expected)
    (folder / "out.parquet").unlink()
    return True


# The summary


def test_a_summary_that_cannot_be_written_is_refused_before_the_first_row(job, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for wrong in ("/dev/full", "/proc/s.json", "pipe", "folder", "none/s.json", "loop", "x" * 300):
        done = CliRunner().invoke(app, [*map(str, job), "--summary", str(tmp_path / wrong)])
        assert done.exit_code == 1, wrong
        assert done.stderr.startswith("Error: --summary '"), done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.parquet").exists()
    assert (tmp_path / "folder").is_dir()


def test_a_summary_for_a_pipe_is_refused_in_a_process_of_its_own(job):
    command = [sys.executable, "-c", "from tabkd._cli import app; app()", *map(str, job), "--summary", "/dev/stdout"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "it is not a regular file" in done.stderr


def test_a_summary_where_the_user_may_not_write_is_refused_before_the_first_row(commands, path, frame):
    with open_folder() as folder:
        frame.to_parquet(folder / "in.parquet")
        (folder / "model.onnx").write_bytes(path.read_bytes())
        (folder / "closed").mkdir(mode=0o755)
        job = ["score", "model.onnx", "in.parquet", "--output", "out.parquet", "--log", "json"]
        for place in ("closed/s.json", "/s.json"):
            done = commands.run(*job, "--summary", place, folder=folder, unprivileged=True)
            assert done.code == 1
            assert "Permission denied" in json.loads(done.stderr)["error"]
        assert not (folder / "out.parquet").exists()
        assert commands.run(*job, "--summary", "s.json", folder=folder, unprivileged=True).code == 0
        assert json.loads((folder / "s.json").read_text())["written"] == N_ROWS


def fill(folder):
    with open(folder / "rest", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1000))


@pytest.mark.parametrize("log", ["json", "plain"])
def test_a_summary_on_a_full_disk_has_an_exit_code_of_its_own(commands, job, tmp_path, small_disk, expected, log):
    (small_disk / "s.json").write_text("old")
    fill(small_disk)
    done = commands.run(*job, "--summary", small_disk / "s.json", "--log", log)
    assert done.code == 5
    last = done.stderr.splitlines()[-1]
    message = json.loads(last)["error"] if log == "json" else last
    assert f"all rows are written to '{tmp_path}/out.parquet', but not the summary: cannot write" in message
    assert "No space left on device" in message
    assert "Traceback" not in done.stderr
    assert is_whole(tmp_path, expected)
    assert (small_disk / "s.json").read_text() == "old"


# The log


@pytest.mark.parametrize(
    ("stream", "log"), [("stderr", "auto"), ("stderr", "plain"), ("stderr", "json"), ("stdout", "plain")]
)
@pytest.mark.parametrize("place", ["/dev/full", BROKEN, CLOSED])
def test_a_log_that_is_full_broken_or_closed_changes_nothing(commands, job, tmp_path, expected, stream, place, log):
    options = ["--log", log, "--summary", tmp_path / "s.json"]
    done = commands.run(*job, *options, program=_TALKING, **{stream: place})
    assert done.code == 0
    assert json.loads((tmp_path / "s.json").read_text())["written"] == N_ROWS
    # Had the output been opened by the number of a closed stream, what was said would be in it.
    assert is_whole(tmp_path, expected)


def test_standard_error_that_is_closed_from_the_start_changes_nothing(job, tmp_path, expected):
    command = [sys.executable, "-c", "from tabkd._cli import app; app()", *map(str, job), "--log", "json"]
    done = subprocess.run(["sh", "-c", f"{shlex.join(command)} 2>&-"])
    assert done.returncode == 0
    assert is_whole(tmp_path, expected)


@pytest.mark.parametrize(("place", "log"), [("/dev/full", "json"), (BROKEN, "plain"), (CLOSED, "json")])
def test_errors_keep_their_exit_codes_where_nobody_can_read_them(commands, job, tmp_path, frame, place, log):
    frame.assign(amount="x").to_parquet(tmp_path / "bad.parquet")
    for source, code in (("bad", 3), ("gone", 1)):
        job[2] = tmp_path / f"{source}.parquet"
        assert commands.run(*job, "--log", log, program=_TALKING, stderr=place).code == code


@pytest.mark.parametrize(("place", "reason"), [("/dev/full", "No space left on device"), (BROKEN, "Broken pipe")])
def test_standard_output_that_cannot_take_the_scores_is_an_error(commands, job, place, reason):
    job[4] = "-"
    done = commands.run(*job, stdout=place)
    assert done.code == 1
    assert done.stderr.startswith(f"Error: cannot write 'standard output': {reason}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("error", ["pa.ArrowNotImplementedError('a')", "pa.ArrowKeyError('a')", "RuntimeError('a')"])
def test_errors_of_libraries_are_one_line(commands, job, error):
    program = f"""
import pyarrow as pa
from tabkd.batch import _job as job
def fail(*arguments, **options):
    raise {error}
job._Scoring._n_rows = fail
"""
    done = commands.run(*job, "--log", "json", program=program)
    assert (done.code, json.loads(done.stderr)) == (1, {"error": "a"})
    done = commands.run(*job, program=program.replace(error, "KeyError('a')"))
    assert done.code == 1
    assert done.stderr.startswith("Error: KeyError: 'a' (set TABKD_TRACEBACK=1")
    assert done.stderr.count("\n") == 1


# Signals

_SENT = """
import atexit, os, signal
from tabkd.batch import _job as job
from tabkd.batch import _outputs as outputs
def send():
    for _ in range(2):
        os.kill(os.getpid(), signal.{0})
class Outputs(outputs.Outputs):
    def {1}(self, *arguments):
        {2}
job.Outputs = Outputs
{3}
"""
_LATE = {
    "as the output appears": ("__exit__", "send(); return super().__exit__(*arguments)", ""),
    "when it is there": ("__exit__", "done = super().__exit__(*arguments); send(); return done", ""),
    "as the process ends": ("unused", "pass", "atexit.register(send)"),
}


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("when", _LATE)
def test_a_signal_that_comes_too_late_changes_nothing(commands, job, tmp_path, expected, name, when):
    done = commands.run(*job, "--summary", tmp_path / "s.json", program=_SENT.format(name, *_LATE[when]))
    assert (done.code, done.stderr) == (0, "")
    assert f"{N_ROWS:,} rows in, {N_ROWS:,} rows out" in done.stdout
    assert json.loads((tmp_path / "s.json").read_text())["written"] == N_ROWS
    assert is_whole(tmp_path, expected)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_before_the_first_row_is_one_line(commands, job, tmp_path, number):
    program = f"""
import os, signal, tabkd
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup has ignored
def load(*arguments, load=tabkd.load):
    os.kill(os.getpid(), {int(number)})
    return load(*arguments)
tabkd.load = load
"""
    done = commands.run(*job, program=program)
    assert done.code == 128 + number
    assert done.stderr == "Error: stopped before the first row; nothing was written; --resume would keep it.\n"
    assert not (tmp_path / "out.parquet").exists()


# Rejects


@pytest.fixture
def bad(frame, tmp_path):
    """Rows of which one is bad, and the options for it, with the rejects of an earlier job."""
    amounts = frame["amount"].astype(str)
    amounts[7] = "12 EUR"
    frame.assign(amount=amounts).to_parquet(tmp_path / "bad.parquet")
    (tmp_path / "rejects.csv").write_text("old")
    return {"rejects": str(tmp_path / "rejects.csv"), "max_rejects": 1}


@pytest.mark.parametrize("resume", [False, True])
def test_the_rejects_of_before_stay_where_the_output_fails(path, bad, tmp_path, resume):
    out = tmp_path / "out.parquet"

    def come_between():
        out.mkdir(exist_ok=True)

    with pytest.raises(OSError, match=r"cannot write '.*out\.parquet': Is a directory"):
        score_dataset(path, [tmp_path / "bad.parquet"], out, **bad, resume=resume, stop=come_between)
    assert (tmp_path / "rejects.csv").read_text() == "old"
    out.rmdir()
    assert score_dataset(path, [tmp_path / "bad.parquet"], out, **bad, resume=resume).rejected == 1
    assert "12 EUR" in (tmp_path / "rejects.csv").read_text()


def test_rejects_that_cannot_be_put_in_their_place_are_kept_elsewhere(path, bad, tmp_path):
    def come_between():
        (tmp_path / "rejects.csv").unlink(missing_ok=True)
        (tmp_path / "rejects.csv").mkdir(exist_ok=True)

    out = tmp_path / "out.parquet"
    with pytest.raises(RejectsError, match=r"all rows are written to .* but cannot write '.*rejects\.csv'") as caught:
        score_dataset(path, [tmp_path / "bad.parquet"], out, **bad, stop=come_between)
    assert pd.read_parquet(out)["prediction"].size == N_ROWS - 1
    saved = str(caught.value).rpartition("The rejects are in '")[2].removesuffix("' instead.")
    assert pd.read_csv(saved)[["row", "value"]].values.tolist() == [[7, "12 EUR"]]
    os.unlink(saved)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bad.parquet", "out.parquet", "rejects.csv"]


def test_the_command_says_that_the_rows_are_written_but_not_the_rejects(path, bad, tmp_path, monkeypatch):
    from tabkd.batch._outputs import Outputs

    def finish(self, *counts, finish=Outputs.finish):
        finish(self, *counts)
        (tmp_path / "rejects.csv").unlink()
        (tmp_path / "rejects.csv").mkdir()

    monkeypatch.setattr(Outputs, "finish", finish)
    arguments = ["score", path, tmp_path / "bad.parquet", "--output", tmp_path / "out.csv"]
    arguments += ["--rejects", bad["rejects"], "--max-rejects", 1]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr.startswith(f"Error: all rows are written to '{tmp_path}/out.csv', but cannot write")
    assert len(pd.read_csv(tmp_path / "out.csv")) == N_ROWS - 1
    os.unlink(result.stderr.rpartition("The rejects are in '")[2].removesuffix("' instead.\n"))


def test_the_exit_codes_are_in_the_help():
    said = " ".join(CliRunner().invoke(app, ["score", "--help"], terminal_width=120).stdout.split())
    for code in ("0, everything is written", "5, all rows are written, but the summary or the file of rejects is not"):
        assert code in said


def test_lines_that_are_on_standard_output_already_are_not_called_nothing(commands, job, tmp_path, frame):
    job[4] = "-"
    program = """
import os, tabkd.batch._sinks as sinks
def write(self, table, write=sinks.File.write):
    write(self, table)
    if self.n_rows == table.num_rows:
        os.kill(os.getpid(), 15)
sinks.File.write = write
"""
    done = commands.run(*job, program=program)
    assert done.code == 143
    assert "standard output is incomplete" in done.stderr
    assert "nothing was written" not in done.stderr
    wrong = frame.astype({"amount": object})
    wrong.loc[len(wrong) - 1, "amount"] = "much"
    wrong.to_csv(tmp_path / "in.csv", index=False)
    job[2] = tmp_path / "in.csv"
    done = commands.run(*job)
    assert done.code == 3
    assert "standard output is incomplete" in done.stderr
    assert "nothing was written" not in done.stderr


def test_the_model_is_never_replaced_by_the_output_or_the_rejects(path, frame, tmp_path):
    (tmp_path / "model.csv").write_bytes(path.read_bytes())
    (tmp_path / "link.csv").symlink_to("model.csv")
    frame.to_parquet(tmp_path / "in.parquet")
    for places in (("model.csv", "bad.csv"), ("link.csv", "bad.csv"), ("out.csv", "link.csv")):
        output, rejects = (str(tmp_path / name) for name in places)
        arguments = [str(tmp_path / "model.csv"), str(tmp_path / "in.parquet"), "--output", output]
        done = CliRunner().invoke(app, ["score", *arguments, "--rejects", rejects, "--max-rejects", "1"])
        assert done.exit_code == 1
        assert "is the model of this job" in done.stderr
        with pytest.raises(ValueError, match="is the model of this job"):
            score_dataset(arguments[0], [arguments[1]], output, rejects=rejects)
    assert (tmp_path / "model.csv").read_bytes() == path.read_bytes()


def test_rejects_in_the_hidden_folder_are_refused_because_it_is_removed(path, bad, tmp_path):
    hidden = str(tmp_path / ".out.csv.tabkd" / "bad.csv")
    with pytest.raises(ValueError, match="is in the hidden folder of this job"):
        score_dataset(path, [tmp_path / "bad.parquet"], str(tmp_path / "out.csv"), **bad | {"rejects": hidden})
    assert not (tmp_path / "out.csv").exists()
