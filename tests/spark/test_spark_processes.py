"""`tabkd score --engine spark` in processes of its own: interpreters, kills, and outputs that Spark does not write."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tabkd import batch
from tabkd._cli import app

# A part for each file, so that a small job has many of them.
_SMALL_PARTS = """
from tabkd.spark import _dataset as dataset
from tabkd._cli import app
dataset._PART_BYTES = dataset._BYTES_PER_CORE = 1
app()
"""
N_FILES = 5


@pytest.fixture(scope="module")
def month(frame, tmp_path_factory):
    """Files with a row in one of them that cannot be scored."""
    folder = tmp_path_factory.mktemp("month")
    text = frame.astype({"amount": object})
    text.loc[7777, "amount"] = "1 EUR"
    for i, part in enumerate(np.array_split(np.arange(len(frame)), N_FILES)):
        text.iloc[part].astype({"amount": str}).to_parquet(folder / f"{i}.parquet")
    return folder


@pytest.fixture(scope="module")
def environment(java, tmp_path_factory):
    """One that is not activated: its `python3` is another one, without any packages."""
    folder = tmp_path_factory.mktemp("bin")
    other = folder / "python3"
    other.write_text("#!/bin/sh\necho No module named sklearn >&2\nexit 1\n")
    other.chmod(0o755)
    settings = folder / "conf"
    settings.mkdir()
    (settings / "spark-defaults.conf").write_text(
        "spark.master local[2]\nspark.ui.enabled false\nspark.driver.host 127.0.0.1\n"
        f"spark.driver.bindAddress 127.0.0.1\nspark.local.dir {folder}\n"
    )
    names = {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK_", "SPARK_"))}
    path = os.pathsep.join([str(folder), "/usr/bin", "/bin"])
    return names | {"PATH": path, "PYTHONPATH": os.pathsep.join(sys.path), "SPARK_CONF_DIR": str(settings)}


def command(path, month, folder, *more):
    arguments = ["score", path, month, "--output", folder / "out", "--rejects", folder / "rejects.csv", *more]
    arguments += ["--summary", folder / "done.json", "--keep", "id", "--max-rejects", 1, "--engine", "spark"]
    return [sys.executable, "-c", _SMALL_PARTS, *map(str, arguments)]


def check_output(folder, path, month):
    """All rows exactly once, with the scores of the local engine, and nothing left of what was not finished."""
    local = batch.score_dataset(
        path, [month], folder / "local.parquet", keep=["id"], rejects=folder / "local.csv", max_rejects=1
    )
    found = pd.read_parquet(folder / "out").sort_values("id", ignore_index=True)
    expected = pd.read_parquet(folder / "local.parquet")
    assert found["id"].tolist() == expected["id"].tolist()
    np.testing.assert_allclose(found["probability_good"], expected["probability_good"], atol=1e-7)
    assert pd.read_csv(folder / "rejects.csv").equals(pd.read_csv(folder / "local.csv"))
    facts = json.loads((folder / "done.json").read_text())
    assert (facts["read"], facts["written"], facts["drift"]) == (local.read, local.written, local.drift)
    names = {"out", "rejects.csv", "done.json", "local.parquet", "local.csv"}
    assert {file.name for file in folder.iterdir()} == names


def test_workers_run_the_interpreter_of_the_command(path, month, environment, tmp_path):
    done = subprocess.run(command(path, month, tmp_path), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check_output(tmp_path, path, month)


def test_another_interpreter_of_workers_is_used_and_its_lack_of_tabkd_explained(path, month, environment, tmp_path):
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    more = {"PYSPARK_PYTHON": str(bare), "PYTHONPATH": os.getcwd()}
    run = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path}\n{command(path, month, tmp_path)[2]}"]
    run += command(path, month, tmp_path)[3:]
    done = subprocess.run(run, env=environment | more, capture_output=True, text=True)
    assert done.returncode == 1
    assert "the Python of Spark's workers cannot score: No module named" in done.stderr
    assert "Install tabkd there, and name that interpreter in PYSPARK_PYTHON" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["bare"]


def killed_at(moment, delay, path, month, folder, environment) -> bool:
    """Kill the job a while after so many parts are finished, or its output is about to move; whether it still ran."""
    work = folder / ".out.tabkd" / "parts"
    pattern, number = ("output.json", 1) if moment == "output" else ("part-*.json", moment)
    with subprocess.Popen(
        command(path, month, folder, "--resume"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        while process.poll() is None and len(list(work.glob(pattern))) < number:
            time.sleep(0.02)
        time.sleep(delay)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            return True
        assert process.returncode == 0, process.stdout.read()
    return False


def kill_and_finish(moments, rng, path, month, folder, environment) -> int:
    """How often the job was killed before it was finished."""
    kills = 0
    for moment in moments:
        delay = 0 if moment == "output" else rng.uniform(0, 0.5)
        if not killed_at(moment, delay, path, month, folder, environment):
            break
        kills += 1
    else:
        run = command(path, month, folder, "--resume")
        done = subprocess.run(run, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    check_output(folder, path, month)
    return kills


def test_a_killed_driver_goes_on_and_each_row_is_there_once(path, month, environment, tmp_path):
    assert kill_and_finish([1, 3, "output"], random.Random(0), path, month, tmp_path, environment) >= 2


@pytest.mark.slow
def test_thirty_kills(path, month, environment, tmp_path):
    rng = random.Random(1)
    killed = jobs = 0
    while killed < 30:
        folder = tmp_path / str(jobs)
        folder.mkdir()
        moments = [*sorted(rng.choices(range(N_FILES), k=4)), "output"]
        killed += kill_and_finish(moments, rng, path, month, folder, environment)
        jobs += 1


@pytest.mark.parametrize("output", ["x.arrow", "x.feather", "x.jsonl", "x.csv.gz", "-", "postgresql://host/name"])
def test_an_output_that_spark_does_not_write_is_refused(path, month, tmp_path, output):
    output = output if output == "-" or "://" in output else str(tmp_path / output)
    given = ["score", path, month, "--output", output, "--engine", "spark"]
    result = CliRunner().invoke(app, list(map(str, given)))
    assert result.exit_code == 1
    assert "but Spark writes a folder of Parquet files, or of CSV files if its name" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_input_that_spark_does_not_read_is_refused(path, tmp_path):
    (tmp_path / "in.arrow").touch()
    given = ["score", path, tmp_path / "in.arrow", "--output", tmp_path / "out", "--engine", "spark"]
    result = CliRunner().invoke(app, list(map(str, given)))
    assert result.exit_code == 1
    assert "in.arrow' has the suffix '.arrow', but Spark reads Parquet and .csv files" in result.stderr
