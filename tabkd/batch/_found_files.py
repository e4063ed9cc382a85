"""The files to score: those that paths, folders, globs and URLs refer to, local or on a store of fsspec.

The order is always the same: files in the order of their names, and rows in the order of their file.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs

from tabkd.batch import _paths as paths
from tabkd.batch._addresses import has_key_of, without_password
from tabkd.batch._addresses import shown as shown_url
from tabkd.batch._rejects import shown
from tabkd.batch._sources import FORMATS, File

#: The value of a Hive partition of missing values.
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def find_files(inputs: Sequence[str]) -> list[File]:
    """The files that paths, folders, globs and URLs refer to, those of each input in the order of their names.

    Raises
    ------
    FileNotFoundError
        If an input has no files.
    OSError, ValueError
        If a file has the suffix of another format or is given twice, or a match cannot be read; see
        `tabkd.batch._paths.files`.
    """
    if not inputs:
        raise ValueError("inputs is empty; give the files, folders or URLs to score.")
    files = [file for given in inputs for file in files_at(place_of(given))]
    check_once((file.path, file.filesystem) for file in files)
    return files


class Place(NamedTuple):
    """What an input names, as its file system knows it.

    Attributes
    ----------
    path : str
        The path or glob on the file system.
    tree : tabkd.batch._paths.Tree
        Lists and inspects folders.
    filesystem : pyarrow.fs.FileSystem
        Opens files.
    """

    path: str
    tree: paths.Tree
    filesystem: pa.fs.FileSystem


def place_of(given: str) -> Place:
    """The place of an input: a path of this machine or, for a URL, of a store.

    Raises
    ------
    ValueError
        If the store cannot be opened.
    """
    path = given.removeprefix("file://").removeprefix("local://")
    return _remote(path) if "://" in path else Place(path, paths.Local(), pa.fs.LocalFileSystem())


def check_once(found: Iterable[tuple[str, pa.fs.FileSystem]]) -> None:
    """Refuse paths that lead to the same file or folder.

    Raises
    ------
    ValueError
        If one is given twice.
    """
    seen: set[tuple] = set()
    for path, filesystem in found:
        place: tuple = (filesystem.type_name, path)
        if isinstance(filesystem, pa.fs.LocalFileSystem):  # a link to a file is the same file
            status = os.stat(path)
            place = (status.st_dev, status.st_ino)
        if place in seen:
            raise ValueError(f"{path!r} is given twice; its rows would be scored twice.")
        seen.add(place)


def files_at(place: Place) -> list[File]:
    """The files at a place, in the order of their names.

    Raises
    ------
    FileNotFoundError
        If there are none.
    OSError, ValueError
        As `find_files`.
    """
    given, tree, filesystem = place
    matched = paths.matching(tree, given)
    if not matched:
        if glob.has_magic(given):
            raise FileNotFoundError(f"no file matches {given!r}; check the pattern.")
        raise FileNotFoundError(f"the table {given!r} does not exist; check the path.")
    files = []
    for path in matched:
        found = paths.files(tree, path, lambda name: PurePosixPath(name).suffix.lower() in FORMATS)
        if not found:
            raise FileNotFoundError(
                f"the folder {path!r} has no {_or(tuple(FORMATS))} file; names that begin with . or _ are left out."
            )
        for file in found:
            _check_suffix(file.path)
            files.append(File(file.path, filesystem, _partition(file.folders)))
    return files


def _remote(url: str) -> Place:
    """The place of a URL, through fsspec and the driver of the store."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ValueError(
            f"{shown(url)!r} needs fsspec and the driver of its store, for example pip install s3fs."
        ) from error
    try:
        store, path = url_to_fs(url)
    except Exception as error:  # the driver of a store may raise any error
        raise ValueError(f"{shown_url(url)!r} cannot be opened: {without_password(str(error), url)}") from None
    if has_key_of(path, url):
        raise ValueError(
            f"{shown_url(url)!r} has a password or key that is part of the path there, so files and messages would "
            "show it. Use the settings of the store, such as its environment variables."
        )
    return Place(path, paths.Store(store), pa.fs.PyFileSystem(pa.fs.FSSpecHandler(store)))


def _partition(folders: Sequence[str]) -> dict[str, str | None]:
    """The columns that folders with names of the form name=value define."""
    pairs = (folder.partition("=") for folder in folders if "=" in folder)
    return {unquote(name): None if value == NO_VALUE else unquote(value) for name, _, value in pairs}


def _check_suffix(path: str) -> None:
    suffix = PurePosixPath(path).suffix
    if suffix.lower() not in FORMATS:
        raise ValueError(f"{path!r} has the suffix {suffix!r}; tables are {_or(tuple(FORMATS))} files.")


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
