"""CSV files batch by batch; an invalid line or value is rejected and does not stop the reader."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from tabkd.batch._csv_header import Header
from tabkd.batch._dialect import Dialect
from tabkd.batch._rejects import Reject, shown
from tabkd.batch._text import Part, converted, unspaced

# Arrow numbers rows from 1 and counts the header.
_FIRST_ROW = 2
# The column that is read if all wanted columns come from the names of folders.
_NO_COLUMN = "tabkd: rows"


def type_of(column: Mapping | None) -> pa.DataType:
    """The type that a column is read as: numbers or booleans if the model expects them, else text."""
    if column is None or column["type"] == "STRING":
        return pa.string()
    return pa.bool_() if column["boolean"] else pa.float64()


def read(
    opened: Callable[[], AbstractContextManager],
    source: str,
    header: Header,
    dialect: Dialect,
    types: Mapping[str, pa.DataType],
    rows: int,
) -> Iterator[Part]:
    """Read columns of a CSV in blocks: tables, positions of their rows, and rejects.

    Arrow splits the values; they are converted here, because Arrow would stop at the first invalid one, and could not
    say which line is not text. An empty value is missing, but an empty value in quotes is the text "".

    Parameters
    ----------
    opened : callable
        Opens the file.
    source : str
        The name of the file in rejects.
    header : Header
        The header of the file.
    dialect : Dialect
        The format of its numbers.
    types : mapping of str to pyarrow.DataType
        Columns to read, in this order, with their types.
    rows : int
        Approximate number of rows of a block.
    """
    reader = _Reader(source, header, dialect, types)
    with opened() as file:
        file.seek(header.first_byte)
        yield from reader.parts(file, rows)


class _Reader:
    """The reader of one file."""

    def __init__(self, source: str, header: Header, dialect: Dialect, types: Mapping[str, pa.DataType]) -> None:
        self._source, self._header, self._dialect, self._types = source, header, dialect, types
        places = dict(zip(header.names, header.numbers, strict=True))
        # Arrow gives no rows without columns.
        self._wanted = [places[name] for name in types] or header.numbers[:1]
        self._names = list(types) or [_NO_COLUMN]
        self._is_raw = header.any_bytes != header.encoding
        self._malformed: deque = deque()

    def parts(self, file: pa.NativeFile, rows: int) -> Iterator[Part]:
        """Tables, positions of their rows, and rejects, in blocks of about this many rows."""
        row, malformed = 0, dict[int, Any]()
        n_batches = 0
        for batch in self._batches(file, rows):
            while self._malformed:
                line = self._malformed.popleft()
                malformed[line.number - _FIRST_ROW] = line
            positions, between = _placed(row, len(batch), sorted(malformed))
            rejects = [self._rejected(position, malformed.pop(position)) for position in between]
            row += len(batch) + len(between)
            found = pa.table([self._bytes(column) for column in batch.columns], names=self._names)
            table, positions, wrong = converted(found, self._types, positions, self._source, self._dialect)
            yield table, positions, sorted([*rejects, *wrong], key=lambda reject: reject.row)
            n_batches += 1
        malformed |= {line.number - _FIRST_ROW: line for line in self._malformed}
        if malformed or not n_batches:
            rejects = [self._rejected(position, line) for position, line in sorted(malformed.items())]
            yield pa.schema(list(self._types.items())).empty_table(), np.empty(0, np.int64), rejects

    def _batches(self, file: pa.NativeFile, rows: int) -> Iterator[pa.RecordBatch]:
        if self._header.alone:  # Arrow refuses a header without a line end
            return
        # In one thread: only then does Arrow know the numbers of malformed lines.
        options = self._header.reading(rows, self._header.any_bytes)
        conversion = pa.csv.ConvertOptions(
            include_columns=self._wanted,
            column_types=dict.fromkeys(self._wanted, pa.string()),
            check_utf8=False,  # decoding makes it valid
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        yield from pa.csv.open_csv(file, options, self._header.parsing(self._skipped), conversion)

    def _skipped(self, line: pa.csv.InvalidRow) -> str:
        self._malformed.append(line)
        return "skip"

    def _bytes(self, column: pa.Array) -> pa.Array:
        """The values as they are in the file, but without surrounding spaces if `spaced`: bytes, or valid text."""
        if self._header.spaced:
            column = unspaced(column)
        if not self._is_raw or _is_ascii(column):
            return column
        values = column.dictionary_encode()
        meant = pa.array([_meant(value) for value in values.dictionary.to_pylist()], pa.binary())
        return meant.take(values.indices)

    def _rejected(self, row: int, line: pa.csv.InvalidRow) -> Reject:
        reason = f"{line.actual_columns} values where the header has {line.expected_columns}"
        text = _meant(line.text) if self._is_raw else line.text
        return Reject(self._source, row, None, shown(text), reason)


def _is_ascii(text: pa.Array) -> bool:
    characters = text.buffers()[2]
    return characters is None or np.frombuffer(characters, np.uint8).max(initial=0) < 128


def _meant(value: str) -> bytes:
    """The bytes of a value in the file."""
    return value.encode("latin-1")


def _placed(first: int, n: int, malformed: list[int]) -> tuple[np.ndarray, list[int]]:
    """The positions of `n` valid rows from `first` on, and those of the malformed rows before the last of them."""
    good_before = np.array(malformed, np.int64) - first - np.arange(len(malformed))
    k = np.arange(n)
    return first + k + np.searchsorted(good_before, k, side="right"), malformed[: np.searchsorted(good_before, n)]
