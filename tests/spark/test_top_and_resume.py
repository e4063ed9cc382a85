"""Jobs on Spark that choose the top fraction, are interrupted, or write to other stores than a disk."""

import shutil

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from tabkd import batch
from tabkd.batch._outputs import RejectsError
from tabkd.batch._workplace import BusyError
from tabkd.spark import _dataset as dataset
from tabkd.spark._parts import Parts
from tabkd.spark._store import Store

pytestmark = [
    # Spark leaves sockets to the end of the process.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def folder(frame, tmp_path_factory):
    """Four files, not written in the order of their names, with each row three times."""
    folder = tmp_path_factory.mktemp("in") / "a b"
    many = pd.concat([frame[:1000], frame[:1000], frame[:1000]], ignore_index=True).assign(id=np.arange(3000))
    for name, part in zip(("b=%/3", "b=1/1 é%", "b=%/0", "b=1/2"), np.array_split(np.arange(3000), 4), strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        many.iloc[part].to_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture
def small_parts(monkeypatch):
    """A part for each file."""
    monkeypatch.setattr(dataset, "_PART_BYTES", 1)
    monkeypatch.setattr(dataset, "_BYTES_PER_CORE", 1)


def ids(output) -> list[int]:
    return sorted(pd.read_parquet(output)["id"].astype(int))


def test_the_top_rows_are_found_by_counts_of_bits(spark):
    from tabkd.spark._top import top

    rng = np.random.default_rng(0)
    rank = np.concatenate([rng.random(2000), np.repeat([0.0, 0.25, 1.0], 1000)]).view(np.int64)
    place = rng.permutation(len(rank)) + (rng.integers(0, 3, len(rank)) << 40)
    rows = spark.createDataFrame(pd.DataFrame({"rank": rank, "place": place})).repartition(4).cache()
    order = np.lexsort([place, -rank])
    for n in (0, 999, 2345, len(rank)):
        chosen, threshold = top(rows, n)
        assert sorted(row.place for row in chosen.collect()) == sorted(place[order[:n]])
        assert threshold == (rank[order[n - 1]].view(np.float64) if n else None)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_the_top_fraction_is_that_of_the_local_engine_ties_included(spark, folder, path, tmp_path, suffix):
    inputs = [str(folder)]
    if suffix == "csv":
        inputs = []
        # The first to be given comes first, whatever its name is.
        for i, file in enumerate(sorted(folder.rglob("*.parquet"), reverse=True)):
            inputs.append(str(tmp_path / f"{i}.csv"))
            pd.read_parquet(file).to_csv(inputs[-1], index=False)
    local = batch.score_dataset(path, inputs, tmp_path / "local.parquet", keep=["id"], top_fraction=0.2001)
    done = dataset.score_dataset(path, inputs, tmp_path / "spark", keep=["id"], top_fraction=0.2001)
    assert done.written == local.written == 601
    assert done.threshold == local.threshold
    assert ids(tmp_path / "spark") == ids(tmp_path / "local.parquet")


def interrupted_after(n, monkeypatch):
    """Let a job end before it adds its part number n, from 0; how many parts it has added is counted."""
    added = []
    add = Parts.add

    def counted(self, files, *arguments):
        if len(added) == n:
            raise KeyboardInterrupt
        add(self, files, *arguments)
        added.append(files)

    monkeypatch.setattr(Parts, "add", counted)
    return added


def test_what_is_finished_is_not_scored_again(spark, folder, path, tmp_path, small_parts, monkeypatch):
    out, options = tmp_path / "out", {"keep": ["id"], "resume": True}
    expected = batch.score_dataset(path, [folder], tmp_path / "local.parquet", keep=["id"])
    first = interrupted_after(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        dataset.score_dataset(path, [str(folder)], out, **options)
    assert not out.exists()
    with pytest.raises(ValueError, match=r"holds an unfinished job of another keep\."):
        dataset.score_dataset(path, [str(folder)], out, keep=["note"], resume=True)
    with FileLock(tmp_path / ".out.tabkd" / "lock"), pytest.raises(BusyError):
        dataset.score_dataset(path, [str(folder)], out, **options)
    monkeypatch.undo()
    monkeypatch.setattr(dataset, "_PART_BYTES", 1)
    second = interrupted_after(9, monkeypatch)
    done = dataset.score_dataset(path, [str(folder)], out, **options)
    assert sorted(np.concatenate(first + second)) == [0, 1, 2, 3]
    assert ids(out) == list(range(3000))
    assert vars(done) == vars(expected)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_a_part_that_lost_rows_is_scored_again(spark, folder, path, tmp_path, small_parts, monkeypatch):
    out = tmp_path / "out"
    interrupted_after(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        dataset.score_dataset(path, [str(folder)], out, keep=["id"], resume=True)
    one, two, three = sorted((tmp_path / ".out.tabkd" / "parts").glob("part-*.json"))
    shutil.rmtree(one.with_suffix(""))
    next(two.with_suffix("").glob("*.parquet")).unlink()
    three.write_text(three.read_text()[:20])  # as a killed process may leave it
    monkeypatch.undo()
    dataset.score_dataset(path, [str(folder)], out, keep=["id"], resume=True)
    assert ids(out) == list(range(3000))


def test_a_job_that_was_killed_when_its_output_was_there_only_finishes(spark, folder, path, tmp_path, monkeypatch):
    source, out, rejects = tmp_path / "in.csv", tmp_path / "out", tmp_path / "rejects.csv"
    frame = pd.read_parquet(folder / "b=1" / "2.parquet").astype({"amount": object})
    frame.loc[frame.index[5], "amount"] = "1 EUR"
    frame.to_csv(source, index=False)
    options = {"keep": ["id"], "resume": True, "rejects": rejects, "max_rejects": 1}
    publish = Parts.publish

    def and_something_is_in_the_way(self, write):
        publish(self, write)
        rejects.mkdir()

    monkeypatch.setattr(Parts, "publish", and_something_is_in_the_way)
    with pytest.raises(RejectsError, match="all rows are written"):
        dataset.score_dataset(path, [str(source)], out, **options)
    before = {file: file.stat().st_ino for file in out.iterdir()}
    rejects.rmdir()
    monkeypatch.undo()
    done = dataset.score_dataset(path, [str(source)], out, **options)
    assert (done.written, done.rejected) == (len(frame) - 1, 1)
    assert {file: file.stat().st_ino for file in out.iterdir()} == before
    assert pd.read_csv(rejects)["row"].tolist() == [5]
    with pytest.raises(ValueError, match="already exists"):
        dataset.score_dataset(path, [str(source)], out, **options)


@pytest.mark.parametrize("n_removed", [1, 3, 5])
def test_a_job_that_was_killed_while_it_cleaned_up_has_nothing_left_to_do(
    spark, folder, path, tmp_path, small_parts, monkeypatch, n_removed
):
    options = {"keep": ["id"], "resume": True, "top_fraction": 0.5, "rejects": tmp_path / "rejects.csv"}
    whole, removed = Store.delete, []

    def and_a_kill(self, name):
        if len(removed) == n_removed:
            raise KeyboardInterrupt
        removed.append(name)
        whole(self, name)

    monkeypatch.setattr(Store, "delete", and_a_kill)
    with pytest.raises(KeyboardInterrupt):
        dataset.score_dataset(path, [str(folder)], tmp_path / "out", **options)
    monkeypatch.setattr(Store, "delete", whole)
    written = ids(tmp_path / "out")
    (tmp_path / "rejects.csv").unlink()  # it is in its place already, and is not written again
    monkeypatch.setattr(Parts, "add", lambda *_: pytest.fail("it scored again"))
    summary = dataset.score_dataset(path, [str(folder)], tmp_path / "out", **options)
    assert (summary.read, summary.written) == (3000, 1500)
    assert summary.threshold == pd.read_parquet(tmp_path / "out").filter(like="probability_").iloc[:, -1].min()
    assert ids(tmp_path / "out") == written
    assert {file.name for file in tmp_path.iterdir()} == {"out"}


def test_an_input_that_is_changed_meanwhile_fails_the_job(spark, folder, path, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "in")
    add = Parts.add

    def and_change(self, *arguments):
        add(self, *arguments)
        pd.read_parquet(folder / "b=1" / "2.parquet")[:5].to_parquet(tmp_path / "in" / "b=1" / "2.parquet")

    monkeypatch.setattr(Parts, "add", and_change)
    with pytest.raises(ValueError, match=r"'.*/in/b=1/2.parquet' was changed while it was read"):
        dataset.score_dataset(path, [str(tmp_path / "in")], tmp_path / "out", keep=["id"])
    assert [file.name for file in tmp_path.iterdir()] == ["in"]


def test_bytes_that_are_not_text_are_rejected_as_here(spark, frame, path, tmp_path):
    lines = frame[:50].to_csv(index=False).encode().split(b"\n")
    lines[3] += b"\xff"
    lines[5], lines[7] = b"4,0.5,0.5,\xe9,n", b"6,1 EUR,0.5,\xe9,n"
    (tmp_path / "in.csv").write_bytes(b"\n".join(lines))
    options = {"keep": ["id", "note"], "max_rejects": 3}
    for engine in (batch, dataset):
        name = engine.__name__.split(".")[1]
        out = tmp_path / f"{name}{'.parquet' if engine is batch else ''}"
        rejects = tmp_path / f"{name}.csv"
        done = engine.score_dataset(path, [str(tmp_path / "in.csv")], out, rejects=rejects, **options)
        assert (done.read, done.rejected, done.written) == (50, 3, 47)
    here, there = (pd.read_csv(tmp_path / f"{name}.csv").drop(columns="value") for name in ("batch", "spark"))
    assert here.equals(there)


@pytest.mark.parametrize("below", ["month=1", "more"])
def test_files_that_spark_leaves_out_fail_the_job(spark, frame, path, tmp_path, below):
    (tmp_path / "in" / below).mkdir(parents=True)
    frame[:10].to_parquet(tmp_path / "in" / below / "0.parquet")
    frame[10:20].to_parquet(tmp_path / "in" / "1.parquet")
    left_out = "1.parquet" if "=" in below else f"{below}/0.parquet"
    with pytest.raises(ValueError, match=f"Spark leaves out '.*/in/{left_out}'"):
        dataset.score_dataset(path, [str(tmp_path / "in")], tmp_path / "out", keep=["id"])
    assert [file.name for file in tmp_path.iterdir()] == ["in"]


def test_a_store_that_is_no_disk(spark, folder, path, tmp_path, small_parts, monkeypatch):
    settings = spark.sparkContext._jsc.hadoopConfiguration()
    settings.set("fs.viewfs.mounttable.tabkd.link./data", f"file://{tmp_path}")
    shutil.copytree(folder, tmp_path / "in")
    interrupted_after(2, monkeypatch)
    inputs, options = ["viewfs://tabkd/data/in"], {"keep": ["id"], "resume": True, "top_fraction": 0.1}
    with pytest.raises(KeyboardInterrupt):
        dataset.score_dataset(path, inputs, "viewfs://tabkd/data/out", **options)
    monkeypatch.undo()
    dataset.score_dataset(path, inputs, "viewfs://tabkd/data/out", **options)
    batch.score_dataset(path, [folder], tmp_path / "local.parquet", keep=["id"], top_fraction=0.1)
    assert ids(tmp_path / "out") == ids(tmp_path / "local.parquet")
    assert {file.name for file in tmp_path.iterdir()} == {"in", "out", "local.parquet"}
    with pytest.raises(ValueError, match="already exists"):
        dataset.score_dataset(path, inputs, "viewfs://tabkd/data/out", keep=["id"])
