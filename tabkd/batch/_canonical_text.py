"""Text that stands for one number or date only, so that a table's column of numbers or dates holds it unchanged."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

#: Most digits of a decimal.
LARGEST_DECIMAL = 38


def numbers(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text like -42.5 as decimals, with as many decimal places as the longest of them.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a text is written in another way.
    """
    pattern = r"^-?(?:0|[1-9]\d*)(?:\.\d+)?$"
    check(pc.match_substring_regex(text, pattern), "it is not a number written like 42 or -42.5")
    behind = pc.utf8_length(pc.replace_substring_regex(text, r"^[^.]*\.?", ""))
    return text.cast(pa.decimal128(LARGEST_DECIMAL, pc.max(behind).as_py() or 0))


def whole_numbers(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text like 42 or -42 as whole numbers; a code such as 007 does not become 7.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a text is written in another way.
    """
    check(pc.match_substring_regex(text, r"^(?:0|-?[1-9]\d*)$"), "it is not a whole number written like 42 or -42")
    return text.cast(pa.int64())


def days(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text like 2026-10-24 as dates.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a text is written in another way.
    """
    is_day = pc.and_(pc.match_substring_regex(text, r"^\d{4}-\d{2}-\d{2}$"), pc.invert(pc.starts_with(text, "0000")))
    check(is_day, "it is not a date written like 2026-10-24")
    return text.cast(pa.date32())


def check(good: pa.ChunkedArray, otherwise: str) -> None:
    """Refuse values of which one is not good, where missing ones are.

    Raises
    ------
    pyarrow.ArrowInvalid
        With what is wrong otherwise.
    """
    if not pc.all(good).as_py() and len(good) > good.null_count:
        raise pa.ArrowInvalid(otherwise)
