"""The header of a CSV: the names of its columns, and what it reveals about the format of the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv

from tabkd._options import option
from tabkd.batch._dialect import Dialect

#: The delimiters that are tried if the user gives none.
DELIMITERS = (",", ";", "\t", "|")
# Longer marks first: the mark of UTF-32 begins like that of UTF-16.
_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8",
}
# Approximate number of bytes of a value in a CSV.
_VALUE_BYTES = 10
_LEAST_BLOCK = 1 << 20
# Bytes of a block of a wide table. Larger batches get larger blocks, up to the limit of Arrow's 32-bit offsets.
_USUAL_BLOCK, _LARGEST_BLOCK = 1 << 28, (1 << 31) - (1 << 16)


class HeaderError(ValueError):
    """A CSV has no header, or its header cannot be read."""


class Header(NamedTuple):
    """What the first line of a CSV reveals.

    Attributes
    ----------
    names : list of str
        Names of the columns, without the spaces around them if `spaced`.
    delimiter, encoding : str
        The delimiter and the encoding, given or detected.
    first_byte : int
        Position after the byte order mark.
    blank_lines : int
        Number of blank lines before the header.
    n_characters : int
        Approximate length of the header.
    alone : bool
        Whether the file ends with the header.
    spaced : bool
        Whether spaces around values do not belong to them.
    found : list of str
        Unusual properties that were detected and not given, each as the end of a sentence about the file.
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

    def parsing(self, handler: Callable[[pa.csv.InvalidRow], str] | None = None) -> pa.csv.ParseOptions:
        """Arrow's options to parse lines; `handler` is called for lines with too few or too many values."""
        # A blank line is not a row, except in a file with one column, where it is a missing value.
        ignore_blank = len(self.names) > 1
        return pa.csv.ParseOptions(
            delimiter=self.delimiter,
            newlines_in_values=True,
            invalid_row_handler=handler,
            ignore_empty_lines=ignore_blank,
        )

    def block_size(self, rows: int) -> int:
        """The number of bytes that hold about this many rows, but at least the header."""
        wide = min(_VALUE_BYTES * rows * len(self.names), max(_USUAL_BLOCK, _VALUE_BYTES * rows))
        return min(max(_LEAST_BLOCK, wide, 8 * self.n_characters), _LARGEST_BLOCK)

    def reading(self, rows: int, encoding: str | None = None, use_threads: bool = False) -> pa.csv.ReadOptions:
        """Arrow's options to read the file from its first byte; columns are named by their numbers.

        The true names may be any text, in any encoding.
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
        """The names of the columns for Arrow, which cannot clash or be invalid."""
        return [str(i) for i in range(len(self.names))]

    @property
    def any_bytes(self) -> str:
        """An encoding in which no line stops the reader: bytes that are not UTF-8 are then found value by value."""
        return "latin-1" if is_utf8(self.encoding) else self.encoding


def read_header(file: pa.NativeFile, dialect: Dialect, wanted: Collection[str]) -> Header:
    """Read the header of a file; the file is then at the first byte after its byte order mark.

    Parameters
    ----------
    file : pyarrow.NativeFile
        The file, at its start.
    dialect : Dialect
        What the user says about the format.
    wanted : collection of str
        Columns that are needed; they decide which delimiter is detected.

    Raises
    ------
    HeaderError
        If the file has no header, or one that is not text in its encoding.
    """
    mark, marked = _byte_order_mark(file)
    encoding = dialect.encoding or marked or "utf-8"
    # Python skips the mark itself, except in UTF-8.
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
            found.append(f"with the delimiter {fitting[0]!r}, which gives the needed columns")
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
        raise HeaderError(f"its header has characters of code 0; is it UTF-16? Then add {utf16}.")
    spaced = _is_spaced(names, wanted)
    if spaced:
        names = [_stripped(name) for name in names]
        found.append("without the spaces around its names and values")
    file.seek(first_byte)
    return Header(names, delimiter, encoding, first_byte, blank_lines, n_characters, alone, spaced, found)


def _byte_order_mark(file: pa.NativeFile) -> tuple[bytes, str | None]:
    """The byte order mark and its encoding; nothing if there is none."""
    start = file.read(4)
    return next(((mark, name) for mark, name in _MARKS.items() if start.startswith(mark)), (b"", None))


def is_utf8(encoding: str) -> bool:
    """Whether an encoding is UTF-8, by any of its names."""
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")


def _rewound(file: pa.NativeFile, position: int) -> pa.NativeFile:
    file.seek(position)
    return file


_Row = tuple[list[str], int, int, bool]


def _first_row(file: pa.NativeFile, encoding: str, delimiter: str, strict: bool) -> _Row | None:
    """The first row that is not blank, the number of blank lines before it, its length, and whether nothing follows.

    None for an empty file and, unless `strict`, for a file that cannot be parsed with this delimiter.
    """
    # Rows below may be in another encoding; each of them is checked when it is read.
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
    """Lines, and the number of their characters so far."""

    def __init__(self, lines: Iterator[str]) -> None:
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
    """Whether the spaces around names do not belong to them: no wanted name has them, and names differ without them."""
    spaced = [name for name in names if name != _stripped(name)]
    known = set(wanted)
    return bool(spaced) and not known.intersection(spaced) and len(set(map(_stripped, names))) == len(set(names))


def _stripped(name: str) -> str:
    name = name.strip(" \t")
    # The parser does not treat a quote after a space as a quote.
    return name[1:-1].replace('""', '"') if len(name) > 1 and name[0] == name[-1] == '"' else name
