"""A hidden folder next to the output for unfinished files; only one job at a time can use it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tabkd._files import writing

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOCK = "lock"
#: The folder with the rows if the output is a folder itself.
ROWS = "rows"
#: The folder with what another engine keeps there.
PARTS = "parts"
# What jobs leave there: the lock, manifests and notes, parts, and temporary files.
_LEFT = re.compile(
    rf"{_LOCK}|{ROWS}|{PARTS}|\w+\.json|part-\d+(\.rejects|\.waiting)?\.arrow|\..*-[0-9a-f]{{8}}(\.[^.]*)?", re.DOTALL
)
_ATTEMPTS = 10


class BusyError(RuntimeError):
    """Another job is writing the same output."""


def folder_of(output: Path) -> Path:
    """The folder of a job with this output."""
    return output.parent / f".{output.name}.tabkd"


@contextlib.contextmanager
def workplace(output: Path, *, keep: bool, name: str | None = None, lasting: str | None = None) -> Iterator[Path]:
    """Yield the folder of a job; no other job can use it while the block runs.

    The operating system releases the lock of a process that is killed. Only this user can read the folder.

    Parameters
    ----------
    output : Path
        The output of the job.
    keep : bool
        Whether the files of an earlier job stay at the start, and the files of this job stay if the block fails. If
        False, the folder is emptied at the start and always removed at the end.
    name : str, optional
        The name of the output in errors; None means its path.
    lasting : str, optional
        With `keep`, a file in the folder that stays after the block has succeeded, if it exists.

    Yields
    ------
    pathlib.Path
        The folder.

    Raises
    ------
    BusyError
        If another job uses the folder.
    OSError
        If the folder cannot be created.
    ValueError
        If it is a link or belongs to another user, or contains files that no job created.
    """
    folder = folder_of(output)
    with writing(output):
        lock = _locked(folder, name or str(output))
    with lock:
        _check_content(folder)  # again: another job may have used it in between
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


def _locked(folder: Path, shown: str) -> BaseFileLock:
    """Lock a folder and return the lock; the folder is created if it does not exist."""
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
        except (FileExistsError, FileNotFoundError):  # another job has just finished and removed the folder
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        return lock
    raise AssertionError


def _make(folder: Path) -> None:
    """Create the folder, or check that an existing one belongs to this user and that nobody else can read it."""
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
    """Refuse a folder that contains anything that no job created: it would be removed or overwritten."""
    names = os.listdir(folder)
    if names and _LOCK not in names:
        _refuse(folder, f"a folder with {sorted(names)[0]!r} in it that tabkd did not make")
    for name in names:
        try:
            found = os.lstat(folder / name)
        except FileNotFoundError:  # another job is just removing it
            continue
        expected = stat.S_ISDIR if name in (ROWS, PARTS) else stat.S_ISREG
        # The lock is opened for writing, and with another name of it that file would be written.
        if not (_LEFT.fullmatch(name) and expected(found.st_mode)) or (name == _LOCK and found.st_nlink > 1):
            _refuse(folder, f"a folder with {name!r} in it that tabkd did not make")


def _refuse(folder: Path, what: str) -> None:
    raise ValueError(
        f"{str(folder)!r}, where this job would keep its unfinished parts, is {what}. Look at what is there and move "
        "it away, or choose another output."
    )


def _remove(folder: Path) -> None:
    """Remove the folder while it is locked, and the lock last: after that another job may create the folder again."""
    with contextlib.suppress(OSError):
        empty(folder)
        (folder / _LOCK).unlink()
        folder.rmdir()


def _content(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != _LOCK]


def empty(folder: Path, but: str | None = None, *, drafts: bool = True) -> None:
    """Remove the files that a job left in its folder, except `but` and, if so wanted, the temporary ones."""
    for path in _content(folder):
        if path.name != but and (drafts or not path.name.startswith(".")):
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
