"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

_REMEDIES = {
    errno.ENOENT: "Make the folder first, or choose one that is there.",
    errno.ENOSPC: "Free some space, or choose a folder on another disk.",
}


def explained(error: OSError, path: Path) -> OSError:
    """The same error number, with the path that was asked for and the remedy in the message."""
    if str(error.strerror).startswith("cannot write"):
        return error
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0, "Choose a path that can be written to.")
    # OSError picks the subclass that belongs to the number, for example PermissionError.
    return OSError(error.errno or errno.EIO, f"cannot write {str(path)!r}: {reason}. {remedy}")


def _default_mode() -> int:
    """The permissions a plain ``open(path, "w")`` would give (``mkstemp`` gives its own, stricter ones)."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


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


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, folder: str | os.PathLike | None = None) -> Iterator[Path]:
    """Give a temporary path to write to, and move it to `path` only if the block succeeds.

    The temporary file is on the same disk, so that the move is one rename. Whatever goes wrong, the
    temporary file is removed, and a file that was at `path` before is left as it was.

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
    path = Path(os.path.realpath(path))
    temporary: Path | None = None
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if path.exists() and not path.is_file():
            # A rename would put a file in the place of the device or pipe.
            raise OSError(errno.EINVAL, "it is not a regular file")
        descriptor, name = tempfile.mkstemp(dir=folder or path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        sync(temporary)
        temporary.chmod(_default_mode())
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


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
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)
