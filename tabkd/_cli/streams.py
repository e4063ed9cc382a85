"""Lines for the user; if they are lost, the command still does the same and has the same exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import IO, Any

from tabkd._cli.terminal import printable


def say(text: str, *, err: bool = False) -> None:
    """Print a line on standard output or standard error, with escapes for what is not printable.

    A stream that is closed, full or broken is given up.

    Parameters
    ----------
    text : str
    err : bool
        On standard error.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        print(printable(text).encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except (OSError, ValueError):  # ValueError: it was closed in this process
        _give_up(stream)


def flush() -> None:
    """Write what is left for standard output and standard error, or give it up."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            _give_up(stream)


def _give_up(stream: IO) -> None:
    """Discard what is left in a stream: Python would try to write it at exit, and exit with 120."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class Unbreakable:
    """A stream that ignores errors when it is written to.

    Parameters
    ----------
    stream : file
    """

    def __init__(self, stream: IO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text as far as that can be done."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what was written as far as that can be done."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def occupy_closed_streams() -> None:
    """Open standard input, output and error on nothing if they are closed.

    Otherwise the next opened file gets their number, and what a library prints is written into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
