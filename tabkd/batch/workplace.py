"""A hidden folder beside the output, where a job keeps what is not finished; one job at a time has it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from tabkd.files import explained

_LOCK = "lock"
_ATTEMPTS = 10


class BusyError(RuntimeError):
    """Another job is writing the same output."""


def folder_of(output: Path) -> Path:
    """Where a job with this output works."""
    return output.parent / f".{output.name}.tabkd"


@contextlib.contextmanager
def workplace(output: Path, *, keep: bool, name: str | None = None, lasting: str | None = None) -> Iterator[Path]:
    """Give the folder of a job, which no other job has as long as the block runs.

    The operating system releases the lock of a process that is killed.

    Parameters
    ----------
    output : Path
    keep : bool
        Begin with what an earlier job left there, and leave what is there where the block fails; else the folder is
        emptied before, and removed in any case.
    name : str, optional
        What errors call the output; None is its path.
    lasting : str, optional
        A file in the folder that stays there with `keep`, if it is there when the block has succeeded.

    Raises
    ------
    BusyError
        Another job has it.
    OSError
        It cannot be made.
    """
    from filelock import Timeout

    folder = folder_of(output)
    try:
        lock = _locked(folder)
    except Timeout:
        raise BusyError(
            f"another job is writing {name or str(output)!r}; wait until it is finished, or choose another output."
        ) from None
    except OSError as error:
        raise explained(error, output) from error
    with lock:
        if not keep:
            empty(folder)
        try:
            yield folder
        except BaseException:
            if not keep or not _content(folder):
                _remove(folder)
            raise
        if keep and lasting is not None and (folder / lasting).exists():
            empty(folder, lasting)
        else:
            _remove(folder)


def _locked(folder: Path):
    """The lock of a folder, taken; the folder is made where it is not there."""
    from filelock import FileLock

    for attempt in range(_ATTEMPTS):
        lock = FileLock(folder / _LOCK)
        try:
            folder.mkdir(exist_ok=True)
            lock.acquire(blocking=False)
        except (FileExistsError, FileNotFoundError):  # a job that has just finished removed the folder
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        return lock
    raise AssertionError


def _remove(folder: Path) -> None:
    """Remove the folder while it is locked, the lock last: from then on another job may make and have it."""
    empty(folder)
    with contextlib.suppress(OSError):
        (folder / _LOCK).unlink()
        folder.rmdir()


def _content(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != _LOCK]


def empty(folder: Path, but: str | None = None) -> None:
    """Remove what a job left in its folder, but for one file."""
    for path in _content(folder):
        if path.name != but:
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
