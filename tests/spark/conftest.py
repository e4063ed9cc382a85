"""Rows, a model of them, and a session of Spark with workers in processes of their own."""

import os
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from tabkd import DistilledClassifier
from tabkd._cli.table_codes import TableCodes
from tests.spark.table import COLUMNS, N_ROWS


@pytest.fixture(scope="session")
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": np.arange(N_ROWS), "amount": rng.normal(size=N_ROWS), "a `b`": rng.random(N_ROWS)})
    return frame.assign(shop=rng.choice(["a", "é", None], N_ROWS), note="n")


@pytest.fixture(scope="session")
def path(frame, tmp_path_factory):
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(5, random_state=0))
    model = DistilledClassifier(teacher, n_synthetic=500, random_state=0)
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    model.fit(frame[COLUMNS][:2000], np.where(frame["amount"] > 0, "bad", "good")[:2000]).to_onnx(path)
    return path


@pytest.fixture(scope="session")
def java():
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not on this machine (Debian: openjdk-17-jre-headless)")


# For a module: what Spark leaves open must not meet other tests.
@pytest.fixture(scope="module")
def spark(java, tmp_path_factory):
    """Two executors in processes of their own, each with a core."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local-cluster[2,1,1024]").appName("tabkd")
    options = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.executor.memory": "512m",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
        "spark.local.dir": str(tmp_path_factory.mktemp("spark")),
    }
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def rows(spark, frame, tmp_path_factory):
    """The frame in eight parts."""
    folder = tmp_path_factory.mktemp("rows")
    for i, part in enumerate(np.array_split(np.arange(N_ROWS), 8)):
        frame.iloc[part].to_parquet(folder / f"{i}.parquet")
    return spark.read.parquet(str(folder))
