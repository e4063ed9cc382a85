"""What holds for all tests; a server of PostgreSQL."""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# Before NumPy, LightGBM and JAX are imported: the tables are small, and threads would wait for each other.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A busy machine is no failure.
settings.register_profile("tabkd", deadline=None)
settings.load_profile("tabkd")


def pytest_runtest_setup(item):
    """What draws without a `random_state` draws the same in each run, so that no test fails by chance."""
    np.random.seed(0)


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
