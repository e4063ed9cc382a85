"""A teacher's file is first read in a separate process: if it crashes or hangs there, nothing else is lost."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tabkd._cli.errors import CommandError, one_line

if TYPE_CHECKING:
    import pandas as pd

#: Seconds that reading a teacher and predicting a few rows may take, and additional ones for each megabyte of its file.
SECONDS, SECONDS_PER_MEGABYTE = 60.0, 0.5
# Rows that are predicted.
_N_ROWS = 200


def probe(path: Path, trusted: Sequence[str], X: pd.DataFrame | None) -> None:
    """Read a teacher, and predict some rows of `X`, in another process.

    Parameters
    ----------
    path : Path
    trusted : sequence of str
        Types in a skops file that the user trusts.
    X : DataFrame or None
        The table that it will label.

    Raises
    ------
    CommandError
        The process crashed, took too long, or had an error.
    """
    seconds = SECONDS + SECONDS_PER_MEGABYTE * path.stat().st_size / 1e6
    # -P and the folder of this package: nothing that happens to be in the working directory.
    here = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", "tabkd._cli.teacher_probe", str(path), *trusted]
    try:
        done = subprocess.run(
            command,
            input=_as_bytes(X),
            env=os.environ | {"PYTHONPATH": here, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _unusable(path, f"reading it and predicting a few rows took more than {seconds:.0f} s") from error
    if done.returncode < 0:
        raise _unusable(path, f"reading it and predicting a few rows crashed ({_signal_name(-done.returncode)})")
    try:
        message = json.loads(done.stdout.splitlines()[-1])["error"]
    except (IndexError, ValueError, KeyError, TypeError) as error:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise _unusable(path, "; ".join([f"reading it ended with code {done.returncode}", *last])) from error
    if message is not None:
        raise CommandError(message)


def _unusable(path: Path, reason: str) -> CommandError:
    return CommandError(
        f"the teacher {str(path)!r} cannot be used: {reason}, in a separate process. The file is cut off, damaged or "
        "too large for this machine; save the model again with the library that made it, or give another teacher."
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _as_bytes(X: pd.DataFrame | None) -> bytes:
    """Some rows of a table in Arrow's format; empty if Arrow cannot hold it."""
    if X is None:
        return b""
    import pyarrow as pa

    try:
        some = pa.Table.from_pandas(X.iloc[:: -(-len(X) // _N_ROWS)], preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError):
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, some.schema) as writer:
        writer.write_table(some)
    return sink.getvalue().to_pybytes()


def _limit_memory() -> None:
    """No more memory than the machine has: a damaged file may ask for any amount."""
    with suppress(ImportError, ValueError, OSError, AttributeError):
        import resource

        has = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        resource.setrlimit(resource.RLIMIT_AS, (has, resource.getrlimit(resource.RLIMIT_AS)[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main(path: str, trusted: Sequence[str], rows: bytes) -> str | None:
    """What is wrong with a teacher, None for nothing."""
    from tabkd._cli.teacher_files import read_teacher

    try:
        teacher = read_teacher(Path(path), trusted)
        if not rows:
            return None
        import pyarrow as pa

        X = pa.ipc.open_stream(io.BytesIO(rows)).read_all().to_pandas()
        try:
            teacher.predict_proba(X) if hasattr(teacher, "predict_proba") else teacher.predict(X)
        except CommandError:
            raise
        except Exception as error:  # each library has its own errors
            reason = one_line(error).partition(" Stack trace:")[0][:300]
            return f"the teacher {path!r} cannot predict rows of the table: {reason}"
    except CommandError as error:
        return str(error)
    return None


if __name__ == "__main__":
    _limit_memory()
    found = _main(sys.argv[1], sys.argv[2:], sys.stdin.buffer.read())
    print("\n" + json.dumps({"error": found}), flush=True)
    # Not through the library's cleanup, which may crash too on a damaged model.
    os._exit(0)
