"""A model of each kind of column, and its rows; a server of PostgreSQL."""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

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


@pytest.fixture(scope="session")
def server():
    """The address of a PostgreSQL server of our own."""
    programs = [*glob.glob("/usr/lib/postgresql/*/bin/initdb"), shutil.which("initdb")]
    if programs[0] is None:
        pytest.skip("there is no PostgreSQL server on this machine (Debian: postgresql)")
    # Not among pytest's folders, which other users may not enter.
    folder, programs = Path(tempfile.mkdtemp(prefix="tabkd-postgres-")), os.path.dirname(programs[0])
    as_user = []
    if os.geteuid() == 0:  # whom the server refuses to serve
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    (folder / "password").write_text("s3cret")
    (folder / "password").chmod(0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = [f"--pgdata={folder}/data"]
    make = [f"{programs}/initdb", *data, "--auth=scram-sha-256", "--username=tabkd", f"--pwfile={folder}/password"]
    subprocess.run([*as_user, *make], check=True, capture_output=True, cwd=folder)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = [*as_user, f"{programs}/pg_ctl", *data]
    start = [*control, "-o", options, "-l", f"{folder}/log", "-w", "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    yield f"postgresql://tabkd:s3cret@127.0.0.1:{port}/postgres"
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    shutil.rmtree(folder)


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
