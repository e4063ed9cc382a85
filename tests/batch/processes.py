"""Commands in processes of their own that do not wait for imports: forks of a process that has imported everything."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

#: For `Commands.run`: a stream that is closed, and a pipe that nobody reads.
CLOSED, BROKEN = "closed", "broken"

_PROGRAM = """
import json, os, sys
import fsspec.implementations.local, filelock, numpy.ma, pyarrow.csv, pyarrow.dataset
import adbc_driver_postgresql.dbapi
import tabkd.batch._job, tabkd._cli.score_log, tabkd.scoring
from tabkd._cli import app
from click.testing import CliRunner

# A command that finds no model, for what is imported on the way to it.
CliRunner().invoke(app, ["score", "none.onnx", "none.csv", "--output", "none.csv"])

while line := sys.stdin.readline():
    task = json.loads(line)
    process = os.fork()
    if not process:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
else:
    os._exit(0)

os.chdir(task["folder"])
for number, place in ((1, task["stdout"]), (2, task["stderr"])):
    if place == "closed":
        os.close(number)
    elif place == "broken":
        read, write = os.pipe()
        os.close(read)
        os.dup2(write, number)
        os.close(write)
    else:
        opened = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
        os.close(opened)
# As the interpreter makes them where it starts.
sys.stdout = sys.__stdout__ = None if task["stdout"] == "closed" else open(1, "w")
sys.stderr = sys.__stderr__ = None if task["stderr"] == "closed" else open(2, "w", 1, errors="backslashreplace")
# What else is to be imported is imported as root: the interpreter may be where nobody else can read.
import onnxruntime  # not before the fork, which its threads do not outlive
if task["unprivileged"] and os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
os.umask(0o022)
sys.argv = ["tabkd", *task["arguments"]]
exec(task["program"])
app()
"""


class Done(NamedTuple):
    """How a command ended; what it said is empty where a stream was given."""

    code: int
    stdout: str
    stderr: str


class Commands(contextlib.AbstractContextManager):
    """Runs commands, one after the other."""

    def __enter__(self):
        self._said = Path(tempfile.mkdtemp())
        environment = {name: value for name, value in os.environ.items() if name != "TABKD_TRACEBACK"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def run(self, *arguments, program="", folder=".", stdout=None, stderr=None, unprivileged=False):
        """Run a command after a program, in a folder, with its streams where they are said to be."""
        places = [str(place or self._said / name) for name, place in (("stdout", stdout), ("stderr", stderr))]
        task = {"arguments": [str(argument) for argument in arguments], "program": program, "folder": str(folder)}
        task |= {"stdout": places[0], "stderr": places[1], "unprivileged": unprivileged}
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        said = ["" if given else Path(place).read_text() for given, place in zip((stdout, stderr), places, strict=True)]
        return Done(code, *said)

    def __exit__(self, *error):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        shutil.rmtree(self._said)


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
