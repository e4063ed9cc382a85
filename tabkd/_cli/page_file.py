"""The file of a page: refused before the work, if it could not be written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tabkd._cli.errors import CommandError, one_line


def check_page(path: Path, taken: Iterable[str]) -> None:
    """Refuse a page that could not be made, or whose file the command reads.

    Parameters
    ----------
    path : Path
        The file, as `--html` names it.
    taken : iterable of str
        What the command reads.

    Raises
    ------
    CommandError
        If the file cannot be written, or is read.
    ImportError
        If the package that makes pages is not installed.
    """
    from tabkd._files import check_writable
    from tabkd._page.document import check_installed

    check_installed()
    if any(Path(given).resolve() == path.resolve() for given in taken):
        raise CommandError(f"--html {str(path)!r} is read by this command; choose another file.")
    try:
        check_writable(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"--html {str(path)!r} is no place for a file: {one_line(error)}") from error
