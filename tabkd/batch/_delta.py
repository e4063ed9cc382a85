"""Delta tables, opened by the package deltalake: Parquet files, and a log that says which of them hold the rows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tabkd._options import option
from tabkd.batch._addresses import without_password

if TYPE_CHECKING:
    from deltalake import DeltaTable

#: The suffix of the name of a Delta table that is to be made.
SUFFIX = ".delta"


def opened(address: str, shown: str, version: int | None = None) -> DeltaTable:
    """A Delta table at one version.

    Parameters
    ----------
    address : str
        Its folder or URL.
    shown : str
        Its name in errors.
    version : int, optional
        The version; None for the latest one.

    Raises
    ------
    ValueError
        If deltalake is missing, or the table or its version cannot be read.
    """
    check_package(shown)
    from deltalake import DeltaTable

    with delta_errors(f"cannot read the Delta table {shown!r}", address):
        table = DeltaTable(address)
    if version is None or version == table.version():
        return table
    if version > table.version():
        raise ValueError(
            f"{option('delta_version', version)} is not a version of {shown!r}, whose latest one is {table.version()}."
        )
    with delta_errors(f"cannot read version {version} of the Delta table {shown!r}, which may be too old", address):
        table.load_as_version(version)
    return table


def check_package(shown: str) -> None:
    """Refuse a Delta table where deltalake is not installed.

    Raises
    ------
    ValueError
        If it cannot be imported.
    """
    try:
        import deltalake  # noqa: F401
    except ImportError as error:
        raise ValueError(f"{shown!r} is a Delta table, which needs deltalake: pip install deltalake.") from error


def uri_of(folder: str) -> str:
    """The URL of a folder of this machine: in a plain path delta-rs takes %20 for a space."""
    return Path(os.path.abspath(folder)).as_uri()


@contextlib.contextmanager
def delta_errors(what: str, address: str = "") -> Iterator[None]:
    """Report every error of deltalake in the block as a ValueError that begins with what failed.

    Parameters
    ----------
    what : str
        What failed.
    address : str
        The URL of the table, whose password is not shown.

    Raises
    ------
    ValueError
        If the block fails.
    """
    try:
        yield
    except Exception as error:  # deltalake raises OSError, its own errors and plain Exception
        reason = one_line(error)
        raise ValueError(f"{what}: {without_password(reason, address) if address else reason}") from error


def one_line(error: BaseException) -> str:
    """What deltalake says, without the traceback and the notes that it may add."""
    return " ".join(str(error).partition(" Detail: Python exception")[0].split())[:500].rstrip(".")
