"""Write files completely or not at all, with errors that name the file only when writing it has failed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

_REMEDIES = {
    errno.ENOENT: "Make the folder first, or choose an existing one.",
    errno.ENOSPC: "Free some space, or choose a folder on another disk.",
    errno.EPIPE: "The program that reads it has ended.",
}
# How much of a file's name the name of its temporary file repeats: file systems allow 255 bytes.
_LONGEST_STEM = 40
_EXCLUSIVE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


def explained(error: OSError, path: str | os.PathLike) -> OSError:
    """An error with the same number, and with the path that was given and the remedy in its message."""
    if str(error.strerror).startswith("cannot write"):
        return error
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0, "Choose a path that can be written to.")
    # OSError chooses the subclass of the number, for example PermissionError.
    return OSError(error.errno or errno.EIO, f"cannot write {os.fspath(path)!r}: {reason}. {remedy}")


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Report each OSError of the block as a failure to write `path`; the block must do nothing but write it."""
    try:
        yield
    except OSError as error:
        raise explained(error, path) from error


def sync(path: Path) -> None:
    """Make a file durable, or the names in a folder if the platform and the disk support it."""
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
    """Create an empty file at a path where nothing exists, not even a link; the umask applies to its permissions.

    Raises
    ------
    FileExistsError
        If something exists at the path.
    """
    os.close(os.open(path, _EXCLUSIVE, mode))


def check_text(path: str | os.PathLike) -> None:
    """Refuse a path that is not UTF-8: the libraries that read tables cannot open it.

    Raises
    ------
    ValueError
        If the path is not UTF-8.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise ValueError(f"the path '{shown}' is not UTF-8 text; rename the file or folder.") from error


def give_permissions(of: os.stat_result, path: Path) -> None:
    """Give a file or folder the mode of the one that it replaces, and also its owner and group if permitted."""
    mode = stat.S_IMODE(of.st_mode)
    if hasattr(os, "chown"):
        try:
            os.chown(path, -1, of.st_gid)
        except OSError:
            # A different group must not gain what only the former one had: it gets the rights of all others.
            mode = mode & ~(stat.S_IRWXG | stat.S_ISGID) | (mode & stat.S_IRWXO) << 3
        with contextlib.suppress(OSError):
            os.chown(path, of.st_uid, -1)
    os.chmod(path, mode)


def check_replaceable(path: Path) -> None:
    """Refuse to replace a file of another user in a sticky folder such as /tmp.

    Raises
    ------
    PermissionError
        If only another user may replace it.
    """
    there, folder = os.stat(path), os.stat(path.parent)
    if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, there.st_uid, folder.st_uid):
        raise PermissionError(errno.EPERM, "it belongs to another user, and only they may replace it in this folder")


def _is_standard_stream(found: os.stat_result) -> bool:
    """Whether this process writes its standard output or standard error to a file."""
    for number in (1, 2):
        with contextlib.suppress(OSError):  # it is closed
            if os.path.samestat(found, os.fstat(number)):
                return True
    return False


class Draft:
    """A temporary file that is written first and then moved to its place in one step.

    Parameters
    ----------
    path : str or path-like
        Where the finished file goes. Its folder must exist. A link is followed.
    folder : str or path-like, optional
        Folder of the temporary file if it is on the same disk; otherwise the temporary file is next to `path`.

    Attributes
    ----------
    temporary : pathlib.Path
        The file to write to, empty, with the suffix of `path`.

    Raises
    ------
    OSError
        If `path` cannot be written to, or is a folder, a pipe, a device or the file that standard output goes to. The
        message names `path`.
    ValueError
        If `path` is not UTF-8.
    """

    def __init__(self, path: str | os.PathLike, folder: str | os.PathLike | None = None) -> None:
        self.path, self._shown = Path(os.path.realpath(path)), path
        check_text(self.path)
        with writing(path):
            self._before = self._there()
            # A file that only its owner could read must stay private, even while its replacement is being written.
            mode = 0o666 if self._before is None else 0o600
            name = f".{self.path.stem[:_LONGEST_STEM]}-{secrets.token_hex(4)}{self.path.suffix}"
            self.temporary = self.path.parent / name
            create(self.temporary, mode)
        if folder is not None:
            elsewhere = Path(folder) / name
            with contextlib.suppress(OSError):  # if the folder is on another disk, it stays where it is
                os.rename(self.temporary, elsewhere)
                self.temporary = elsewhere

    def _there(self) -> os.stat_result | None:
        """What is at the path now; None if there is nothing."""
        try:
            found = os.stat(self._shown)  # a pipe, which /dev/stdout may be, has no real path
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not stat.S_ISREG(found.st_mode):
            # A rename would replace the device or pipe by a file.
            raise OSError(errno.EINVAL, "it is not a regular file")
        if _is_standard_stream(found):
            # For example /dev/stdout when a shell redirects it: later output would go to the replaced file.
            raise OSError(errno.EINVAL, "standard output or standard error of this process goes there")
        check_replaceable(self.path)
        return found

    def finish(self) -> None:
        """Make the written bytes durable; after this only the rename can fail."""
        with writing(self._shown):
            if self._before is not None:
                give_permissions(self._before, self.temporary)
            sync(self.temporary)

    def publish(self) -> None:
        """Move the file to its place."""
        with writing(self._shown):
            os.replace(self.temporary, self.path)
        sync(self.path.parent)

    def discard(self) -> None:
        """Remove the temporary file if it is not published."""
        with contextlib.suppress(OSError):
            self.temporary.unlink()


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, folder: str | os.PathLike | None = None) -> Iterator[Path]:
    """Give a temporary path to write to, and move it to `path` only if the block succeeds.

    The temporary file is on the same disk, so the move is one rename. If anything fails, the temporary file is removed
    and an existing file at `path` stays as it was. A new file gets the permissions that ``open`` would give it; a
    replaced file keeps its permissions. Errors of the block are raised unchanged; use `writing` inside it to name the
    file in them.

    Parameters
    ----------
    path : str or path-like
        Where the finished file goes. Its folder must exist.
    folder : str or path-like, optional
        Folder of the temporary file; None means the folder of `path`.

    Yields
    ------
    pathlib.Path
        The temporary file, empty, with the suffix of `path`.

    Raises
    ------
    OSError
        If the folder is missing or cannot be written to, or the disk is full. The message names `path`.

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
    """Write `data` to `path` completely or not at all.

    Parameters
    ----------
    path : str or path-like
        Where the file goes. Its folder must exist; an existing file is replaced.
    data : bytes
        The contents.

    Raises
    ------
    OSError
        Under the same conditions as in `atomic_write`.
    """
    with atomic_write(path) as temporary, writing(path):
        temporary.write_bytes(data)


def check_writable(path: str | os.PathLike) -> None:
    """Refuse a path that `atomic_write` could not write to, and leave what is there unchanged.

    Raises
    ------
    OSError, ValueError
        Under the same conditions as in `Draft`.
    """
    Draft(path).discard()
