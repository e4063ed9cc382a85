"""Scoring on clusters: the real worker processes of Spark, Dask and Ray on this machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor, LabelledParquet
from tabkd._cli import app
from tabkd._cli.table_codes import TableCodes
from tests.spark.table import COLUMNS, N_ROWS

pytestmark = [
    # Spark and Dask leave sockets and loops to the end of the process.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def teacher(frame):
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(10, random_state=0))
    return teacher.fit(frame[COLUMNS][:2000], np.where(frame["amount"] > 0, "bad", "good")[:2000])


def in_order(df):
    return df.toPandas().sort_values("id", ignore_index=True)


def test_scores_are_those_of_this_process_row_for_row(rows, path, frame):
    from tabkd.spark import score

    found = in_order(score(rows, path, keep=["id", "note"]))
    exported = tabkd.load(path)
    expected = exported.predict_proba(frame[COLUMNS])
    assert found.columns.tolist() == ["id", "note", "prediction", "probability_bad", "probability_good"]
    assert found["id"].tolist() == frame["id"].tolist()
    np.testing.assert_allclose(found[["probability_bad", "probability_good"]], expected, atol=1e-7)
    assert found["prediction"].tolist() == exported.predict(frame[COLUMNS]).tolist()


def test_text_other_names_and_alerts(rows, path, frame):
    from tabkd.spark import score

    other = rows.withColumn("AMT", rows["amount"].cast("string")).drop("amount")
    found = score(other, path, keep=["id"], column_map={"amount": "AMT"}, threshold=0.5)
    expected = tabkd.load(path).predict_proba(frame[COLUMNS])[:, 1] >= 0.5
    assert in_order(found)["id"].tolist() == frame["id"][expected].tolist()


def test_a_csv_is_read_as_here(spark, path, frame, tmp_path):
    from pyspark.errors import PySparkException

    from tabkd.spark import score_dataset

    rows = frame[:300].assign(note='one\ntwo, "three"')
    rows.to_csv(tmp_path / "in.csv", index=False)
    options = {"keep": ["id", "note", "amount"]}
    done = score_dataset(path, [str(tmp_path / "in.csv")], str(tmp_path / "out"), **options)
    assert (done.read, done.scored, done.written) == (300, 300, 300)
    found = spark.read.parquet(str(tmp_path / "out")).toPandas()
    assert found["note"].eq(rows["note"]).all()
    assert found["amount"].astype(float).tolist() == rows["amount"].tolist()
    expected = tabkd.load(path).predict_proba(rows[COLUMNS])[:, 1]
    np.testing.assert_allclose(found["probability_good"], expected, atol=1e-7)
    for broken in ("1,2", "1,1.5,0.5,a,n,more", "1,1 EUR,0.5,a,n"):
        (tmp_path / "bad.csv").write_text((tmp_path / "in.csv").read_text() + broken + "\n")
        with pytest.raises((ValueError, PySparkException), match=r"MALFORMED|Malformed|'1 EUR': not a number"):
            score_dataset(path, [str(tmp_path / "bad.csv")], str(tmp_path / broken), **options)


def test_booleans_of_a_csv(spark, frame, tmp_path):
    from tabkd.spark import score

    X = frame[["amount"]][:500].assign(paid=frame["id"][:500] % 2 == 0)
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(3, random_state=0))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=300, random_state=0).fit(X, X["paid"])
    model.to_onnx(tmp_path / "m.onnx")
    X.to_csv(tmp_path / "in.csv", index=False)
    found = score(spark.read.csv(str(tmp_path / "in.csv"), header=True), tmp_path / "m.onnx", keep=["paid"]).toPandas()
    np.testing.assert_allclose(found["probability_True"], model.predict_proba(X)[:, 1], atol=1e-7)
    assert found["paid"].tolist() == X["paid"].astype(str).tolist()


def test_empty_text_in_quotes_of_a_csv_is_a_category(spark, tmp_path):
    from tabkd.spark import score_dataset

    values = np.tile(["", "b", None], 100)
    frame = pd.DataFrame({"id": np.arange(300), "x": np.arange(300.0) % 7, "shop": values})
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(5, random_state=0))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=500, random_state=0)
    model.fit(frame[["x", "shop"]], values == "").to_onnx(tmp_path / "m.onnx")
    lines = [f'{i},"{x}",' + ("" if shop is None else f'"{shop}"')
             for i, x, shop in zip(frame["id"], frame["x"], values, strict=True)]  # fmt: skip
    lines[8] = '8,"",'
    (tmp_path / "in.csv").write_text("id,x,shop\n" + "\n".join(lines) + "\n")
    score_dataset(tmp_path / "m.onnx", [str(tmp_path / "in.csv")], str(tmp_path / "out"), keep=["id", "shop"])
    found = spark.read.parquet(str(tmp_path / "out")).toPandas().astype({"id": int}).sort_values("id")
    frame.loc[8, "x"] = np.nan
    np.testing.assert_allclose(found["probability_True"], model.predict_proba(frame[["x", "shop"]])[:, 1], atol=1e-6)
    assert [None if pd.isna(v) else v for v in found["shop"]] == [None if pd.isna(v) else v for v in values]


def test_a_csv_of_another_dialect(spark, path, frame, tmp_path):
    from tabkd.spark import score_dataset

    rows = frame[:300].assign(amount=frame["amount"] * 1e4)
    text = rows.assign(amount=rows["amount"].map("{:_.3f}".format).str.replace(".", ",").str.replace("_", "."))
    text.to_csv(tmp_path / "in.csv", index=False, sep=";", encoding="latin-1", float_format="%.17g", decimal=",")
    options = {"delimiter": ";", "decimal": ",", "thousands": ".", "encoding": "latin-1"}
    inputs = [str(tmp_path / "in.csv")]
    score_dataset(path, inputs, str(tmp_path / "out"), keep=["id"], **options)
    found = spark.read.parquet(str(tmp_path / "out")).toPandas().astype({"id": int}).sort_values("id")
    expected = tabkd.load(path).predict_proba(rows[COLUMNS].assign(amount=rows["amount"].round(3)))
    np.testing.assert_allclose(found["probability_bad"], expected[:, 0], atol=1e-6)
    with pytest.raises(ValueError, match=r"has no column .* is the delimiter ';'\? Then add delimiter"):
        score_dataset(path, inputs, str(tmp_path / "no"))


def test_names_that_differ_in_case_alone(spark, rows, path, frame):
    from tabkd.spark import score

    spark.conf.set("spark.sql.caseSensitive", True)
    try:
        both = rows.withColumn("AMOUNT", rows["amount"] * 0)
    finally:
        spark.conf.set("spark.sql.caseSensitive", False)
    found = in_order(score(both, path, keep=["id"]))
    np.testing.assert_allclose(
        found["probability_good"], tabkd.load(path).predict_proba(frame[COLUMNS])[:, 1], atol=1e-7
    )


def test_regression(spark, rows, frame, tmp_path):
    from tabkd.spark import score

    teacher = make_pipeline(TableCodes(), RandomForestRegressor(3, random_state=0))
    X, y = frame[COLUMNS][:500], frame["amount"][:500]
    for targets in (y, np.column_stack([y, -y])):
        model = DistilledRegressor(teacher, student="tree", n_synthetic=200, random_state=0).fit(X, targets)
        model.to_onnx(tmp_path / "m.onnx")
        found = in_order(score(rows, tmp_path / "m.onnx", keep=["id"])).drop(columns="id")
        expected = tabkd.load(tmp_path / "m.onnx").predict(frame[COLUMNS])
        np.testing.assert_allclose(found.to_numpy().squeeze(), expected)


def test_what_cannot_be_scored_fails_with_its_name(rows, path):
    from pyspark.errors import PySparkException
    from pyspark.sql.functions import lit

    from tabkd.spark import score

    with pytest.raises(ValueError, match="'the DataFrame' has no column 'amount'"):
        score(rows.drop("amount"), path)
    with pytest.raises(ValueError, match="keep='x' is not a column"):
        score(rows, path, keep=["x"])
    with pytest.raises(ValueError, match="the DataFrame has more than one column named 'amount'"):
        score(rows.select("*", "amount"), path)
    with pytest.raises(PySparkException, match="column 'amount' is 'inf': infinite"):
        score(rows.withColumn("amount", lit(float("inf"))), path).count()


def test_soft_labels_of_a_teacher(rows, teacher, frame):
    from pyspark.sql.functions import lit, when

    from tabkd.spark import label

    found = in_order(label(rows, teacher, COLUMNS))
    assert found.columns.tolist() == [*frame.columns, "probability_bad", "probability_good"]
    np.testing.assert_array_equal(found[["probability_bad", "probability_good"]], teacher.predict_proba(frame[COLUMNS]))
    with pytest.raises(ValueError, match="no column 'amount'"):
        label(rows.drop("amount"), teacher, COLUMNS)
    with pytest.raises(ValueError, match="already has a column 'probability_bad'"):
        label(rows.withColumnRenamed("note", "probability_bad"), teacher, COLUMNS)
    large = rows.withColumn("big", when(rows["id"] > 0, lit(2**60 + 1)))
    assert label(large, teacher, COLUMNS).agg({"big": "min"}).collect()[0][0] == 2**60 + 1
    forest = RandomForestClassifier(3, random_state=0).fit(frame[["amount"]][:500], frame["amount"][:500] > 0)
    found = in_order(label(rows, forest))
    np.testing.assert_array_equal(found["probability_True"], forest.predict_proba(frame[["amount"]])[:, 1])


@pytest.mark.parametrize("classifies", [True, False])
def test_what_spark_labels_teaches_a_student(rows, frame, classifies, tmp_path):
    from tabkd.spark import label

    X = frame[COLUMNS]
    forest = RandomForestClassifier if classifies else RandomForestRegressor
    y = np.where(frame["amount"] > 0, "bad", "good") if classifies else frame["amount"]
    teacher = make_pipeline(TableCodes(), forest(3, random_state=0)).fit(X[:500], y[:500])
    label(rows.repartition(3), teacher, COLUMNS).write.parquet(str(tmp_path / "labelled"))
    distilled = DistilledClassifier if classifies else DistilledRegressor
    model = distilled(FrozenEstimator(teacher), student="tree", random_state=0)
    model.fit(X[:500], y[:500], X_unlabeled=LabelledParquet(tmp_path / "labelled"))
    assert model.student_.decision_tree_.tree_.n_node_samples[0] == 500 + len(frame)
    assert model.score(X, teacher.predict(X)) > 0.95


def test_the_command_scores_by_spark(spark, rows, path, frame, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for i in range(2):
        frame[i::2].to_parquet(folder / f"{i}.parquet")
    frame[:100].to_csv(tmp_path / "in.csv", index=False)
    expected = tabkd.load(path).predict_proba(frame[COLUMNS])[:, 1]

    def run(*arguments, code=0):
        result = CliRunner().invoke(app, ["score", str(path), *map(str, arguments), "--engine", "spark"])
        assert result.exit_code == code, result.stderr
        return result.output + result.stderr

    said = run(folder, "--output", out, "--keep", "id", "--partition-by", "shop")
    assert f"{N_ROWS:,} rows in, {N_ROWS:,} rows out" in said
    found = spark.read.parquet(str(out)).toPandas().sort_values("id")
    np.testing.assert_allclose(found["probability_good"], expected, atol=1e-7)
    assert {p.name for p in out.iterdir() if p.is_dir()} == {"shop=a", "shop=é", "shop=__HIVE_DEFAULT_PARTITION__"}
    run(tmp_path / "in.csv", "--output", tmp_path / "out.csv", "--keep", "id", "--threshold", "0.5")
    found = spark.read.csv(str(tmp_path / "out.csv"), header=True, inferSchema=True).toPandas()
    assert sorted(found["id"]) == frame["id"][:100][expected[:100] >= 0.5].tolist()
    assert "already exists" in run(folder, "--output", out, code=1)
    for option, *value in (["--append"], ["--batch-size", 10]):
        assert f"{option} does not work with --engine spark" in run(folder, "--output", out, option, *value, code=1)
    run(folder, "--output", tmp_path / "none", "--keep", "id", "--partition-by", "shop", "--threshold", "1")
    for option in ("--rejects", "--summary"):
        message = run(folder, "--output", tmp_path / "o", option, folder / "0.parquet", code=1)
        assert f"{option} '{folder / '0.parquet'}' is" in message
    assert "No FileSystem for scheme" in run(folder, "--output", "nowhere://x/y", code=1)
    assert "inputs of one format" in run(folder, tmp_path / "in.csv", "--output", tmp_path / "o", code=1)
    assert "is given twice" in run(folder, folder / "0.parquet", "--output", tmp_path / "o", code=1)
    assert "takes for a pattern" in run(folder, "--output", tmp_path / "o[1]", code=1)


def test_what_folders_say_is_text(spark, path, frame, tmp_path):
    from tabkd.spark import score_dataset

    (tmp_path / "in" / "shop=01").mkdir(parents=True)
    frame[:100].drop(columns="shop").to_parquet(tmp_path / "in" / "shop=01" / "0.parquet")
    done = score_dataset(path, [f"file://{tmp_path}/in"], str(tmp_path / "out"), keep=["shop"])
    assert done.drift["columns"]["shop"]["unseen"] == 1
    assert spark.conf.get("spark.sql.sources.partitionColumnTypeInference.enabled") == "true"
    assert set(pd.read_parquet(tmp_path / "out")["shop"]) == {"01"}


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_rejects_and_drift_are_those_of_this_process(spark, path, frame, tmp_path, suffix):
    bad = [17, 5000, 19_999]
    text = frame.astype({"amount": object})
    text.loc[bad, "amount"] = ["1 EUR", "inf", "x"]
    (tmp_path / "in").mkdir()
    for i, part in enumerate(np.array_split(np.arange(N_ROWS), 2)):
        rows = text.iloc[part].assign(amount=lambda f: f["amount"].astype(str), shop="new")
        name = tmp_path / "in" / f"{i}.{suffix}"
        rows.to_parquet(name) if suffix == "parquet" else rows.to_csv(name, index=False)
    given = [tmp_path / "in"] if suffix == "parquet" else sorted((tmp_path / "in").iterdir())

    def run(engine, *arguments, code=0):
        out = tmp_path / (engine if engine == "spark" else "local.parquet")
        command = ["score", path, *given, "--engine", engine, "--output", out, "--keep", "id", *arguments]
        result = CliRunner().invoke(app, list(map(str, command)))
        assert result.exit_code == code, result.output + result.stderr
        return result.output + result.stderr

    def told(engine):
        rejects, facts = tmp_path / f"{engine}.csv", tmp_path / f"{engine}.json"
        said = run(engine, "--rejects", rejects, "--max-rejects", 3, "--summary", facts, "--threshold", 0.3)
        facts = json.loads(facts.read_text())
        wrong = pd.read_csv(rejects)
        return said, {k: facts[k] for k in ("read", "scored", "rejected", "written", "drift", "warnings")}, wrong

    refused = run("spark", "--max-rejects", 2, "--rejects", tmp_path / "r.csv", code=3)
    assert "At least 3 rows cannot be scored" in refused
    assert not (tmp_path / "r.csv").exists()
    said, facts, wrong = told("spark")
    _, expected, there = told("local")
    assert facts == expected
    assert "a category unknown in training" in said
    assert wrong["value"].tolist() == there["value"].tolist() == ["1 EUR", "inf", "x"]
    assert wrong["reason"].tolist() == there["reason"].tolist()
    assert wrong["source"].tolist() == there["source"].tolist()
    assert wrong["row"].tolist() == there["row"].tolist()
    scores = spark.read.parquet(str(tmp_path / "spark")).toPandas().astype({"id": int})
    scores = scores.sort_values("id", ignore_index=True)
    local = pd.read_parquet(tmp_path / "local.parquet").astype({"id": int})
    assert scores["id"].tolist() == local["id"].tolist()
    assert not set(bad) & set(scores["id"])
    np.testing.assert_allclose(scores["probability_good"], local["probability_good"], atol=1e-7)


def executors(spark) -> list[int]:
    pattern = f"CoarseGrainedExecutorBackend.*{spark.sparkContext.applicationId}"
    return list(map(int, subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True).stdout.split()))


def test_a_worker_killed_in_the_middle_loses_no_row(spark, rows, path, frame):
    from tabkd.spark import score

    before = executors(spark)
    assert len(before) >= 2
    many = rows
    for _ in range(4):
        many = many.union(many)
    tracker = spark.sparkContext.statusTracker()
    found = []
    job = threading.Thread(target=lambda: found.append(score(many.repartition(64), path, keep=["id"]).toPandas()))
    job.start()

    def done_and_left():
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        return [(stage.numCompletedTasks, stage.numTasks) for stage in stages if stage and stage.numTasks == 64]

    # In the middle: some tasks of the last stage are done, most are not.
    while job.is_alive() and not any(1 <= done <= 40 for done, _ in done_and_left()):
        time.sleep(0.01)
    assert job.is_alive(), "the job was too fast to be disturbed"
    os.kill(before[0], signal.SIGKILL)
    job.join()
    assert before[0] not in executors(spark)
    (found,) = found
    expected = tabkd.load(path).predict_proba(frame[COLUMNS])
    assert found["id"].value_counts().eq(16).all()
    assert len(found) == 16 * N_ROWS
    np.testing.assert_allclose(found["probability_good"], expected[found["id"], 1], atol=1e-7)


# Dask


def test_dask_partitions(path, frame):
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    exported = tabkd.load(path)

    def scored(part: pd.DataFrame) -> pd.DataFrame:
        return part[["id"]].assign(probability=exported.predict_proba(part[COLUMNS])[:, 1])

    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        assert len({info["nanny"] for info in client.scheduler_info(n_workers=-1)["workers"].values()}) == 2
        rows = dd.from_pandas(frame, npartitions=8)
        found = rows.map_partitions(scored, meta={"id": "i8", "probability": "f8"}).compute()
    assert found["id"].tolist() == frame["id"].tolist()
    np.testing.assert_allclose(found["probability"], exported.predict_proba(frame[COLUMNS])[:, 1], atol=1e-7)


# Ray


def test_the_example_of_ray_in_the_documents(path, frame, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'ray[data]'); its example is not run")
    (tmp_path / "rows").mkdir()
    for i in range(4):
        frame[i::4].to_parquet(tmp_path / "rows" / f"{i}.parquet")
    shutil.copy(path, tmp_path / "student.onnx")
    document = (Path(__file__).parents[2] / "docs" / "guide" / "clusters.md").read_text(encoding="utf-8")
    code = document.split("## Ray Data")[1].split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet(tmp_path / "scores").sort_values("id", ignore_index=True)
    assert found["id"].tolist() == frame["id"].tolist()
    np.testing.assert_allclose(found["probability"], tabkd.load(path).predict_proba(frame[COLUMNS])[:, 1], atol=1e-7)
