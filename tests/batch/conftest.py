"""A model of each kind of column, and its rows."""

import os
import subprocess

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

import tabkd
from tabkd import DistilledClassifier
from tabkd._cli.table_codes import TableCodes
from tests.batch.processes import Commands

N_ROWS = 3000


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": np.arange(N_ROWS), "amount": rng.normal(size=N_ROWS).round(6)})
    return frame.assign(shop=rng.choice(["a", "é\n", None], N_ROWS), paid=rng.random(N_ROWS) > 0.5)


@pytest.fixture(scope="module")
def path(frame, tmp_path_factory):
    """A model of whether the amount is positive, by all columns but the id."""
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(5, random_state=0))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=500, random_state=0)
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    model.fit(frame.drop(columns="id"), frame["amount"] > 0).to_onnx(path)
    return path


@pytest.fixture(scope="module")
def expected(frame, path):
    return tabkd.load(path).predict_proba(frame[["amount", "shop", "paid"]])[:, 1]


@pytest.fixture
def sql(server):
    """A cursor of the server, each statement of which is committed."""
    import adbc_driver_postgresql.dbapi as driver

    with driver.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder]).returncode:
        pytest.skip("a small disk takes the rights to mount one")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture(scope="session")
def commands():
    with Commands() as commands:
        yield commands
