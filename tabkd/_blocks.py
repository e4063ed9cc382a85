"""Rows in blocks that fit into the processor's cache, so that several steps on a large matrix are fast."""

from __future__ import annotations

from collections.abc import Iterator

_VALUES = 65_536


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """The rows of a matrix of this shape, one block after the other.

    Examples
    --------
    >>> list(row_blocks((70_000, 2)))[:2]
    [slice(0, 32768, None), slice(32768, 65536, None)]
    """
    n_rows, n_columns = shape
    size = max(1, _VALUES // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, start + size)
