"""The file formats that rows are written in: one file for each, listed here."""

from __future__ import annotations

from pathlib import PurePath

from tabkd._formats.arrow import Arrow
from tabkd._formats.csv import Csv
from tabkd._formats.format import Format
from tabkd._formats.json_lines import JsonLines
from tabkd._formats.parquet import Parquet

PARQUET, CSV = Parquet(), Csv()

#: All formats.
FORMATS: tuple[Format, ...] = (PARQUET, CSV, Arrow(), JsonLines())

_BY_SUFFIX = {suffix: format for format in FORMATS for suffix in format.suffixes}

#: The suffixes of the files that are written.
SUFFIXES = tuple(_BY_SUFFIX)


def format_of(path: str | PurePath) -> Format | None:
    """The format of a file, by its suffix; None if the suffix is unknown.

    Examples
    --------
    >>> format_of("scores.JSONL").name
    'JSON'
    """
    return _BY_SUFFIX.get(PurePath(path).suffix.lower())


def suffixes_in_words() -> str:
    """The suffixes as a list in a sentence.

    Examples
    --------
    >>> suffixes_in_words()
    '.parquet, .csv, .arrow, .feather or .jsonl'
    """
    *others, last = SUFFIXES
    return f"{', '.join(others)} or {last}"
