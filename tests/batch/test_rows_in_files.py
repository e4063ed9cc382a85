"""Scoring files: every row once, from wherever it comes, and nothing half written."""

import io
import itertools
import os
import subprocess
import sys
import threading
import time

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

import tabkd
from tabkd import DistilledClassifier
from tabkd._cli import app
from tabkd._cli.table_codes import TableCodes
from tabkd._formats import SUFFIXES
from tabkd.batch._found_files import find_files
from tabkd.batch._job import score_dataset
from tabkd.batch._overlap import ahead, behind
from tests.batch.readers import READERS

N_ROWS = 1000


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": np.arange(N_ROWS), "amount": rng.normal(size=N_ROWS)})
    frame["shop"] = rng.choice(["a", "b", None], N_ROWS)
    return frame.assign(month=np.where(frame["id"] < 600, "jan", "feb"))


@pytest.fixture(scope="module")
def expected(frame, path):
    scores = tabkd.load(path).predict_proba(frame[["amount", "shop", "month"]])
    return pd.DataFrame({"id": frame["id"], "probability_True": scores[:, 1]})


@pytest.fixture
def folder(frame, tmp_path):
    """Rows of January in Parquet and CSV, of February in Arrow, and files that are none of the table's."""
    folder = tmp_path / "rows"
    jan, feb = (
        frame[frame["month"] == "jan"].drop(columns="month"),
        frame[frame["month"] == "feb"].drop(columns="month"),
    )
    for name, rows in (("month=jan/0.parquet", jan[:400]), ("month=jan/1.csv", jan[400:]), ("month=feb/0.arrow", feb)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pandas(rows, preserve_index=False)
        if name.endswith("csv"):
            pa.csv.write_csv(table, folder / name)
        elif name.endswith("parquet"):
            pa.parquet.write_table(table, folder / name)
        else:
            with pa.ipc.new_file(str(folder / name), table.schema) as writer:
                writer.write_table(table, 150)
    (folder / "_SUCCESS").touch()
    (folder / "month=jan" / ".0.parquet.crc").touch()
    return folder


def scores_of(path, inputs, output, **options):
    counts = score_dataset(tabkd.load(path), [str(i) for i in inputs], str(output), keep=["id"], **options)
    return counts, pd.read_parquet(output)


@pytest.mark.parametrize("batch_size", [7, 65_536])
def test_a_partitioned_folder_of_every_format(path, folder, expected, tmp_path, batch_size):
    counts, scores = scores_of(path, [folder], tmp_path / "out.parquet", batch_size=batch_size)
    # Text in the CSV, and so in all.
    scores["id"] = scores["id"].astype(int)
    assert (counts.scored, counts.written) == (N_ROWS, N_ROWS)
    scores = scores.sort_values("id", ignore_index=True)
    pd.testing.assert_frame_equal(scores[["id", "probability_True"]], expected)


def test_the_order_is_that_of_names_and_rows(path, folder, frame, tmp_path):
    _, scores = scores_of(path, [folder], tmp_path / "out.parquet", batch_size=64)
    assert scores["id"].astype(int).tolist() == [*range(600, N_ROWS), *range(600)]
    assert [file.path.rsplit("/", 2)[1:] for file in find_files([str(folder)])] == [
        ["month=feb", "0.arrow"],
        ["month=jan", "0.parquet"],
        ["month=jan", "1.csv"],
    ]


def test_globs_and_several_inputs(path, frame, expected, tmp_path):
    for i in range(3):
        frame[i * 100 : i * 100 + 100].to_parquet(tmp_path / f"part{i}.parquet")
    inputs = [tmp_path / "part[12].parquet", tmp_path / "part0.parquet"]
    _, scores = scores_of(path, inputs, tmp_path / "out.parquet")
    assert scores["id"].tolist() == [*range(100, 300), *range(100)]
    with pytest.raises(ValueError, match=r"part1.parquet' is given twice"):
        scores_of(path, [inputs[0], tmp_path / "part1.parquet"], tmp_path / "twice.parquet")
    (tmp_path / "link.parquet").symlink_to(tmp_path / "part1.parquet")
    for same in (f"{tmp_path}/./part1.parquet", tmp_path / "link.parquet"):
        with pytest.raises(ValueError, match=r"parquet' is given twice"):
            scores_of(path, [tmp_path / "part1.parquet", same], tmp_path / "twice.parquet")
    with pytest.raises(FileNotFoundError, match="no file matches"):
        scores_of(path, [tmp_path / "other*.parquet"], tmp_path / "none.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"has no .*\.parquet"):
        scores_of(path, [tmp_path / "empty"], tmp_path / "none.parquet")
    assert not (tmp_path / "twice.parquet").exists()


def test_stores_that_fsspec_knows(path, folder, expected, tmp_path):
    store = fsspec.filesystem("memory")
    store.put(str(folder), "/rows", recursive=True)
    for given in ("memory://rows", "memory://rows/*/*.*"):
        if given.endswith("*"):  # a glob says nothing of folders
            with pytest.raises(ValueError, match="has no column 'month'"):
                scores_of(path, [given], tmp_path / "no.parquet")
            continue
        _, scores = scores_of(path, [given], tmp_path / "out.parquet")
        scores = scores.astype({"id": int}).sort_values("id", ignore_index=True)
        pd.testing.assert_frame_equal(scores[expected.columns], expected)
    with pytest.raises(ValueError, match=r"'nostore://rows' cannot be opened"):
        find_files(["nostore://rows"])
    store.rm("/rows", recursive=True)


def test_a_partition_of_numbers_or_of_nothing(path, frame, expected, tmp_path):
    rows = frame[:5].drop(columns=["amount", "shop"])
    (tmp_path / "in" / "amount=1.5" / "shop=__HIVE_DEFAULT_PARTITION__").mkdir(parents=True)
    rows.to_parquet(tmp_path / "in" / "amount=1.5" / "shop=__HIVE_DEFAULT_PARTITION__" / "0.parquet")
    _, scores = scores_of(path, [tmp_path / "in"], tmp_path / "out.parquet")
    same = tabkd.load(path).predict_proba(rows.assign(amount=1.5, shop=None)[["amount", "shop", "month"]])
    np.testing.assert_array_equal(scores["probability_True"], same[:, 1])


def test_only_alerts(path, frame, expected, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    counts, scores = scores_of(path, [tmp_path / "in.parquet"], tmp_path / "out.parquet", threshold=0.5, batch_size=90)
    alerts = expected[expected["probability_True"] >= 0.5]
    assert (counts.scored, counts.written) == (N_ROWS, len(alerts))
    assert scores["id"].tolist() == alerts["id"].tolist()


def test_columns_of_other_names(path, frame, expected, tmp_path):
    frame.rename(columns={"amount": "AMT"}).to_csv(tmp_path / "in.csv", index=False)
    inputs, output = [tmp_path / "in.csv"], tmp_path / "out.parquet"
    with pytest.raises(ValueError, match=r"has no column 'amount'.*column_map"):
        scores_of(path, inputs, output)
    with pytest.raises(ValueError, match="'price' is not a column of the model"):
        scores_of(path, inputs, output, column_map={"price": "AMT"})
    with pytest.raises(ValueError, match=r"'shop' of the input to more than one .* amount, shop"):
        scores_of(path, inputs, output, column_map={"amount": "shop"})
    _, scores = scores_of(path, inputs, output, column_map={"amount": "AMT"})
    np.testing.assert_allclose(scores["probability_True"], expected["probability_True"])


def test_the_command_writes_to_standard_output(path, frame, expected, tmp_path):
    frame.rename(columns={"amount": "AMT"}).to_parquet(tmp_path / "in.parquet")
    arguments = ["score", path, tmp_path / "in.parquet", "--output", "-", "--keep", "id", "--column-map", "amount=AMT"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.stderr
    scores = pd.read_csv(io.StringIO(result.stdout))
    np.testing.assert_allclose(scores["probability_True"], expected["probability_True"])
    assert f"{N_ROWS:,} rows in, {N_ROWS:,} rows out" in result.stderr
    result = CliRunner().invoke(app, [*map(str, arguments[:-1]), "amount"])
    assert result.exit_code == 1
    assert "--column-map 'amount' is not of the form" in result.stderr


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_outputs(path, frame, expected, tmp_path, suffix):
    frame.to_parquet(tmp_path / "in.parquet")
    output = tmp_path / f"out{suffix}"
    score_dataset(tabkd.load(path), [str(tmp_path / "in.parquet")], str(output), keep=["id", "shop"], batch_size=300)
    scores = READERS[suffix](output)
    assert scores["id"] == frame["id"].tolist()
    assert [shop or "" for shop in scores["shop"]] == frame["shop"].fillna("").tolist()
    np.testing.assert_allclose(scores["probability_True"], expected["probability_True"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.parquet", output.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("options", [{"resume": True}, {"top_fraction": 0.1}, {"threshold": 0.5}])
def test_every_format_has_the_rows_that_were_asked_for(path, frame, expected, tmp_path, suffix, options):
    amounts = frame["amount"].astype(str).where(frame["id"] > 4, "x")
    frame.assign(amount=amounts).to_parquet(tmp_path / "in.parquet")
    output, rejects = tmp_path / f"out{suffix}", tmp_path / f"rejects{suffix}"
    more = {"keep": ["id"], "batch_size": 300, "rejects": str(rejects), "max_rejects": 5}
    done = score_dataset(path, [tmp_path / "in.parquet"], output, **more, **options)
    score_dataset(path, [tmp_path / "in.parquet"], tmp_path / "same.parquet", **more, **options)
    assert (done.rejected, done.written) == (5, len(pd.read_parquet(tmp_path / "same.parquet")))
    assert READERS[suffix](rejects)["value"] == ["x"] * 5
    found, same = READERS[suffix](output), READERS[".parquet"](tmp_path / "same.parquet")
    if suffix == ".csv":  # whose reader guesses the types
        found = {name: [type(same[name][0])(value) for value in values] for name, values in found.items()}
    assert found == same


def test_the_help_of_the_command_and_errors_name_every_suffix(path, frame, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    told = " ".join(CliRunner().invoke(app, ["score", "--help"], env={"COLUMNS": "200"}).stdout.split())
    with pytest.raises(ValueError, match=r"has the suffix '\.xlsx'; it is written as a") as refused:
        score_dataset(path, [tmp_path / "in.parquet"], tmp_path / "o.xlsx")
    for suffix in SUFFIXES:
        assert suffix in told
        assert suffix in str(refused.value)


def test_broken_files_are_named_and_leave_nothing(path, frame, tmp_path):
    frame.to_parquet(tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(content[:-100])
    pa.feather.write_feather(frame, str(tmp_path / "c.arrow"), compression="uncompressed")
    (tmp_path / "c.arrow").write_bytes((tmp_path / "c.arrow").read_bytes()[:-200])
    for name, kind in (("b.parquet", "Parquet"), ("c.arrow", "Arrow")):
        with pytest.raises(ValueError, match=rf"cannot read '.*{name}' as {kind}"):
            scores_of(path, [tmp_path / "a.parquet", tmp_path / name], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_what_is_read_ahead_keeps_its_order_and_its_errors():
    def items():
        yield from range(100)
        raise ValueError("the hundredth")

    found = []
    with pytest.raises(ValueError, match="the hundredth"):
        found.extend(ahead(items()))
    assert found == list(range(100))
    given = ahead(itertools.count())
    assert [next(given) for _ in range(5)] == list(range(5))
    given.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tabkd")]


def test_what_is_written_behind_is_all_written_or_an_error():
    found = []
    with behind(found.append) as write:
        for i in range(100):
            write(i)
    assert found == list(range(100))

    def full(item):
        found.append(item)
        raise OSError("no space left")

    found.clear()
    with pytest.raises(OSError, match="no space left"):
        _write_all(full, range(100))
    assert found == [0]
    with pytest.raises(ZeroDivisionError):
        _write_all(lambda item: time.sleep(0.01), (1 // i for i in (1, 1, 0)))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tabkd")]


def _write_all(write_now, items):
    with behind(write_now) as write:
        for item in items:
            write(item)


@pytest.mark.parametrize("form", ["arrow", "batch", "pandas", "polars"])
def test_batches_of_any_form(path, frame, expected, form):
    import polars as pl

    from tabkd.batch import score_batches

    convert = {"arrow": pa.table, "batch": pa.RecordBatch.from_pandas, "pandas": lambda f: f, "polars": pl.from_pandas}
    rows = frame[["amount", "shop", "month", "id"]]
    batches = (convert[form](rows[i : i + 300].reset_index(drop=True)) for i in range(0, N_ROWS, 300))
    scored = list(score_batches(path, batches, keep=["id"]))
    assert [table.num_rows for table in scored] == [300, 300, 300, 100]
    found = pa.concat_tables(scored).to_pandas()
    pd.testing.assert_frame_equal(found[["id", "probability_True"]], expected)


def test_what_is_kept_must_not_clash(path, frame, tmp_path):
    from tabkd.batch import score_batches

    rows = frame[["amount", "shop", "month"]].assign(prediction=1)
    with pytest.raises(ValueError, match="keep='prediction' has the name of a column of scores"):
        list(score_batches(path, [rows], keep=["prediction"]))
    with pytest.raises(ValueError, match="the columns of an array have no names"):
        list(score_batches(path, [rows.to_numpy()], keep=["id"]))
    for i, values in enumerate(([[1]] * 5, [1] * 5)):
        pa.parquet.write_table(pa.table(frame[:5]).append_column("x", pa.array(values)), tmp_path / f"{i}.parquet")
    with pytest.raises(ValueError, match=r"keep='x' is int64 and list.* in the inputs"):
        score_dataset(path, [str(tmp_path)], str(tmp_path / "o.csv"), keep=["x"])


def test_partitions_with_awkward_names(path, frame, tmp_path):
    rows = frame[["id", "amount", "shop", "month"]].assign(**{"../esc": "a", "_p": 1, "u/v": None})
    rows.to_parquet(tmp_path / "in.parquet")
    for name in ("../esc", "_p", "u/v"):
        out = tmp_path / "out" / str(len(name))
        out.parent.mkdir(exist_ok=True)
        assert score_dataset(path, [tmp_path / "in.parquet"], out, keep=["id"], partition_by=[name]).written == N_ROWS
        (file,) = find_files([str(out)])
        assert list(file.partition) == [name]
        assert file.n_rows() == N_ROWS
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.parquet", "out"]


def test_links_to_folders_are_followed_but_not_around(path, frame, tmp_path):
    rows = frame[["id", "amount", "shop"]]
    for folder in ("rows/month=jan", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        rows.to_parquet(tmp_path / folder / "0.parquet")
    (tmp_path / "rows" / "month=feb").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "rows")
    assert score_dataset(path, [tmp_path / "rows"], tmp_path / "out.parquet").read == 2 * N_ROWS
    os.link(tmp_path / "elsewhere" / "0.parquet", tmp_path / "same.parquet")
    for same in (f"file://{tmp_path}/elsewhere/0.parquet", tmp_path / "same.parquet"):
        with pytest.raises(ValueError, match=r"parquet' is given twice"):
            score_dataset(path, [tmp_path / "elsewhere" / "0.parquet", same], tmp_path / "no.parquet")


@pytest.mark.parametrize("batch_size", [7, 65_536])
def test_a_file_all_of_whose_columns_are_in_its_folder(path, tmp_path, batch_size):
    folder = tmp_path / "amount=1" / "shop=a" / "month=jan"
    folder.mkdir(parents=True)
    pa.feather.write_feather(pa.table({"id": range(20)}), str(folder / "0.arrow"), compression="uncompressed")
    assert score_dataset(path, [tmp_path], tmp_path / "out.parquet", batch_size=batch_size).read == 20


@pytest.mark.parametrize("batch_size", [1, 65_536])
def test_whole_numbers_are_text_and_others_are_not(tmp_path, batch_size):
    frame = pd.DataFrame({"code": np.tile(["1", "7", None, "True"], 50), "x": np.arange(200.0)})
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(5, random_state=0))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=500, random_state=0)
    model.fit(frame, frame["code"] == "1").to_onnx(tmp_path / "m.onnx")
    for codes in ([1, 7, None] * 5, ["1", "7", None] * 5):
        for column in (pa.array(codes), pa.array(codes).dictionary_encode()):
            table = pa.table({"code": column, "x": np.arange(15.0)})
            pa.parquet.write_table(table, tmp_path / "in.parquet")
            score_dataset(tmp_path / "m.onnx", [tmp_path / "in.parquet"], tmp_path / "o.parquet", batch_size=batch_size)
            rows = pd.DataFrame({"code": np.array(["1", "7", None] * 5, object), "x": np.arange(15.0)})
            found = pd.read_parquet(tmp_path / "o.parquet")["probability_True"]
            np.testing.assert_allclose(found, model.predict_proba(rows)[:, 1], atol=1e-7)
    for codes in ([1.0, None] * 5, [True, None] * 5, [["1"], None] * 5):
        pa.parquet.write_table(pa.table({"code": pa.array(codes), "x": np.arange(10.0)}), tmp_path / "in.parquet")
        with pytest.raises(ValueError, match=r"column 'code' of .* is .*, but text in the model"):
            score_dataset(tmp_path / "m.onnx", [tmp_path / "in.parquet"], tmp_path / "o.parquet")


def test_blank_lines(tmp_path):
    X = np.linspace(-1, 1, 100)
    frame = pd.DataFrame({"x": np.where(np.arange(100) % 5, X, np.nan)})
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(5, random_state=0))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=500, random_state=0).fit(frame, X > 0)
    model.to_onnx(tmp_path / "m.onnx")
    (tmp_path / "in.csv").write_text("x\n1\n\n-1\n\n\n0.5\n")
    assert score_dataset(tmp_path / "m.onnx", [tmp_path / "in.csv"], tmp_path / "o.parquet").read == 6
    found = pd.read_parquet(tmp_path / "o.parquet")["probability_True"]
    rows = pd.DataFrame({"x": [1, np.nan, -1, np.nan, np.nan, 0.5]})
    np.testing.assert_allclose(found, model.predict_proba(rows)[:, 1], atol=1e-7)


def test_inputs_must_be_a_list(path, tmp_path):
    with pytest.raises(ValueError, match=r"give a list of files, folders or URLs, as in \['in.parquet'\]"):
        score_dataset(path, "in.parquet", tmp_path / "o.parquet")
    with pytest.raises(ValueError, match="inputs is empty"):
        score_dataset(path, [], tmp_path / "o.parquet")


def test_types_that_a_csv_cannot_hold(path, frame, tmp_path):
    table = pa.table(frame).append_column("list", pa.array([[1]] * N_ROWS))
    table = table.set_column(2, "shop", table["shop"].cast(pa.string_view()))
    pa.parquet.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(ValueError, match=r"keep='list' is list<.*>, which a CSV cannot hold"):
        score_dataset(path, [tmp_path / "in.parquet"], tmp_path / "o.csv", keep=["list"])
    score_dataset(path, [tmp_path / "in.parquet"], tmp_path / "o.csv", keep=["shop"])
    found = pd.read_csv(tmp_path / "o.csv", keep_default_na=False)["shop"]
    assert found.tolist() == frame["shop"].fillna("").tolist()


@pytest.mark.parametrize("together", [1, 500, 1_000_000])
def test_row_groups_are_read_some_at_a_time(path, frame, expected, tmp_path, monkeypatch, together):
    from tabkd.batch import _sources as sources

    monkeypatch.setattr(sources, "_ROWS_TOGETHER", together)
    pa.parquet.write_table(pa.table(frame), tmp_path / "in.parquet", row_group_size=130)
    _, scores = scores_of(path, [tmp_path / "in.parquet"], tmp_path / "out.parquet", batch_size=100)
    pd.testing.assert_frame_equal(scores[["id", "probability_True"]], expected)


def test_memory_does_not_follow_the_rows(path, frame, tmp_path):
    script = """
import sys, pyarrow as pa
from tabkd.batch import score_dataset
score_dataset(sys.argv[1], [sys.argv[2]], sys.argv[3], keep=[f"c{i}" for i in range(10)])
print(pa.default_memory_pool().max_memory())
"""
    others = pd.DataFrame(np.random.default_rng(0).random((N_ROWS * 100, 10))).add_prefix("c")
    rows, peaks = pa.table(pd.concat([pd.concat([frame] * 100, ignore_index=True), others], axis=1)), []
    for n in (10, 60):
        with pa.parquet.ParquetWriter(tmp_path / "in.parquet", rows.schema) as writer:
            for _ in range(n):
                writer.write_table(rows)
        arguments = [sys.executable, "-c", script, path, tmp_path / "in.parquet", tmp_path / "out.parquet"]
        peaks.append(int(subprocess.check_output(list(map(str, arguments)))))
    assert peaks[1] < 1.3 * peaks[0]
