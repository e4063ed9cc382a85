"""CSV files batch by batch; a line or value that is wrong is set aside and does not end the reading."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from tabkd.batch.rejects import Reject, shown
from tabkd.batch.text import Part, converted, gaps_in_text

# About how many bytes a value of a CSV has.
_VALUE_BYTES = 10
_LEAST_BLOCK = 1 << 20
# Arrow's numbers of rows count from 1, and the header.
_FIRST_ROW = 2


def types_of(file, known: Mapping[str, Mapping]) -> list[tuple[str, pa.DataType]]:
    """The columns of a CSV and how they are read: as numbers where a model knows them as such, else as text.

    Parameters
    ----------
    file : file of Arrow's
    known : mapping of str to mapping
        What the metadata of the model says of its columns.
    """
    # By the first block.
    schema = pa.csv.open_csv(file, parse_options=_dialect(lambda line: "skip")).schema
    return [(field.name, _type(known.get(field.name), field.type)) for field in schema]


def read(
    opened: Callable[[], AbstractContextManager],
    source: str,
    types: Mapping[str, pa.DataType],
    columns: Sequence[str],
    rows: int,
) -> Iterator[Part]:
    """The named columns of a CSV, in blocks of about so many rows: tables, positions of their rows, and rejects.

    Arrow converts the values while it parses, and gives up at the first that is wrong. From that block on they are
    read as bytes and converted here, which is slower, and finds each that is wrong.

    Parameters
    ----------
    opened : callable
        Opens the file, anew at each call.
    source : str
        What rejects call it.
    types : mapping of str to pyarrow.DataType
        Of all columns of the file.
    columns : sequence of str
    rows : int
    """
    options = pa.csv.ReadOptions(block_size=max(_LEAST_BLOCK, _VALUE_BYTES * rows * len(types)))
    n_columns, types = len(types), {name: types[name] for name in columns}
    n_blocks = n_rows = 0
    with opened() as file:
        try:
            for batch in pa.csv.open_csv(file, options, _dialect(None, n_columns), _conversion(types)):
                yield gaps_in_text(pa.Table.from_batches([batch])), np.arange(n_rows, n_rows + len(batch)), []
                n_blocks, n_rows = n_blocks + 1, n_rows + len(batch)
            if n_blocks == 0:
                yield _no_rows(types), np.empty(0, np.int64), []
            return
        except pa.ArrowInvalid:
            pass
    with opened() as file:
        yield from islice(_carefully(file, source, types, options, n_columns), n_blocks, None)


def _carefully(file, source, types, options, n_columns) -> Iterator[Part]:
    told: deque = deque()  # by a thread of Arrow's, which may be ahead of the batch that a line belongs to

    def set_aside(line) -> str:
        told.append(line)
        return "skip"

    # By one thread: only so does Arrow tell the numbers of malformed lines.
    options = pa.csv.ReadOptions(block_size=options.block_size, use_threads=False)
    conversion = _conversion(dict.fromkeys(types, pa.binary()))
    row, malformed = 0, dict[int, Any]()
    for batch in pa.csv.open_csv(file, options, _dialect(set_aside, n_columns), conversion):
        while told:
            line = told.popleft()
            malformed[line.number - _FIRST_ROW] = line
        positions, between = _placed(row, len(batch), sorted(malformed))
        rejects = [_malformed(source, position, malformed.pop(position)) for position in between]
        row += len(batch) + len(between)
        table, positions, wrong_values = converted(pa.Table.from_batches([batch]), types, positions, source)
        yield gaps_in_text(table), positions, sorted([*rejects, *wrong_values], key=lambda reject: reject.row)
    malformed |= {line.number - _FIRST_ROW: line for line in told}
    if malformed:
        rejects = [_malformed(source, position, line) for position, line in sorted(malformed.items())]
        yield _no_rows(types), np.empty(0, np.int64), rejects


def _placed(first: int, n: int, malformed: list[int]) -> tuple[np.ndarray, list[int]]:
    """The positions of `n` good rows from `first` on, and of the malformed ones before the last of them."""
    good_before = np.array(malformed, np.int64) - first - np.arange(len(malformed))
    k = np.arange(n)
    return first + k + np.searchsorted(good_before, k, side="right"), malformed[: np.searchsorted(good_before, n)]


def _no_rows(types) -> pa.Table:
    return pa.schema(list(types.items())).empty_table()


def _malformed(source: str, row: int, line) -> Reject:
    reason = f"{line.actual_columns} values where the header has {line.expected_columns}"
    return Reject(source, row, None, shown(line.text), reason)


def _dialect(set_aside: Callable | None = None, n_columns: int = 2) -> pa.csv.ParseOptions:
    # A blank line is no row, but a missing value where there is but one column.
    return pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=set_aside, ignore_empty_lines=n_columns > 1)


def _conversion(types: Mapping[str, pa.DataType]) -> pa.csv.ConvertOptions:
    return pa.csv.ConvertOptions(include_columns=list(types), column_types=types)


def _type(column: Mapping | None, inferred: pa.DataType) -> pa.DataType:
    """How a column is read: as numbers where a model knows it as such, else as text."""
    if column is None or column["type"] == "STRING":
        return pa.string()
    truth = column["dtype"].startswith("bool") and not pa.types.is_floating(inferred)
    return pa.bool_() if truth or pa.types.is_boolean(inferred) else pa.float64()
