"""Rows that cannot be scored: how they are described and found, and how many a job accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tabkd._options import option
from tabkd.scoring._arrow_columns import decoded

#: The columns of a file of rejects.
SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int64()),
        ("column", pa.string()),
        ("value", pa.string()),
        ("reason", pa.string()),
    ]
)
_LONGEST = 200


class Reject(NamedTuple):
    """A row that cannot be scored.

    Attributes
    ----------
    source : str
        The name of its file or query.
    row : int
        Its position there, from 0; -1 if that is not known.
    column : str or None
        The first column with an invalid value; None if the row as a whole is invalid.
    value : str
        The invalid value, as text.
    reason : str
        Why it is invalid.
    """

    source: str
    row: int
    column: str | None
    value: str
    reason: str

    def __str__(self) -> str:
        what = f"column {self.column!r} is {self.value!r}" if self.column is not None else repr(self.value)
        row = f", row {self.row:,}" if self.row >= 0 else ""
        return f"{self.source}{row}: {what}: {self.reason}"


class TooManyRejectsError(ValueError):
    """More rows cannot be scored than the job accepts.

    Parameters
    ----------
    message : str
        The error message.
    reject : Reject, optional
        One of these rows.
    """

    def __init__(self, message: str, reject: Reject | None = None):
        super().__init__(message)
        self.reject = reject


def check_number(n_before: int, rejects: Sequence[Reject], most: int) -> None:
    """Refuse more than `most` rejects, the earlier ones and these together.

    Raises
    ------
    TooManyRejectsError
        If there are more.
    """
    if n_before + len(rejects) > most:
        first = f"{rejects[0]}. " if rejects else ""
        raise TooManyRejectsError(
            f"{first}At least {n_before + len(rejects):,} rows cannot be scored, and {option('max_rejects')} is "
            f"{most:,}: nothing was written. Correct the input, or name a file for such rows with {option('rejects')} "
            f"and raise {option('max_rejects')}.",
            rejects[0] if rejects else None,
        )


def table(rejects: Sequence[Reject]) -> pa.Table:
    """The rejects as a table of `SCHEMA`."""
    listed = ((source, None if row < 0 else row, *what) for source, row, *what in rejects)
    columns = zip(*listed, strict=True) if rejects else [[]] * len(SCHEMA)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], SCHEMA)


def shown(value: object) -> str:
    """A value as text, cut off if it is long."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def failures(check: Callable, values: pa.Array | pa.ChunkedArray) -> Iterator[tuple[int, Exception]]:
    """The positions of the values that `check` refuses, each with the error that it raises.

    A slice that fails is halved until a single value is left, so that few checks find few invalid values among many.

    Parameters
    ----------
    check : callable
        Takes a slice of the values and raises an error if one of them is invalid.
    values : pyarrow.Array or ChunkedArray
        The values.
    """
    open_ranges = [(0, len(values))]
    while open_ranges:
        start, stop = open_ranges.pop()
        try:
            check(values.slice(start, stop - start))
        except Exception as error:  # a check may raise any error for a type that it does not know
            if stop - start == 1:
                yield start, error
            elif stop > start:
                middle = (start + stop) // 2
                open_ranges += [(middle, stop), (start, middle)]


def failures_by_value(
    check: Callable, values: pa.Array | pa.ChunkedArray, most: int | None = None
) -> Iterator[tuple[int, Exception]]:
    """The result of `failures`, but only distinct values are checked: a repeated invalid value is searched for once.

    Parameters
    ----------
    check : callable
        Takes some of the values and raises an error if one of them is invalid, which must not depend on the others.
    values : pyarrow.Array or ChunkedArray
        The values.
    most : int, optional
        Number of failures to find; None for all.
    """
    plain = decoded(values)
    try:
        # Distinct values are in the order of their first occurrence.
        found = pa.chunked_array([*getattr(plain, "chunks", [plain])], plain.type).combine_chunks()
        found = found.dictionary_encode(null_encoding="encode")
    except pa.ArrowNotImplementedError:  # lists, for example
        yield from islice(failures(check, values), most)
        return
    wrong = dict(islice(failures(check, found.dictionary), most))
    codes = found.indices.to_numpy(zero_copy_only=False)
    for i in np.flatnonzero(np.isin(codes, list(wrong)))[:most]:
        yield int(i), wrong[codes[i]]


def failures_of_type(check: Callable, values: pa.Array, most: int | None = None) -> Iterator[tuple[int, Exception]]:
    """The result of `failures` if the type of the values is wrong: the first error counts for all that are not missing.

    Parameters
    ----------
    check, values, most
        As in `failures_by_value`.
    """
    rows = np.flatnonzero(decoded(values).is_valid())
    for _, error in failures(check, values.slice(rows[0], 1) if len(rows) else values):
        yield from ((int(row), error) for row in rows[:most])
