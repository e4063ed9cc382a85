"""What matches and cannot be read is refused before the first row: no row is lost in silence."""

import json
import os
import re
import shutil
import socket

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from tabkd.batch._found_files import find_files
from tabkd.batch._job import score_dataset
from tabkd.spark._inputs import local_paths
from tests.batch.processes import open_folder


@pytest.fixture
def rows(frame, tmp_path):
    """Rows of two months."""
    for month in (1, 2):
        folder = tmp_path / "rows" / f"month={month}"
        folder.mkdir(parents=True)
        frame[month::2].to_parquet(folder / "0.parquet", index=False)
    return tmp_path / "rows"


_INPUTS = ["rows", "rows/", "rows/*", "rows/*/*.parquet", "rows/*/0.parquet", "rows/**", "rows/**/*.parquet"]
_INPUTS += ["local://{}/rows", "simplecache::file://{}/rows", "simplecache::file://{}/rows/*/*.parquet"]
_EACH = f"""
import json, os, sys
from tabkd.batch._job import score_dataset
said = []
for given in {_INPUTS}:
    try:
        done = score_dataset("model.onnx", [given.format(os.getcwd())], "out.csv", keep=["id"])
        said.append(done.read)
    except (OSError, ValueError) as error:
        said.append(str(error))
print(json.dumps(said))
sys.exit()
"""


def test_folders_and_files_that_the_user_may_not_read_are_refused(commands, path, rows):
    with open_folder() as folder:
        shutil.copytree(rows, folder / "rows")
        (folder / "model.onnx").write_bytes(path.read_bytes())
        closed = folder / "rows" / "month=2"
        # Not to be listed; to be listed, but nothing in it looked at; a file that cannot be opened.
        for what, mode in ((closed, 0o000), (closed, 0o744), (closed / "0.parquet", 0o000)):
            before = what.stat().st_mode
            what.chmod(mode)
            said = json.loads(commands.run(program=_EACH, folder=folder, unprivileged=True).stdout)
            for given, message in zip(_INPUTS, said, strict=True):
                assert re.search("cannot read '.*month=2.*Permission denied", str(message)), (given, mode, message)
            job = ("score", "model.onnx", "rows", "--output", "out.csv")
            done = commands.run(*job, folder=folder, unprivileged=True)
            assert (done.code, done.stderr.count("\n")) == (1, 1)
            what.chmod(before)
        assert sorted(file.name for file in folder.iterdir()) == ["model.onnx", "rows"]
        # All of it is read where it can be.
        done = commands.run(program=_EACH, folder=folder, unprivileged=True)
        assert json.loads(done.stdout) == [2999] * len(_INPUTS)
        assert sorted(pd.read_csv(folder / "out.csv")["id"]) == [*range(1, 3000)]


def dangling(place):
    place.symlink_to("nowhere")


def looping(place):
    place.symlink_to(place.name)


def pipe(place):
    os.mkfifo(place)


def listening(place):
    # Its path may be longer than the name of a socket can be.
    here = os.getcwd()
    os.chdir(place.parent)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(place.name)
    os.chdir(here)


@pytest.mark.parametrize("make", [dangling, looping, pipe, listening])
@pytest.mark.parametrize("given", ["rows", "rows/*/", "rows/*/*", "rows/**", "rows/**/*.parquet", "local://{}/rows"])
def test_what_is_no_file_though_its_name_says_so_is_refused(path, rows, tmp_path, monkeypatch, make, given):
    monkeypatch.chdir(tmp_path)
    make(rows / "month=2" / "1.parquet")
    with pytest.raises((OSError, ValueError), match=r"cannot read '.*month=2/1\.parquet'"):
        score_dataset(path, [given.format(tmp_path)], "out.csv")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("given", ["rows", "rows/*", "rows/*/*.parquet", "rows/*/0.parquet", "rows/**/0.parquet"])
def test_a_link_to_a_folder_that_is_gone_is_refused(path, rows, tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    (rows / "month=3").symlink_to(tmp_path / "gone")
    with pytest.raises(ValueError, match=r"cannot read 'rows/month=3(/0.parquet)?': it is a link that leads nowhere"):
        score_dataset(path, [given], "out.csv")


def test_two_links_to_one_folder_are_two_months_of_the_same_rows(path, rows, tmp_path):
    (rows / "month=3").symlink_to(rows / "month=2")
    with pytest.raises(ValueError, match=r"is given twice; its rows would be scored twice"):
        score_dataset(path, [rows], tmp_path / "out.csv")


def test_a_folder_with_the_name_of_a_file_is_read_once(path, frame, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("rows/a.parquet/part-0.parquet", "rows/b.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        frame[:100].to_parquet(tmp_path / name)
    for given in ("rows", "rows/*", "rows/*.parquet", "rows/**", "rows/**/*.parquet"):
        assert score_dataset(path, [given], "out.csv").read == 200, given
    monkeypatch.chdir(tmp_path / "rows")
    assert [file.path for file in find_files(["**"])] == ["./a.parquet/part-0.parquet", "./b.parquet"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows" / "c.parquet").mkdir()
    with pytest.raises(FileNotFoundError, match=r"the folder 'rows/c\.parquet' has no .* file; names that begin with"):
        score_dataset(path, ["rows/*.parquet"], "out.csv")


def test_hidden_names_are_left_out_unless_a_pattern_names_them(frame, tmp_path):
    for name in ("a", "_b", ".c", "_d=1/e", "_temporary/f", ".g/h"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        frame[:1].to_parquet(f"{tmp_path / name}.parquet")
    os.mkfifo(tmp_path / "_pipe.parquet")
    (tmp_path / "_gone.parquet").symlink_to("nowhere")
    (tmp_path / "notes.txt").touch()

    def found(given):
        return [os.path.relpath(file.path, tmp_path) for file in find_files([f"{tmp_path}/{given}"])]

    assert found("") == ["_d=1/e.parquet", "a.parquet"]
    assert found("*.parquet") == ["a.parquet"]
    assert found("**/*.parquet") == ["_d=1/e.parquet", "a.parquet"]
    assert found("_b*") == ["_b.parquet"]
    assert found("_b.parquet") == ["_b.parquet"]
    assert found(".g/*") == [".g/h.parquet"]
    with pytest.raises(FileNotFoundError, match="no file matches"):
        found("none/*.parquet")
    with pytest.raises(FileNotFoundError, match="no file matches"):
        found("a.parquet/*.parquet")


def test_patterns_find_what_those_of_the_standard_library_find(frame, tmp_path, monkeypatch):
    import glob

    monkeypatch.chdir(tmp_path)
    for name in ("a/1/x", "a/2/x", "b/1/y", "b/x", "x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        frame[:1].to_parquet(f"{tmp_path / name}.parquet")
    patterns = ["*.parquet", "*/x.parquet", "*/*/*.parquet", "[ab]/?/x.parquet", "a/**/*.parquet", "./*/1/*", "**/x*"]
    for pattern in [*patterns, f"{tmp_path}/*/*.parquet", "**/1/*.parquet"]:
        expected = sorted(os.path.realpath(name) for name in glob.glob(pattern, recursive=True))
        assert sorted(os.path.realpath(file.path) for file in find_files([pattern])) == expected, pattern


def test_a_name_that_is_not_utf8_is_refused_by_name(path, frame, tmp_path):
    name = os.fsencode(tmp_path) + b"/r\xe9sum\xe9.parquet"
    frame[:3].to_parquet(tmp_path / "plain.parquet")
    os.rename(tmp_path / "plain.parquet", name)
    for given in (str(tmp_path), os.fsdecode(name), f"{tmp_path}/*.parquet"):
        with pytest.raises(ValueError, match=r"r\\xe9sum\\xe9\.parquet' is not UTF-8 text; rename"):
            score_dataset(path, [given], tmp_path / "out.csv")


def test_a_store_that_cannot_list_a_folder_is_refused(path, frame, monkeypatch):
    store = fsspec.filesystem("memory")
    for month in (1, 2):
        with store.open(f"/closed/month={month}/0.parquet", "wb") as file:
            frame[:10].to_parquet(file)
    given = ["memory://closed", "memory://closed/*", "memory://closed/*/*.parquet", "memory://closed/**"]
    assert [len(find_files([url])) for url in given] == [2, 2, 2, 2]

    def refuse(path, detail=True, ls=store.ls, **options):
        if path.rstrip("/") == "/closed/month=2":
            raise PermissionError("Access Denied")
        return ls(path, detail, **options)

    monkeypatch.setattr(store, "ls", refuse)
    for url in given:
        with pytest.raises(ValueError, match=r"cannot read '/closed/month=2': Access Denied"):
            find_files([url])
    monkeypatch.undo()
    store.rm("/closed", recursive=True)


def test_inputs_of_spark_are_looked_at_before_it_reads(rows, tmp_path):
    assert local_paths([f"{rows}/month={{1,2}}"]) == [f"{rows}/month=1", f"{rows}/month=2"]
    # Spark reads files of any suffix, and leaves out a link that leads nowhere.
    (rows / "month=2" / "part-1").symlink_to("nowhere")
    for given in (rows, f"file://{rows}", f"{rows}/*", f"{rows}/month={{1,2}}"):
        with pytest.raises(ValueError, match=r"cannot read '.*/month=2/part-1': it is a link that leads nowhere"):
            local_paths([str(given)])
    assert local_paths(["s3a://bucket/rows/*", "hdfs:///rows"]) == ["s3a://bucket/rows/*", "hdfs:///rows"]


def test_the_order_is_that_of_names_folder_by_folder(path, frame, tmp_path):
    for i, name in enumerate(("b/0", "a", "b/1", "c")):
        (tmp_path / "rows" / name).parent.mkdir(parents=True, exist_ok=True)
        frame[i : i + 1].to_parquet(f"{tmp_path / 'rows' / name}.parquet")
    score_dataset(path, [tmp_path / "rows"], tmp_path / "out.parquet", keep=["id"])
    np.testing.assert_array_equal(pa.parquet.read_table(tmp_path / "out.parquet")["id"], [1, 0, 2, 3])
