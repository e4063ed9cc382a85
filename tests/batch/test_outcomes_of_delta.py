"""Jobs into Delta tables that end before, at and after the commit: the same command then has each row there once."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.batch.delta import rows_of

deltalake = pytest.importorskip("deltalake", reason="Delta tables need deltalake")
DeltaTable = deltalake.DeltaTable

N_ROWS = 3000

# Ends the process where a function begins or has returned.
_KILLED = """
import os, signal
from tabkd.batch import _delta_table as tables
from tabkd.batch import _parts as parts
parts._PART_ROWS = 500
def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
def after(call):
    return lambda *arguments: (call(*arguments), kill())
"""
_MOMENTS = {
    # The rows are handed over, and nothing is committed.
    "before the commit": "tables.DeltaTable._commit = tables.DeltaTable._publish = kill",
    "after the commit": "tables.DeltaTable._commit = after(tables.DeltaTable._commit)",
    "before the rename": "tables.os.replace = kill",
    "after the rename": "tables.DeltaTable._publish = after(tables.DeltaTable._publish)",
    "between two parts": "parts.Parts.finish_part = after(parts.Parts.finish_part)",
}


@pytest.fixture
def job(path, frame, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    out = tmp_path / "scores.delta"
    return ["score", path, tmp_path / "in.parquet", "--keep", "id", "--output", out, "--batch-size", "100"], out


@pytest.fixture
def table(job):
    """The table, without rows."""
    scores = [("prediction", pa.bool_()), ("probability_False", pa.float64()), ("probability_True", pa.float64())]
    return DeltaTable.create(job[1], pa.schema([("id", pa.int64()), *scores]))


def ids(place):
    return sorted(rows_of(place).column("id").to_pylist())


@pytest.mark.parametrize(
    ("moment", "were_written"),
    [("before the commit", False), ("after the commit", True), ("between two parts", False)],
)
def test_rows_are_added_once_wherever_the_job_was_killed(commands, job, table, moment, were_written):
    arguments, out = [*job[0], "--append", "--resume"], job[1]
    assert commands.run(*arguments, program=f"{_KILLED}{_MOMENTS[moment]}").code == -9
    assert ids(out) == [*range(N_ROWS)] * were_written
    for already in (were_written, True):
        done = commands.run(*arguments)
        assert done.code == 0, done.stderr
        assert ("Warning: the rows were in the table already" in done.stderr) == already
        assert ids(out) == [*range(N_ROWS)]
    assert DeltaTable(out).version() == 1


@pytest.mark.parametrize(
    ("moment", "were_written"),
    [("before the commit", False), ("before the rename", False), ("after the rename", True)],
)
def test_a_new_table_is_whole_wherever_the_job_was_killed(commands, job, moment, were_written):
    arguments, out = [*job[0], "--resume"], job[1]
    assert commands.run(*arguments, program=f"{_KILLED}{_MOMENTS[moment]}").code == -9
    assert out.exists() == were_written
    done = commands.run(*arguments)
    assert done.code == 0, done.stderr
    assert ("Warning: the rows were in the table already" in done.stderr) == were_written
    assert ids(out) == [*range(N_ROWS)]
    assert sorted(file.name for file in out.parent.iterdir()) == ["in.parquet", "scores.delta"]


def test_without_resume_rows_that_were_committed_are_added_again(commands, job, table):
    arguments, out = [*job[0], "--append"], job[1]
    assert commands.run(*arguments, program=f"{_KILLED}{_MOMENTS['after the commit']}").code == -9
    # With it they are not, whatever the first process was given.
    assert commands.run(*arguments, "--resume").code == 0
    assert ids(out) == [*range(N_ROWS)]
    assert commands.run(*arguments).code == 0
    assert ids(out) == sorted([*range(N_ROWS)] * 2)


def test_signals_at_the_commit_come_too_late(commands, job, table):
    program = """
import os, signal
from tabkd.batch import _delta_table as tables
commit = tables.DeltaTable._commit
def signalled(self):
    os.kill(os.getpid(), signal.SIGTERM)
    commit(self)
    os.kill(os.getpid(), signal.SIGTERM)
tables.DeltaTable._commit = signalled
"""
    assert commands.run(*job[0], "--append", program=program).code == 0
    assert ids(job[1]) == [*range(N_ROWS)]


def test_a_signal_while_rows_are_written_stops_the_job(commands, job, table, tmp_path):
    program = """
import os, signal
from tabkd.batch import _delta_table as tables
write = tables.DeltaTable.write
def signalled(self, rows):
    if self._n_rows == 1000:  # a second signal would not wait
        os.kill(os.getpid(), signal.SIGTERM)
    write(self, rows)
tables.DeltaTable.write = signalled
"""
    done = commands.run(*job[0], "--append", program=program)
    assert done.code == 143
    assert ids(job[1]) == []
    assert not list(tmp_path.glob(".*.tabkd"))


def test_a_full_disk_adds_nothing(commands, job, small_disk):
    # More than the disk holds; the parts of a resumed job would already be too large for it.
    many = pd.concat([pd.read_parquet(job[0][2])] * 10)
    many.assign(id=range(10 * N_ROWS), amount=np.random.default_rng(0).normal(size=len(many))).to_parquet(job[0][2])
    out = small_disk / "scores.delta"
    done = commands.run(*job[0][:6], out, "--keep", "amount", "--log", "json")
    assert done.code == 1
    assert "cannot write to " in json.loads(done.stderr.splitlines()[-1])["error"]
    assert list(small_disk.iterdir()) == []
