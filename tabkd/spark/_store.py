"""The place of an output: the Hadoop file system that its path belongs to, and a folder for unfinished files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabkd._files import atomic_write_bytes, sync
from tabkd.batch._paths import DELTA_LOG, delta_error, is_hidden
from tabkd.batch._workplace import PARTS, folder_of, workplace

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LOCAL = "file:"


class Store:
    """A file system that Hadoop supports: a disk, HDFS, or an object store.

    Parameters
    ----------
    spark : SparkSession
        The session that accesses it.
    path : str
        A path on the file system.

    Attributes
    ----------
    path : str
        The same path, with the scheme of its file system.
    """

    def __init__(self, spark: SparkSession, path: str):
        context = spark.sparkContext
        self._jvm: Any = context._jvm
        self._files = self._path(path).getFileSystem(context._jsc.hadoopConfiguration())
        self.path: str = self._files.makeQualified(self._path(path)).toString()

    @property
    def is_local(self) -> bool:
        """Whether it is the disk of this machine."""
        return self.path.startswith(_LOCAL)

    def local(self, path: str) -> Path:
        """A path on the disk of this machine."""
        return Path(path.removeprefix(_LOCAL))

    def _path(self, path: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(path)

    def exists(self, path: str) -> bool:
        """Whether a file or a folder exists."""
        return self._files.exists(self._path(path))

    def names(self, folder: str) -> list[str]:
        """The contents of a folder; nothing if it does not exist."""
        if not self.exists(folder):
            return []
        return sorted(status.getPath().getName() for status in self._files.listStatus(self._path(folder)))

    def files(self, pattern: str) -> list[dict[str, Any]]:
        """What identifies each file and its version, as JSON values, for the files of a path or a Hadoop pattern.

        Hidden names are left out; see `tabkd.batch._paths.is_hidden`.

        Raises
        ------
        ValueError
            If they are of a Delta table, whose files also hold rows that it has removed.
        """
        found = []
        for matched in self._files.globStatus(self._path(pattern)) or ():
            top, listed = matched.getPath().toString(), self._files.listFiles(matched.getPath(), True)
            while listed.hasNext():
                status = listed.next()
                path = status.getPath().toString()
                if f"/{DELTA_LOG}/" in path:
                    raise delta_error(path.partition(f"/{DELTA_LOG}/")[0])
                if not any(map(is_hidden, path.removeprefix(top).split("/"))):
                    found.append({"path": path, "bytes": status.getLen(), "changed": status.getModificationTime()})
        return found

    def make(self, folder: str) -> None:
        """Create a folder, with its parents."""
        self._files.mkdirs(self._path(folder))

    def delete(self, path: str) -> None:
        """Remove a file, or a folder with everything in it."""
        self._files.delete(self._path(path), True)

    def rename(self, path: str, to: str) -> None:
        """Move a folder to a path that does not exist.

        Raises
        ------
        ValueError
            If it cannot be moved.
        """
        if self.exists(to) or not self._files.rename(self._path(path), self._path(to)):
            raise ValueError(f"cannot move what was written to {to!r}: {'it exists' if self.exists(to) else 'refused'}")
        if self.is_local:
            sync(self.local(to).parent)

    def read(self, path: str) -> bytes:
        """The content of a small file."""
        if self.is_local:
            return self.local(path).read_bytes()
        stream = self._files.open(self._path(path))
        try:
            return bytes(stream.readAllBytes())
        finally:
            stream.close()

    def write(self, path: str, content: bytes) -> None:
        """Write a small file."""
        if self.is_local:
            atomic_write_bytes(self.local(path), content)
            return
        stream = self._files.create(self._path(path), True)
        try:
            stream.write(content)
        finally:
            stream.close()

    def sync(self, folder: str) -> None:
        """Make the files of a folder durable; stores other than a disk do that when a file is closed."""
        if self.is_local:
            for path in (*self.local(folder).rglob("*"), self.local(folder)):
                sync(path)


@contextlib.contextmanager
def work_folder(store: Store, *, keep: bool) -> Iterator[str]:
    """A hidden folder for unfinished files next to the output of a store, which is removed at the end.

    On a disk only one job at a time can use it, by a lock that a killed process releases. Other stores have no such
    locks.

    Parameters
    ----------
    store : Store
        The file system and the path of the output.
    keep : bool
        Whether to start with the files that an earlier job left there, and to keep the files if the block fails.

    Raises
    ------
    BusyError
        If another job uses the folder.
    """
    if store.is_local:
        with workplace(store.local(store.path), keep=keep) as folder:
            yield f"{_LOCAL}{folder / PARTS}"
        return
    parent, _, name = store.path.rpartition("/")
    hidden = f"{parent}/{folder_of(Path(name)).name}"
    if not keep:
        store.delete(hidden)
    try:
        yield f"{hidden}/{PARTS}"
    except BaseException:
        if not keep:
            store.delete(hidden)
        raise
    store.delete(hidden)
