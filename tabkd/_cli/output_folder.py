"""The output folder: checked before the work, and left as it was if the work fails."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tabkd._cli.errors import CommandError

# A path has only one of the two slashes left. One letter is a drive.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


@contextlib.contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """Make the folder `path`, prove that it can be written to, and remove it again if the block fails.

    Raises
    ------
    CommandError
        It cannot be made, is a file or a URL, or cannot be written to.
    """
    if _URL.match(str(path)):
        raise CommandError(f"--output {str(path)!r} is a URL; give a folder of this machine.")
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"tabkd")
    except OSError as error:
        _remove_empty(made)
        raise CommandError(
            f"--output {str(path)!r} cannot be written to: {error.strerror or error}. Choose another folder."
        ) from error
    try:
        yield path
    except BaseException:
        _remove_empty(made)
        raise


def _remove_empty(folders: list[Path]) -> None:
    """Remove the folders, innermost first, if they exist and are empty."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def json_bytes(content: dict) -> bytes:
    """`content` as indented JSON text; NaN is refused, because JSON does not have it."""
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")  # as JSON writes halves of characters, in names of files
