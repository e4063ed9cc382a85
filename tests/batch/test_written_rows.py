"""The rows that are written are those that were scored, wherever they went; and where alerts were cut off."""

import hashlib
import json
import os
import re
import stat

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from tabkd._cli import app
from tabkd._formats import SUFFIXES
from tabkd.batch import _sinks as sinks
from tabkd.batch._found_files import find_files
from tabkd.batch._job import StoppedError, score_dataset

N_ROWS = 3000


@pytest.fixture
def source(frame, tmp_path):
    frame.assign(month=frame["id"] % 2).to_parquet(tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def edited(folder, counts):
    """Take rows out of the first part, and put its new checksum and other counts into the manifest."""
    part, manifest = folder / "part-000000.arrow", folder / "manifest.json"
    with pa.OSFile(str(part)) as file:
        batches = [pa.ipc.open_file(file).get_batch(i) for i in range(2)]
    with pa.OSFile(str(part), "wb") as file, pa.ipc.new_file(file, batches[0].schema) as writer:
        writer.write_batch(batches[0].slice(0, 100))
        writer.write_batch(batches[1])
    content = json.loads(manifest.read_text())
    content["parts"][0]["sha256"][0] = hashlib.sha256(part.read_bytes()).hexdigest()
    content["parts"][0]["counts"] |= counts
    manifest.write_text(json.dumps(content))


@pytest.mark.parametrize("counts", [{}, {"written": 600}, {"written": 600, "read": 600}])
@pytest.mark.parametrize("output", [*(f"out{suffix}" for suffix in SUFFIXES), "out"])
def test_parts_that_were_edited_with_their_manifest_fail_the_job(path, source, tmp_path, output, counts):
    options = {"resume": True, "batch_size": 500, "keep": ["id"]}
    if output == "out":
        options["partition_by"] = ["month"]
    asked = iter([False, True])
    with pytest.raises(StoppedError):
        score_dataset(path, [source], tmp_path / output, **options, stop=lambda: next(asked))
    edited(tmp_path / f".{output}.tabkd", counts)
    with pytest.raises(ValueError, match=r"written|rows read"):
        score_dataset(path, [source], tmp_path / output, **options)
    assert not (tmp_path / output).exists()


def test_a_part_that_changes_before_it_is_put_together_fails_the_job(path, source, tmp_path):
    def damage():
        part = tmp_path / ".out.csv.tabkd" / "part-000000.arrow"
        part.write_bytes(part.read_bytes().replace(b"prediction", b"pr3diction"))

    asked = iter([False, True])
    with pytest.raises(StoppedError):
        score_dataset(path, [source], tmp_path / "out.csv", resume=True, batch_size=500, stop=lambda: next(asked))
    with pytest.raises(
        ValueError, match=r"part-000000' cannot be used: it was changed since .* remove '.*' to start again"
    ):
        score_dataset(path, [source], tmp_path / "out.csv", resume=True, batch_size=500, stop=damage)


@pytest.mark.parametrize("top_fraction", [None, 0.5])
@pytest.mark.parametrize("output", [*(f"out{suffix}" for suffix in SUFFIXES), "out"])
def test_rows_that_an_output_loses_fail_the_job(path, source, tmp_path, monkeypatch, output, top_fraction):
    from tabkd.batch._outputs import Outputs

    def write(self, rows, write=Outputs.write):
        return write(self, rows._replace(table=rows.table.slice(1)))

    monkeypatch.setattr(Outputs, "write", write)
    options = {"partition_by": ["month"]} if output == "out" else {}
    with pytest.raises(
        ValueError, match=r"rows were to be written, but .* rows reached the output; nothing was written"
    ):
        score_dataset(path, [source], tmp_path / output, **options, top_fraction=top_fraction, batch_size=500)
    assert os.listdir(tmp_path) == ["in.parquet"]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_file_that_says_that_it_has_other_rows_fails_the_job(tmp_path, suffix):
    file = sinks.File(str(tmp_path / f"out.{suffix}")).__enter__()
    file.write(pa.table({"a": range(10)}))
    file.n_rows += 1
    with pytest.raises(ValueError, match=r"11 rows were written to .*, but it has 10; it is removed"):
        file.__exit__(None, None, None)
    assert os.listdir(tmp_path) == []


# Where alerts are cut off


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.3, 1.0])
def test_the_summary_has_the_score_at_which_it_cut(path, source, expected, tmp_path, fraction):
    done = score_dataset(path, [source], tmp_path / "out.parquet", top_fraction=fraction, keep=["id"])
    n = int(np.ceil(round(fraction * N_ROWS, 6)))
    assert done.written == n
    assert done.threshold == (None if n == 0 else np.sort(expected)[::-1][n - 1])
    if n:
        # It is a threshold for the next night: all rows from it on, the equal ones too.
        same = score_dataset(path, [source], tmp_path / "same.parquet", threshold=done.threshold, keep=["id"])
        assert same.threshold == done.threshold
        assert same.written == (expected >= done.threshold).sum()
        assert set(pd.read_parquet(tmp_path / "out.parquet")["id"]) <= set(
            pd.read_parquet(tmp_path / "same.parquet")["id"]
        )
    assert score_dataset(path, [source], tmp_path / "all.parquet").threshold is None


def test_the_command_says_at_which_score_it_cut(path, source, expected, tmp_path):
    arguments = ["score", path, source, "--output", tmp_path / "out.csv", "--summary", tmp_path / "s.json"]
    cut = np.sort(expected)[::-1][299]
    for options, threshold in ((["--top-fraction", 0.1], cut), (["--threshold", 0.25], 0.25)):
        result = CliRunner().invoke(app, list(map(str, [*arguments, *options])))
        assert f"alerts out, with probabilities from {threshold} on (" in result.stdout
        assert json.loads((tmp_path / "s.json").read_text())["threshold"] == threshold
        result = CliRunner().invoke(app, list(map(str, [*arguments, *options, "--log", "json"])))
        assert json.loads(result.stderr)["threshold"] == threshold


# Folders


def test_values_that_look_like_places_or_like_nothing_are_kept_apart(path, frame, tmp_path):
    values = [
        ".",
        "..",
        "",
        "/",
        "a/../..",
        "%2F",
        "=",
        " ",
        "__HIVE_DEFAULT_PARTITION__",
        None,
        "é" * 30,
        "\\",
        "a\0b",
    ]
    rows = frame[: len(values)].assign(place=values)
    rows.to_parquet(tmp_path / "in.parquet")
    done = score_dataset(path, [tmp_path / "in.parquet"], tmp_path / "out", partition_by=["place"], keep=["id"])
    assert done.written == len(values)
    found = {
        file.partition["place"]: pa.parquet.ParquetFile(file.path).read()["id"][0].as_py()
        for file in find_files([str(tmp_path / "out")])
    }
    assert found == dict(zip(values, rows["id"], strict=True))
    assert sorted(os.listdir(tmp_path)) == ["in.parquet", "out"]


def test_what_cannot_name_a_folder_is_refused_early(path, frame, tmp_path):
    rows = frame.assign(long="x" * 300, list=[[1]] * N_ROWS, bytes=b"x")
    rows.to_parquet(tmp_path / "in.parquet", row_group_size=100)
    calls = []

    def asked():
        calls.append(1)

    options = {"stop": asked, "batch_size": 100}
    with pytest.raises(ValueError, match=r"partition_by='long': the name of the folder for the value 'xxx.*305 char"):
        score_dataset(path, [tmp_path / "in.parquet"], tmp_path / "out", partition_by=["long"], **options)
    assert len(calls) < 10  # of 30
    calls.clear()
    for name in ("list", "bytes"):
        with pytest.raises(ValueError, match=rf"partition_by='{name}' is .*, whose values cannot name folders"):
            score_dataset(path, [tmp_path / "in.parquet"], tmp_path / "out", partition_by=[name], **options)
    assert calls == []


def test_a_folder_that_cannot_be_replaced_is_refused_before_the_first_row(path, source, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    options = {"partition_by": ["month"], "stop": lambda: pytest.fail("a batch was scored")}
    for given in (".", str(here)):
        with pytest.raises(OSError, match="it is the working directory, and a new folder would replace it"):
            score_dataset(path, [source], given, **options)
    with pytest.raises(OSError, match=r"cannot write '.*none/out'.*Make the folder first"):
        score_dataset(path, [source], "none/out", **options)
    assert os.listdir(tmp_path) == ["here", "in.parquet"] or os.listdir(tmp_path) == ["in.parquet", "here"]


def test_modes_of_outputs_are_kept(path, source, tmp_path):
    def mode_of(name):
        return stat.S_IMODE((tmp_path / name).stat().st_mode)

    (tmp_path / "out.csv").touch(mode=0o600)
    (tmp_path / "r.csv").touch(mode=0o640)
    (tmp_path / "out").mkdir(mode=0o700)
    score_dataset(path, [source], tmp_path / "out.csv", rejects=tmp_path / "r.csv")
    score_dataset(path, [source], tmp_path / "out", partition_by=["month"])
    assert [oct(mode_of(name)) for name in ("out.csv", "r.csv", "out")] == ["0o600", "0o640", "0o700"]
    assert len(list((tmp_path / "out").glob("month=*/part-0.parquet"))) == 2
    (tmp_path / "plain").touch()
    (tmp_path / "folder").mkdir()
    score_dataset(path, [source], tmp_path / "new.csv", resume=True)
    score_dataset(path, [source], tmp_path / "new", partition_by=["month"])
    assert (mode_of("new.csv"), mode_of("new")) == (mode_of("plain"), mode_of("folder"))


def test_names_of_outputs_that_are_not_utf8_are_refused_before_the_first_row(path, source, tmp_path):
    options = {"stop": lambda: pytest.fail("a batch was scored")}
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    for more in ({"output": f"{name}.csv"}, {"output": name, "partition_by": ["month"]}, {"rejects": f"{name}.csv"}):
        with pytest.raises(ValueError, match=r"\\xff(\.csv)?' is not UTF-8 text; rename"):
            score_dataset(path, [source], **({"output": tmp_path / "out.csv"} | more), **options)
    assert [re.sub("[^ -~]", "", file) for file in os.listdir(tmp_path)] == ["in.parquet"]
