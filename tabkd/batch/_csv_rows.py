"""CSV files batch by batch; a line or value that is wrong is rejected and does not end the reading."""

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

# Arrow's numbers of rows count from 1, and the header.
_FIRST_ROW = 2
# What stands for the rows where all columns that are wanted are in the names of the folders.
_NO_COLUMN = "tabkd: rows"


def type_of(column: Mapping | None) -> pa.DataType:
    """How a column is read: as numbers if the model knows it as such, else as text."""
    if column is None or column["type"] == "STRING":
        return pa.string()
    return pa.bool_() if column.get("boolean") else pa.float64()


def read(
    opened: Callable[[], AbstractContextManager],
    source: str,
    header: Header,
    dialect: Dialect,
    types: Mapping[str, pa.DataType],
    rows: int,
) -> Iterator[Part]:
    """Columns of a CSV, in blocks of about so many rows: tables, positions of their rows, and rejects.

    Arrow finds the values; they are converted here, since Arrow would end at the first that is wrong, and could not
    say which line is no text. An empty value is missing, but one in quotes is the text "".

    Parameters
    ----------
    opened : callable
        Opens the file.
    source : str
        What rejects call it.
    header : Header
    dialect : Dialect
    types : mapping of str to pyarrow.DataType
        Of the columns to read, in this order.
    rows : int
    """
    reader = _Reader(source, header, dialect, types)
    with opened() as file:
        file.seek(header.first_byte)
        yield from reader.parts(file, rows)


class _Reader:
    """Reading of one file."""

    def __init__(self, source: str, header: Header, dialect: Dialect, types: Mapping[str, pa.DataType]):
        self._source, self._header, self._dialect, self._types = source, header, dialect, types
        places = dict(zip(header.names, header.numbers, strict=True))
        # Without any column there would be no rows.
        self._wanted = [places[name] for name in types] or header.numbers[:1]
        self._names = list(types) or [_NO_COLUMN]
        self._is_raw = header.any_bytes != header.encoding
        self._malformed: deque = deque()

    def parts(self, file, rows: int) -> Iterator[Part]:
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

    def _batches(self, file, rows: int) -> Iterator[pa.RecordBatch]:
        if self._header.alone:  # which Arrow would not read without an end of its line
            return
        # By one thread: only then does Arrow know the numbers of malformed lines.
        options = self._header.reading(rows, self._header.any_bytes)
        conversion = pa.csv.ConvertOptions(
            include_columns=self._wanted,
            column_types=dict.fromkeys(self._wanted, pa.string()),
            check_utf8=False,  # it is, as it comes through an encoding
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        yield from pa.csv.open_csv(file, options, self._header.parsing(self._skipped), conversion)

    def _skipped(self, line) -> str:
        self._malformed.append(line)
        return "skip"

    def _bytes(self, column: pa.Array) -> pa.Array:
        """Values as they are in the file, without the spaces around them: bytes, or valid text."""
        if self._header.spaced:
            column = unspaced(column)
        if not self._is_raw or _is_ascii(column):
            return column
        values = column.dictionary_encode()
        meant = pa.array([_meant(value) for value in values.dictionary.to_pylist()], pa.binary())
        return meant.take(values.indices)

    def _rejected(self, row: int, line) -> Reject:
        reason = f"{line.actual_columns} values where the header has {line.expected_columns}"
        text = _meant(line.text) if self._is_raw else line.text
        return Reject(self._source, row, None, shown(text), reason)


def _is_ascii(text: pa.Array) -> bool:
    characters = text.buffers()[2]
    return characters is None or np.frombuffer(characters, np.uint8).max(initial=0) < 128


def _meant(value: str) -> bytes:
    """The bytes that a value has in the file."""
    return value.encode("latin-1")


def _placed(first: int, n: int, malformed: list[int]) -> tuple[np.ndarray, list[int]]:
    """The positions of `n` good rows from `first` on, and of the malformed ones before the last of them."""
    good_before = np.array(malformed, np.int64) - first - np.arange(len(malformed))
    k = np.arange(n)
    return first + k + np.searchsorted(good_before, k, side="right"), malformed[: np.searchsorted(good_before, n)]
