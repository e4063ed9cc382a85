"""A hidden folder beside the output, where a job keeps what is not finished; one job at a time has it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from tabkd._files import writing

_LOCK = "lock"
#: The folder with the rows of an output that is a folder itself.
ROWS = "rows"
#: The folder with what another engine keeps there.
PARTS = "parts"
# What jobs leave there: the lock, manifests and notes, parts, and temporary files.
_LEFT = re.compile(
    rf"{_LOCK}|{ROWS}|{PARTS}|\w+\.json|part-\d+(\.rejects)?\.arrow|\..*-[0-9a-f]{{8}}(\.[^.]*)?", re.DOTALL
)
_ATTEMPTS = 10


class BusyError(RuntimeError):
    """Another job is writing the same output."""


def folder_of(output: Path) -> Path:
    """Where a job with this output works."""
    return output.parent / f".{output.name}.tabkd"


@contextlib.contextmanager
def workplace(output: Path, *, keep: bool, name: str | None = None, lasting: str | None = None) -> Iterator[Path]:
    """Give the folder of a job, which no other job has as long as the block runs.

    The operating system releases the lock of a process that is killed. Only this user can read the folder.

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
    ValueError
        It is a link or a folder of another user, or holds what no job made.
    """
    folder = folder_of(output)
    with writing(output):
        lock = _locked(folder, name or str(output))
    with lock:
        _check_content(folder)  # again: another job may have had it in between
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


def _locked(folder: Path, shown: str):
    """The lock of a folder, taken; the folder is made where it is not there."""
    from filelock import FileLock, Timeout

    for attempt in range(_ATTEMPTS):
        try:
            _make(folder)
            _check_content(folder)
            lock = FileLock(folder / _LOCK)
            lock.acquire(blocking=False)
        except Timeout:
            raise BusyError(
                f"another job is writing {shown!r}; wait until it is finished, or choose another output."
            ) from None
        except (FileExistsError, FileNotFoundError):  # a job that has just finished removed the folder
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        return lock
    raise AssertionError


def _make(folder: Path) -> None:
    """Make the folder, or make sure that the one that is there is ours alone."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        _refuse(folder, "a link" if stat.S_ISLNK(found.st_mode) else "no folder")
    if hasattr(os, "geteuid"):
        if found.st_uid != os.geteuid():
            _refuse(folder, "a folder of another user")
        if stat.S_IMODE(found.st_mode) & 0o077:
            os.chmod(folder, 0o700)


def _check_content(folder: Path) -> None:
    """Refuse a folder with anything in it that no job made: it would be removed or overwritten."""
    names = os.listdir(folder)
    if names and _LOCK not in names:
        _refuse(folder, f"a folder with {sorted(names)[0]!r} in it that no job of tabkd made")
    for name in names:
        try:
            found = os.lstat(folder / name)
        except FileNotFoundError:  # a job that is just removing it
            continue
        expected = stat.S_ISDIR if name in (ROWS, PARTS) else stat.S_ISREG
        # The lock is opened for writing, and with another name of it that file would be written.
        if not (_LEFT.fullmatch(name) and expected(found.st_mode)) or (name == _LOCK and found.st_nlink > 1):
            _refuse(folder, f"a folder with {name!r} in it that no job of tabkd made")


def _refuse(folder: Path, what: str) -> None:
    raise ValueError(
        f"{str(folder)!r}, where this job would keep what is not finished, is {what}. Look at what is there and move "
        "it away, or choose another output."
    )


def _remove(folder: Path) -> None:
    """Remove the folder while it is locked, the lock last: from then on another job may make and have it."""
    with contextlib.suppress(OSError):
        empty(folder)
        (folder / _LOCK).unlink()
        folder.rmdir()


def _content(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != _LOCK]


def empty(folder: Path, but: str | None = None) -> None:
    """Remove what a job left in its folder, except one file."""
    for path in _content(folder):
        if path.name != but:
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
