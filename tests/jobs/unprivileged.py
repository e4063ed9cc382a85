"""Commands of a user without root's rights, from whom nothing can be hidden."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# All that is imported is imported as root: the interpreter may be where nobody else can read.
_PROGRAM = """
import json, os, sys
import fsspec.implementations.local, filelock, onnxruntime, pyarrow.csv, pyarrow.dataset
import tabkd.batch.job, tabkd.cli.score_log, tabkd.scoring
from typer.testing import CliRunner
from tabkd.cli import app
try:
    from tabkd.spark import job
except ImportError:
    pass
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
os.umask(0o022)
os.chdir(sys.argv[1])
for line in sys.stdin:
    result = CliRunner().invoke(app, json.loads(line))
    print(json.dumps([result.exit_code, result.stdout, result.stderr]), flush=True)
"""


@contextlib.contextmanager
def open_folder():
    """A folder that every user can reach and write to; what is in it belongs to who makes it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        for path in folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o777)
        shutil.rmtree(folder)


def runs(folder, commands):
    """The exit code, the output and the error of each command, all in one process whose folder it is."""
    lines = "".join(json.dumps([str(argument) for argument in command]) + "\n" for command in commands)
    command = [sys.executable, "-c", _PROGRAM, str(folder)]
    done = subprocess.run(
        command, input=lines, capture_output=True, text=True, env=os.environ | {"TABKD_TRACEBACK": ""}
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
