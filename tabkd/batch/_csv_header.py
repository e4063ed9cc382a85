"""The header of a CSV: the names of its columns, and what it shows of how the file is written."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv

from tabkd._options import option
from tabkd.batch._dialect import Dialect

#: What a header is tried with where the user names no delimiter.
DELIMITERS = (",", ";", "\t", "|")
# Longer ones first: the mark of UTF-32 begins like that of UTF-16.
_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8",
}
# About how many bytes a value of a CSV has.
_VALUE_BYTES = 10
_LEAST_BLOCK = 1 << 20
# Of a wide table; what more rows at a time are asked for takes more, as far as Arrow's 32 bits go.
_USUAL_BLOCK, _LARGEST_BLOCK = 1 << 28, (1 << 31) - (1 << 16)


class HeaderError(ValueError):
    """A CSV has no header, or one that cannot be read."""


class Header(NamedTuple):
    """What the first line of a CSV shows.

    Attributes
    ----------
    names : list of str
        Of the columns, without the spaces around them where `spaced`.
    delimiter, encoding : str
    first_byte : int
        Where the file begins behind its byte order mark.
    blank_lines : int
        How many there are before the header.
    n_characters : int
        About how many the header has.
    alone : bool
        Whether the file ends with it.
    spaced : bool
        Whether there are spaces around values, which are none of them.
    found : list of str
        What was found without being given and is unusual, each as the end of a sentence on the file.
    """

    names: list[str]
    delimiter: str
    encoding: str
    first_byte: int
    blank_lines: int
    n_characters: int
    alone: bool
    spaced: bool
    found: list[str]

    def parsing(self, handler=None) -> pa.csv.ParseOptions:
        """How Arrow parses the lines; `handler` is asked about those with too few or too many values."""
        # A blank line is no row, but a missing value where there is only one column.
        ignore_blank = len(self.names) > 1
        return pa.csv.ParseOptions(
            delimiter=self.delimiter,
            newlines_in_values=True,
            invalid_row_handler=handler,
            ignore_empty_lines=ignore_blank,
        )

    def block_size(self, rows: int) -> int:
        """Bytes that hold about so many rows, and the header at least."""
        wide = min(_VALUE_BYTES * rows * len(self.names), max(_USUAL_BLOCK, _VALUE_BYTES * rows))
        return min(max(_LEAST_BLOCK, wide, 8 * self.n_characters), _LARGEST_BLOCK)

    def reading(self, rows: int, encoding: str | None = None, use_threads: bool = False) -> pa.csv.ReadOptions:
        """How Arrow reads the file from its first byte on, its columns called by their numbers.

        Their names may be anything, and in any encoding.
        """
        return pa.csv.ReadOptions(
            column_names=self.numbers,
            skip_rows_after_names=self.blank_lines + 1,
            block_size=self.block_size(rows),
            encoding=encoding or self.encoding,
            use_threads=use_threads,
        )

    @property
    def numbers(self) -> list[str]:
        """What the columns are called where their names could be in the way."""
        return [str(i) for i in range(len(self.names))]

    @property
    def any_bytes(self) -> str:
        """An encoding in which no line ends the reading: bytes that are no UTF-8 are then found one by one."""
        return "latin-1" if is_utf8(self.encoding) else self.encoding


def read_header(file, dialect: Dialect, wanted: Collection[str]) -> Header:
    """Read the header of a file, which is then at its first byte behind the byte order mark.

    Parameters
    ----------
    file : file of Arrow's
        At its start.
    dialect : Dialect
    wanted : collection of str
        Columns that are needed, by which a delimiter is found that is not given.

    Raises
    ------
    HeaderError
        The file has no header, or one that is no text in its encoding.
    """
    mark, marked = _byte_order_mark(file)
    encoding = dialect.encoding or marked or "utf-8"
    # Python takes the mark away by itself, but for UTF-8.
    first_byte = len(mark) if marked == "utf-8" and is_utf8(encoding) else 0
    found = []
    if marked and marked != "utf-8" and dialect.encoding is None:
        found.append(f"in {marked.upper()}, by its byte order mark")
    candidates = [dialect.delimiter] if dialect.delimiter else list(DELIMITERS)
    try:
        headers = {}
        for delimiter in candidates:
            file.seek(first_byte)
            headers[delimiter] = _first_row(file, encoding, delimiter, strict=len(candidates) == 1)
            if _has(headers[delimiter], wanted):
                break
        fitting = [delimiter for delimiter, row in headers.items() if _has(row, wanted)]
        if wanted and fitting and fitting[0] != candidates[0]:
            found.append(f"with the delimiter {fitting[0]!r}, which gives the columns that are needed")
        delimiter = fitting[0] if fitting else candidates[0]
        row = headers[delimiter] or _first_row(_rewound(file, first_byte), encoding, delimiter, strict=True)
        if row is not None:
            "".join(row[0]).encode()
    except UnicodeError as error:
        raise HeaderError(
            f"its header is not text in {encoding.upper()}; name its encoding, as in {option('encoding', 'latin-1')} "
            "or utf-16."
        ) from error
    except csv.Error as error:
        raise HeaderError(f"its header cannot be parsed ({error}); is a quote left open in it?") from error
    if row is None:
        raise HeaderError("it is empty: not even a header is in it.")
    names, blank_lines, n_characters, alone = row
    if any("\0" in name for name in names):
        utf16 = option("encoding", "utf-16-le")
        raise HeaderError(f"its header has characters of code 0; is it UTF-16? Then say so by {utf16}.")
    spaced = _is_spaced(names, wanted)
    if spaced:
        names = [_stripped(name) for name in names]
        found.append("without the spaces around its names and values")
    file.seek(first_byte)
    return Header(names, delimiter, encoding, first_byte, blank_lines, n_characters, alone, spaced, found)


def _byte_order_mark(file) -> tuple[bytes, str | None]:
    start = file.read(4)
    return next(((mark, name) for mark, name in _MARKS.items() if start.startswith(mark)), (b"", None))


def is_utf8(encoding: str) -> bool:
    """Whether an encoding is UTF-8, by any of its names."""
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")


def _rewound(file, position: int):
    file.seek(position)
    return file


_Row = tuple[list[str], int, int, bool]


def _first_row(file, encoding: str, delimiter: str, strict: bool) -> _Row | None:
    """The first row that is not blank, how many blank lines are before it, its length, and whether nothing follows.

    None for an empty file and, unless `strict`, for what this delimiter cannot parse.
    """
    # Rows below may be in another encoding: each of those is rejected, or not, when its turn comes.
    text = io.TextIOWrapper(file, encoding, "surrogateescape", newline="")
    lines = _Counted(text)
    try:
        for n_blank, row in enumerate(csv.reader(lines, delimiter=delimiter)):
            if row:
                row[0] = row[0].removeprefix("\ufeff")
                return row, n_blank, lines.n_characters, not text.read(1)
        return None
    except csv.Error:
        if strict:
            raise
        return None
    finally:
        text.detach()  # so that the file stays open


class _Counted(Iterator[str]):
    """Lines, and how many characters they had so far."""

    def __init__(self, lines):
        self._lines, self.n_characters = lines, 0

    def __next__(self) -> str:
        line = next(self._lines)
        self.n_characters += len(line)
        return line


def _has(row: _Row | None, wanted: Collection[str]) -> bool:
    """Whether a header has all columns that are needed."""
    if row is None:
        return False
    present = {*row[0], *map(_stripped, row[0])}
    return all(name in present for name in wanted)


def _is_spaced(names: list[str], wanted: Collection[str]) -> bool:
    """Whether the spaces around names are no part of them: none is wanted with its spaces, and all differ without."""
    spaced = [name for name in names if name != _stripped(name)]
    known = set(wanted)
    return bool(spaced) and not known.intersection(spaced) and len(set(map(_stripped, names))) == len(set(names))


def _stripped(name: str) -> str:
    name = name.strip(" \t")
    # A quote behind a space does not quote for the parser.
    return name[1:-1].replace('""', '"') if len(name) > 1 and name[0] == name[-1] == '"' else name
