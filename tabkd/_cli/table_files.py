"""Tables to learn from: Parquet and CSV files as frames."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from tabkd._cli.errors import CommandError
from tabkd._options import option
from tabkd.batch._csv_header import Header, HeaderError, read_header
from tabkd.batch._dialect import PLAIN, Dialect, name_encoding
from tabkd.batch._paths import delta_error, delta_table_of
from tabkd.batch._rejects import failures, shown
from tabkd.batch._sources import check_names
from tabkd.batch._text import convert, unspaced
from tabkd.scoring._arrow_columns import decoded, is_text, plain

SUFFIXES = (".parquet", ".csv")

# Rows that are parsed together.
_ROWS = 65_536
# Bytes of a file that are looked at to see how it is written.
_BYTES_TO_SEE = 1 << 16

#: The name of a frame's index in a Parquet file from pandas.
_STORED_INDEX = re.compile(r"__index_level_\d+__")


def check_suffix(path: Path) -> str:
    """The suffix of a table's path, one of `SUFFIXES`; a Delta table and its files are refused."""
    if (table := delta_table_of(path)) is not None:
        raise CommandError(str(delta_error(table)))
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise CommandError(f"{str(path)!r} has the suffix {suffix!r}; tables are {' or '.join(SUFFIXES)} files.")
    return suffix


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[str]:
    """The suffix of `path`; errors of reading it name it."""
    suffix = check_suffix(path)
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise CommandError(f"the table {str(path)!r} {what}; check the path.")
    try:
        yield suffix
    except UnicodeError as error:
        raise CommandError(f"cannot read {str(path)!r} as CSV: {_first_sentence(error)}. {name_encoding()}") from error
    except (pa.ArrowException, OSError, HeaderError) as error:
        kind = "Parquet" if suffix == ".parquet" else "CSV"
        raise CommandError(f"cannot read {str(path)!r} as {kind}: {_first_sentence(error)}") from error


def read_table(path: Path, dialect: Dialect = PLAIN, wanted: Sequence[str] = ()) -> pd.DataFrame:
    """The whole table as a frame, whose index is the row in the file, from 0.

    Parameters
    ----------
    path : Path
    dialect : Dialect
        How a CSV is written.
    wanted : sequence of str
        Columns that are needed but are not features; they help to detect the delimiter of a CSV.

    Raises
    ------
    CommandError
        The file is missing, of an unknown kind, corrupt, without rows, or has a column name twice.
    """
    with _reading(path) as suffix:
        table = pa.parquet.read_table(path) if suffix == ".parquet" else _read_csv(path, dialect, wanted)
        check_names(f"the table {str(path)!r}", table.schema.names)
        frame = to_frame(table)
    if frame.empty:
        rows, columns = frame.shape
        raise CommandError(f"the table {str(path)!r} is empty: {rows} rows, {columns} columns.")
    return frame


def found_in(path: Path, dialect: Dialect, wanted: Sequence[str]) -> list[str]:
    """What was detected about how a CSV is written, a sentence for each."""
    with _reading(path) as suffix:
        if suffix == ".parquet":
            return []
        with pa.OSFile(str(path)) as file:
            return [f"{str(path)!r} is read {what}." for what in read_header(file, dialect, wanted).found]


def _read_csv(path: Path, dialect: Dialect, wanted: Sequence[str]) -> pa.Table:
    """A CSV with types by all values: if one does not fit the type so far, Arrow reads the column again as another."""
    with pa.OSFile(str(path)) as file:
        header = read_header(file, dialect, wanted)
        check_names(f"the table {str(path)!r}", header.names)
        if header.alone:
            return pa.table({name: pa.nulls(0) for name in header.names})
        gaps = pa.csv.ConvertOptions().null_values + ([" ", "  "] if header.spaced else [])
        conversion = pa.csv.ConvertOptions(decimal_point=dialect.decimal, null_values=gaps)
        try:
            table = pa.csv.read_csv(file, header.reading(_ROWS, use_threads=True), header.parsing(), conversion)
        except pa.ArrowInvalid:
            _check_lines(path, header)
            raise
    columns = [_as_text(path, name, column) for name, column in zip(header.names, table.columns, strict=True)]
    if any(is_text(c.type) and pc.any(pc.equal(c, "")).as_py() for c in columns):
        columns = _with_gaps(path, header, columns)
    if header.spaced:
        columns = [unspaced(column) if is_text(column.type) else column for column in columns]
    if dialect.thousands is not None:
        columns = [_as_numbers(column, dialect) if is_text(column.type) else column for column in columns]
    columns = _with_zeros(path, header, columns, wanted)
    return pa.Table.from_arrays(columns, names=header.names)


def _check_lines(path: Path, header: Header) -> None:
    """Refuse the first line with too few or too many values; only one thread knows its number."""

    def refuse(line: Any) -> str:
        malformed.append(line)
        return "error"

    malformed: list[Any] = []
    with pa.OSFile(str(path)) as file, contextlib.suppress(pa.ArrowInvalid):
        file.seek(header.first_byte)
        columns = dict.fromkeys(header.numbers, pa.binary())
        conversion = pa.csv.ConvertOptions(column_types=columns)
        pa.csv.read_csv(file, header.reading(_ROWS, header.any_bytes), header.parsing(refuse), conversion)
    if malformed:
        line = malformed[0]
        raise CommandError(
            f"cannot read {str(path)!r} as CSV: row {line.number - 2:,}, {shown(line.text)!r}, has "
            f"{line.actual_columns} values where the header has {line.expected_columns}. Correct the line, or delete "
            "it."
        )


def _as_text(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column, unless it is text in another encoding, which Arrow gives as bytes."""
    if not pa.types.is_binary(column.type):
        return column
    row, _ = next(failures(lambda part: part.cast(pa.string()), column))
    raise CommandError(
        f"column {name!r} of {str(path)!r} is not text in UTF-8: row {row:,} has {shown(column[row].as_py())!r}. Name "
        f"its encoding, for example {option('encoding', 'latin-1')}."
    )


def _with_gaps(path: Path, header: Header, columns: list) -> list:
    """Columns with empty text as missing values, except for a quoted "".

    A quoted "" is missing too if the file writes missing values that way: if a number is missing so, or if every value
    is in quotes.
    """
    found = _as_written(path, header, [i for i, c in enumerate(columns) if c.null_count or is_text(c.type)])
    quoted = {i for i, column in found.items() if pc.any(pc.equal(column, "")).as_py()}
    means_missing = any(not is_text(columns[i].type) for i in quoted) or (
        not any(column.null_count for column in found.values()) and _quotes_all(path, header)
    )
    for i, column in found.items():
        if is_text(columns[i].type):
            missing = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
            columns[i] = missing if means_missing else column
    return columns


def _with_zeros(path: Path, header: Header, columns: list, numbers: Sequence[str]) -> list:
    """Columns, with whole numbers as text if some have leading zeros, like codes, or are not decimal.

    As numbers, 01234 and 1234 would be the same; and 0x1f is a number here, but not when it is scored. For `numbers`,
    which are not features, only the value counts.
    """
    whole = [i for i, c in enumerate(columns) if pa.types.is_integer(c.type) and header.names[i] not in numbers]
    for i, text in _as_written(path, header, whole).items():
        text = unspaced(text) if header.spaced else text
        if pc.any(pc.match_substring_regex(text, "^[+-]?0[0-9xX]")).as_py():
            columns[i] = pc.if_else(pc.is_null(columns[i]), pa.scalar(None, pa.string()), text)
    return columns


def _as_written(path: Path, header: Header, places: list[int]) -> dict[int, pa.ChunkedArray]:
    """The text of some columns, by position: an empty value is missing, but a quoted one is the text ""."""
    if not places:
        return {}
    numbers = [header.numbers[i] for i in places]
    conversion = pa.csv.ConvertOptions(
        include_columns=numbers,
        column_types=dict.fromkeys(numbers, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    with pa.OSFile(str(path)) as file:
        file.seek(header.first_byte)
        raw = pa.csv.read_csv(file, header.reading(_ROWS, use_threads=True), header.parsing(), conversion)
    return dict(zip(places, raw.columns, strict=True))


def _quotes_all(path: Path, header: Header) -> bool:
    """Whether the first lines of a CSV have every value in quotes, numbers among them."""
    with path.open(encoding=header.encoding, errors="replace", newline="") as file:
        lines = "".join(file.readlines(_BYTES_TO_SEE)).removeprefix("\ufeff")
    value = r'"(?:[^"]|"")*"'
    delimiter = re.escape(header.delimiter)
    return re.match(rf"(?:{value}(?:{delimiter}{value})*(?:\r\n|\n|\r|$))+\Z", lines) is not None


def _as_numbers(column: pa.ChunkedArray, dialect: Dialect) -> pa.ChunkedArray:
    """Text as numbers if each of its values is one with groups of digits; otherwise unchanged."""
    try:
        return convert(column, pa.float64(), dialect)
    except pa.ArrowInvalid:
        return column


def to_frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as pandas: numbers with gaps as floats, days as times, a stored index left out."""
    names = [name for name in table.schema.names if not _STORED_INDEX.fullmatch(name)]
    columns = [_for_pandas(table.column(name)) for name in names]
    frame = pa.Table.from_arrays(columns, names=names).to_pandas(ignore_metadata=True, date_as_object=False)
    if not columns:
        return frame
    gaps = {
        name: pd.array(column.to_numpy(zero_copy_only=False), "boolean")
        for name, column in zip(names, columns, strict=True)
        if pa.types.is_boolean(column.type) and column.null_count
    }
    return frame.assign(**gaps)


def _for_pandas(column: pa.ChunkedArray) -> pa.ChunkedArray:
    column = plain(column)
    if pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    # In pandas a category cannot be missing.
    if pa.types.is_dictionary(column.type) and any(chunk.dictionary.null_count for chunk in column.chunks):
        return decoded(column)
    return column


def _first_sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
