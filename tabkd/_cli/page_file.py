"""The file of a page: refused before the work if it cannot be written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tabkd._cli.errors import CommandError, one_line


def check_page(path: Path, taken: Sequence[str]) -> None:
    """Refuse a page that could not be made, or whose file the command reads.

    Parameters
    ----------
    path : Path
        The file, as `--html` names it.
    taken : sequence of str
        The files and folders that the command reads.

    Raises
    ------
    CommandError
        If the file cannot be written, or is read.
    ImportError
        If the package that makes pages is not installed.
    """
    from tabkd._files import check_writable
    from tabkd._page.document import check_installed
    from tabkd.batch._outputs import is_within

    check_installed()
    if is_within(path, taken):
        raise CommandError(f"--html {str(path)!r} is read by this command; choose another file.")
    try:
        check_writable(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"--html {str(path)!r} cannot be written: {one_line(error)}") from error
