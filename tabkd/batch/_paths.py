"""The files that paths, folders and globs refer to. A match that cannot be read is refused, never skipped.

Hidden names, which begin with a dot or an underscore (except ``_name=value``), are skipped, as in Hive and Spark. A
glob matches them if the part of the pattern begins with a dot or an underscore itself.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

from tabkd._files import check_text

#: The folder in a Delta table that says which of its files hold the rows.
DELTA_LOG = "_delta_log"


class Kind(Enum):
    """What is at a path; the value is the description in error messages."""

    FILE = "a file"
    FOLDER = "a folder"
    MISSING = "no file"
    BROKEN = "a link that leads nowhere"
    OTHER = "neither a file nor a folder, but a pipe, socket or device"


class Entry(NamedTuple):
    """A name in a folder."""

    name: str
    path: str
    kind: Kind


class Found(NamedTuple):
    """A file, and the names of its folders below the given folder."""

    path: str
    folders: tuple[str, ...]


class Tree(Protocol):
    """The file system of paths: this machine, or a remote store."""

    def kind(self, path: str) -> Kind:
        """What is at a path."""

    def entries(self, folder: str) -> list[Entry]:
        """The entries of a folder, including hidden names."""

    def place(self, folder: str) -> Any:
        """An identifier that is equal for two paths only if they lead to the same folder."""

    def check_readable(self, path: str) -> None:
        """Refuse a file that cannot be opened."""

    def delta_table(self, path: str) -> str | None:
        """The Delta table that a path is or lies in; None if there is none, or it takes many requests to know."""


class Local:
    """The paths of this machine."""

    def kind(self, path: str) -> Kind:
        """What is at a path; links are followed.

        Raises
        ------
        OSError
            If it cannot be inspected.
        """
        try:
            mode = os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return Kind.BROKEN if os.path.islink(path) else Kind.MISSING
        except OSError as error:
            raise _unreadable(path, error) from error
        return Kind.FOLDER if stat.S_ISDIR(mode) else Kind.FILE if stat.S_ISREG(mode) else Kind.OTHER

    def entries(self, folder: str) -> list[Entry]:
        """The entries of a folder.

        Raises
        ------
        OSError
            If the folder cannot be read.
        """
        try:
            with os.scandir(folder or ".") as listed:
                names = [(entry.name, os.path.join(folder, entry.name)) for entry in listed]
        except OSError as error:
            raise _unreadable(folder, error) from error
        return [self._entry(name, path) for name, path in names]

    def _entry(self, name: str, path: str) -> Entry:
        # A hidden name is skipped, even if it is a broken link.
        kind = Kind.OTHER if is_hidden(name) and not os.path.exists(path) else self.kind(path)
        return Entry(name, path, kind)

    def place(self, folder: str) -> tuple[int, int]:
        """The device and the inode number of a folder."""
        found = os.stat(folder or ".")
        return found.st_dev, found.st_ino

    def check_readable(self, path: str) -> None:
        """Refuse a file that cannot be opened, or whose name pyarrow does not support.

        Raises
        ------
        OSError
            If the file cannot be opened.
        ValueError
            If its path is not UTF-8.
        """
        check_text(path)
        try:
            os.close(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)))
        except OSError as error:
            raise _unreadable(path, error) from error

    def delta_table(self, path: str) -> str | None:
        """The Delta table that a path is or lies in; links are followed."""
        return delta_table_of(path)


class Store:
    """The paths of a remote store that fsspec supports.

    Parameters
    ----------
    store : fsspec.AbstractFileSystem
        The store.
    """

    def __init__(self, store: Any) -> None:
        self._store = store

    def kind(self, path: str) -> Kind:
        """What is at a path; anything but a folder counts as a file, because it is opened later."""
        if self._store.isdir(path):
            return Kind.FOLDER
        return Kind.MISSING if glob.has_magic(path) and not self._store.exists(path) else Kind.FILE

    def entries(self, folder: str) -> list[Entry]:
        """The entries of a folder.

        Raises
        ------
        ValueError
            If the folder cannot be listed.
        """
        try:
            listed = self._store.ls(folder, detail=True)
        except Exception as error:  # the driver of a store may raise any error
            raise ValueError(f"cannot read {folder!r}: {' '.join(str(error).split())}") from error
        entries = []
        for info in listed:
            path = str(info["name"]).rstrip("/")
            if path != folder.rstrip("/"):  # some stores represent a folder by a file
                entries.append(Entry(path.rpartition("/")[2], path, self._kind(path, info["type"])))
        return entries

    def _kind(self, path: str, said: str) -> Kind:
        known = {"file": Kind.FILE, "directory": Kind.FOLDER}
        if said in known:
            return known[said]
        if self._store.isdir(path):  # by a link
            return Kind.FOLDER
        return Kind.FILE if self._store.isfile(path) else Kind.BROKEN

    def place(self, folder: str) -> str:
        """The path itself."""
        return folder.rstrip("/")

    def check_readable(self, path: str) -> None:
        """Do nothing: one request per file would take long, and all files are opened before the first row."""

    def delta_table(self, path: str) -> None:
        """None: every folder above would take a request. A table is recognised when its folder is listed."""


def matching(tree: Tree, given: str) -> list[str]:
    """The paths that a path or a glob refers to, in the order of their names; an empty list if nothing matches.

    Raises
    ------
    OSError, ValueError
        If a folder that may contain matches cannot be read, or a link that matches leads nowhere.
    """
    if tree.kind(given) is not Kind.MISSING:
        return [given]
    return _outermost(_matches(tree, given)) if glob.has_magic(given) else []


def files(tree: Tree, path: str, wanted: Callable[[str], bool]) -> list[Found]:
    """The file at a path, or the files of a folder there, in the order of their names.

    Parameters
    ----------
    tree : Tree
        The file system of the path.
    path : str
        A file or a folder.
    wanted : callable
        Decides by its name whether a file of a folder belongs to the table.

    Raises
    ------
    OSError, ValueError
        If one of them cannot be read: a folder or file without read permission, a link that leads nowhere, a pipe, a
        socket or a device. If they are of a Delta table, whose files also hold rows that it has removed.
    """
    if (table := tree.delta_table(path)) is not None:
        raise delta_error(table)
    kind = tree.kind(path)
    if kind is not Kind.FOLDER:
        _check_kind(path, kind)
        tree.check_readable(path)
        return [Found(path, ())]
    return sorted(_within(tree, path, (), (tree.place(path),), wanted), key=lambda file: PurePosixPath(file.path).parts)


def is_hidden(name: str) -> bool:
    """Whether a name does not belong to the table by the conventions of Hive and Spark, such as _SUCCESS or .crc."""
    return name.startswith((".", "_")) and "=" not in name


def delta_table_of(path: str | os.PathLike) -> str | None:
    """The Delta table that a path of this machine is or lies in; None if there is none."""
    place = Path(os.path.realpath(path))
    return next((str(folder) for folder in (place, *place.parents) if os.path.isdir(folder / DELTA_LOG)), None)


def delta_error(table: str) -> ValueError:
    """The error for files of a Delta table where plain files are read."""
    return ValueError(
        f"{table!r} is a Delta table, whose Parquet files also hold rows that it has removed, so its files are not "
        "read as they are. `tabkd score` and `tabkd compare` read the table if its folder itself is the input and "
        "Spark is not; for all else write its rows to Parquet files first."
    )


def _within(tree: Tree, folder: str, names: tuple[str, ...], above: tuple, wanted: Callable) -> Iterator[Found]:
    """The files of a folder and of all folders below it; links are followed."""
    for entry in tree.entries(folder):
        if entry.name == DELTA_LOG and entry.kind is Kind.FOLDER:
            raise delta_error(folder)
        if is_hidden(entry.name):
            continue
        if entry.kind is Kind.FOLDER:
            # A link to a folder above would cause an endless loop; its files are found without the link.
            if (place := tree.place(entry.path)) not in above:
                yield from _within(tree, entry.path, (*names, entry.name), (*above, place), wanted)
        elif wanted(entry.name) or entry.kind in (Kind.BROKEN, Kind.MISSING):  # a broken link may have led to a folder
            _check_kind(entry.path, entry.kind)
            tree.check_readable(entry.path)
            yield Found(entry.path, names)


def _matches(tree: Tree, pattern: str) -> list[str]:
    """The paths that match a pattern, some more than once if the pattern has several ``**``."""
    parts = pattern.rstrip("/").split("/")
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root = "/" if parts[:first] == [""] else "/".join(parts[:first])
    if tree.kind(root or ".") is not Kind.FOLDER:
        return []
    return list(_expanded(tree, root, parts[first:], ()))


def _expanded(tree: Tree, folder: str, parts: Sequence[str], above: tuple) -> Iterator[str]:
    """The paths below a folder that match the parts of a pattern."""
    if not parts:
        yield folder or "."
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _expanded(tree, folder, rest, above)
    elif not glob.has_magic(part):
        path = f"{folder.rstrip('/')}/{part}" if folder else part
        kind = tree.kind(path)
        if kind is Kind.BROKEN:
            _check_kind(path, kind)
        if kind is Kind.FOLDER or not (rest or kind is Kind.MISSING):
            yield from _expanded(tree, path, rest, above)
        return
    matches = re.compile(fnmatch.translate("*" if part == "**" else part)).match
    for entry in tree.entries(folder):
        if not matches(entry.name) or (is_hidden(entry.name) and not is_hidden(part)):
            continue
        if entry.kind in (Kind.BROKEN, Kind.MISSING):
            _check_kind(entry.path, entry.kind)
        if entry.kind is Kind.FOLDER and part == "**":
            if (place := tree.place(entry.path)) not in above:
                yield from _expanded(tree, entry.path, parts, (*above, place))
        elif part != "**" and (entry.kind is Kind.FOLDER or not rest):
            yield from _expanded(tree, entry.path, rest, above)


def _outermost(matched: list[str]) -> list[str]:
    """The paths without those below another one of them: ``**`` matches a folder as well as its contents."""
    unique = {PurePosixPath(path): path for path in matched}
    return [path for pure, path in sorted(unique.items()) if not any(above in unique for above in pure.parents)]


def _check_kind(path: str, kind: Kind) -> None:
    """Refuse anything but a file."""
    if kind is not Kind.FILE:
        what = "was removed after its folder was listed" if kind is Kind.MISSING else f"is {kind.value}"
        raise ValueError(f"cannot read {path!r}: it {what}. Remove or repair it, or give the files one by one.")


def _unreadable(path: str, error: OSError) -> OSError:
    reason = error.strerror or str(error)
    return OSError(
        error.errno, f"cannot read {path!r}: {reason}. Give this user permission to read it, or leave it out."
    )
