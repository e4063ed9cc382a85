"""Dates and times of databases that Arrow cannot store or write: infinite ones, and those of distant years."""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabkd.batch._rejects import Reject
from tabkd.batch._sources import Batch

# Arrow writes no later year. A later year of a database, or infinity, may also arrive as another year: the driver of
# PostgreSQL adds the years from 1970 to 2000 to its numbers, which can then overflow.
_YEARS = 32_767
_DAYS = int((_YEARS - 1970) * 365.2425)
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_EPOCH = {32: 10_957, 64: 946_684_800_000_000}


def without_moments_beyond(batch: Batch) -> Batch:
    """Reject the rows of a batch with a date or time that Arrow cannot store.

    Parameters
    ----------
    batch : Batch
        Rows of a query.
    """
    good, rejects = np.ones(batch.table.num_rows, bool), list(batch.rejects)
    for name, values in zip(batch.table.column_names, batch.table.columns, strict=True):
        for row in _beyond(values):
            if good[row]:
                reason = f"no file can hold it; select it as text, or leave it out: {name}::text AS {name}"
                value = _called(values[int(row)])
                rejects.append(Reject(batch.source, int(batch.positions[row]), name, value, reason))
            good[row] = False
    if good.all():
        return batch
    rejects.sort(key=lambda reject: reject.row)
    return Batch(batch.table.filter(pa.array(good)), batch.source, batch.positions[good], rejects)


def _beyond(values: pa.ChunkedArray) -> np.ndarray:
    """The positions of the dates and times outside Arrow's range."""
    kind = values.type
    if pa.types.is_timestamp(kind):
        least, most = -_DAYS * _PER_DAY[kind.unit], _DAYS * _PER_DAY[kind.unit]
    elif pa.types.is_date32(kind):
        least, most = -_DAYS, _DAYS
    elif pa.types.is_time(kind):
        least, most = 0, _PER_DAY[kind.unit] - 1
    else:
        return np.empty(0, np.int64)
    limits = np.iinfo(np.int64 if kind.bit_width == 64 else np.int32)
    numbers = values.cast(pa.int64() if kind.bit_width == 64 else pa.int32())
    inside = pc.and_(
        pc.greater_equal(numbers, max(least, int(limits.min) + 2)),
        pc.less_equal(numbers, min(most, int(limits.max) - 1)),
    )
    return np.flatnonzero(pc.invert(inside).fill_null(False).to_numpy(zero_copy_only=False))


def _called(value: pa.Scalar) -> str:
    """A description of a date or time outside Arrow's range."""
    if pa.types.is_time(value.type):
        return "24:00:00"
    number = value.cast(pa.int64() if value.type.bit_width == 64 else pa.int32()).as_py()
    return _infinite(value.type.bit_width).get(number, f"beyond the year {_YEARS:,}")


@functools.cache
def _infinite(width: int) -> dict[int, str]:
    """The numbers of this many bits that mean infinity, also as shifted by PostgreSQL's driver."""
    least, most = -(1 << (width - 1)), (1 << (width - 1)) - 1
    return {
        most: "infinity",
        least: "-infinity",
        least + 1: "-infinity",
        least + _EPOCH[width] - 1: "infinity",
        least + _EPOCH[width]: "-infinity",
    }
