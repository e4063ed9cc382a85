"""Writing files whole or not at all, and saying so only where it was the writing that failed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

_REMEDIES = {
    errno.ENOENT: "Make the folder first, or choose one that is there.",
    errno.ENOSPC: "Free some space, or choose a folder on another disk.",
    errno.EPIPE: "The program that reads it has ended.",
}
# Of the name of a file, as far as its temporary file repeats it: names have 255 bytes at most.
_LONGEST_STEM = 40
_EXCLUSIVE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


def explained(error: OSError, path: str | os.PathLike) -> OSError:
    """The same error number, with the path that was asked for and the remedy in the message."""
    if str(error.strerror).startswith("cannot write"):
        return error
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0, "Choose a path that can be written to.")
    # OSError picks the subclass that belongs to the number, for example PermissionError.
    return OSError(error.errno or errno.EIO, f"cannot write {os.fspath(path)!r}: {reason}. {remedy}")


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Report each OSError of the block as one of writing `path`: the block must do nothing else."""
    try:
        yield
    except OSError as error:
        raise explained(error, path) from error


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable; the latter where the platform and the disk know how."""
    is_file = path.is_file()
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        if is_file:
            raise


def create(path: Path, mode: int = 0o666) -> None:
    """Make an empty file where there is nothing, not even a link; the umask applies to its permissions.

    Raises
    ------
    FileExistsError
    """
    os.close(os.open(path, _EXCLUSIVE, mode))


def check_text(path: str | os.PathLike) -> None:
    """Refuse a path whose name is not UTF-8, which the libraries for tables cannot open.

    Raises
    ------
    ValueError
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise ValueError(f"the path '{shown}' is not UTF-8 text; rename the file or folder.") from error


def give_permissions(of: os.stat_result, path: Path) -> None:
    """Give a file or folder the mode of the one whose place it takes, and its owner and group where we may."""
    mode = stat.S_IMODE(of.st_mode)
    if hasattr(os, "chown"):
        try:
            os.chown(path, -1, of.st_gid)
        except OSError:
            # Another group must not read what only the former one could: it gets what all others have.
            mode = mode & ~(stat.S_IRWXG | stat.S_ISGID) | (mode & stat.S_IRWXO) << 3
        with contextlib.suppress(OSError):
            os.chown(path, of.st_uid, -1)
    os.chmod(path, mode)


def check_replaceable(path: Path) -> None:
    """Refuse to replace what is at `path` where a sticky folder, as /tmp, leaves that to its owner.

    Raises
    ------
    PermissionError
    """
    there, folder = os.stat(path), os.stat(path.parent)
    if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, there.st_uid, folder.st_uid):
        raise PermissionError(errno.EPERM, "it belongs to another user, and only they may replace it in this folder")


def _is_standard_stream(found: os.stat_result) -> bool:
    for number in (1, 2):
        with contextlib.suppress(OSError):  # it is closed
            if os.path.samestat(found, os.fstat(number)):
                return True
    return False


class Draft:
    """A file that is being written, and then takes its place in one step.

    Parameters
    ----------
    path : str or path-like
        Where the finished file goes. Its folder must exist. A link is followed.
    folder : str or path-like, optional
        Where the temporary file is, if that is on the same disk; else it is beside `path`.

    Attributes
    ----------
    temporary : pathlib.Path
        The file to write to, empty, with the suffix of `path`.

    Raises
    ------
    OSError
        `path` cannot be written to, or is a folder, a pipe, a device or the file that standard output goes to. The
        message names it.
    ValueError
        `path` is not UTF-8.
    """

    def __init__(self, path: str | os.PathLike, folder: str | os.PathLike | None = None):
        self.path, self._shown = Path(os.path.realpath(path)), path
        check_text(self.path)
        with writing(path):
            self._before = self._there()
            # Nobody else may read what replaces a file that nobody else could read, not even before it is done.
            mode = 0o666 if self._before is None else 0o600
            name = f".{self.path.stem[:_LONGEST_STEM]}-{secrets.token_hex(4)}{self.path.suffix}"
            self.temporary = self.path.parent / name
            create(self.temporary, mode)
        if folder is not None:
            elsewhere = Path(folder) / name
            with contextlib.suppress(OSError):  # on another disk it stays where it is
                os.rename(self.temporary, elsewhere)
                self.temporary = elsewhere

    def _there(self) -> os.stat_result | None:
        """What is at the place now."""
        try:
            found = os.stat(self._shown)  # not the real path: that of a pipe, as /dev/stdout may be, is no path
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not stat.S_ISREG(found.st_mode):
            # A rename would put a file in the place of the device or pipe.
            raise OSError(errno.EINVAL, "it is not a regular file")
        if _is_standard_stream(found):
            # As /dev/stdout is where a shell sends it to a file: what is printed later would go to the replaced file.
            raise OSError(errno.EINVAL, "standard output or standard error of this process goes there")
        check_replaceable(self.path)
        return found

    def finish(self) -> None:
        """Make what was written durable: after that only the rename can fail."""
        with writing(self._shown):
            if self._before is not None:
                give_permissions(self._before, self.temporary)
            sync(self.temporary)

    def publish(self) -> None:
        """Put the file in its place."""
        with writing(self._shown):
            os.replace(self.temporary, self.path)
        sync(self.path.parent)

    def discard(self) -> None:
        """Remove what is not published."""
        with contextlib.suppress(OSError):
            self.temporary.unlink()


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, folder: str | os.PathLike | None = None) -> Iterator[Path]:
    """Give a temporary path to write to, and move it to `path` only if the block succeeds.

    The temporary file is on the same disk, so that the move is one rename. Whatever goes wrong, the
    temporary file is removed, and a file that was at `path` before is left as it was. A new file gets the
    permissions that ``open`` would give it, and one that replaces another those of the other. Errors of the block are
    raised as they are; `writing` names the file in those that are about it.

    Parameters
    ----------
    path : str or path-like
        Where the finished file goes. Its folder must exist.
    folder : str or path-like, optional
        Where the temporary file is; None is the folder of `path`.

    Yields
    ------
    pathlib.Path
        The temporary file, empty, with the suffix of `path`.

    Raises
    ------
    OSError
        The folder is missing or cannot be written to, or the disk is full. The message names `path`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    draft = Draft(path, folder)
    try:
        yield draft.temporary
        draft.finish()
        draft.publish()
    finally:
        draft.discard()


def atomic_write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to `path` whole or not at all.

    Parameters
    ----------
    path : str or path-like
        Where the file goes. Its folder must exist; a file there is replaced.
    data : bytes
        The contents.

    Raises
    ------
    OSError
        As :func:`atomic_write`.
    """
    with atomic_write(path) as temporary, writing(path):
        temporary.write_bytes(data)


def check_writable(path: str | os.PathLike) -> None:
    """Refuse a place that :func:`atomic_write` could not write to, and leave it as it is.

    Raises
    ------
    OSError, ValueError
        As `Draft`.
    """
    Draft(path).discard()
