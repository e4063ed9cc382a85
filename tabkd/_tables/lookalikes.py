"""Text that looks like something else: numbers, numbers in other notations, dates, times of day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

#: Text that means a missing value in a column of numbers, as when Arrow reads a CSV.
GAPS = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"),
    )
)

Kind = Literal["numbers", "spelt numbers", "dates", "times"]

# The share of cells that decides what a column looks like, and the largest number of levels of intended categories.
_NEARLY_ALL, _FEW_LEVELS = 0.9, 20
# Whole numbers with few levels for their number of cells are codes, such as those of branches, even without leading
# zeros.
_CODES_SHARE = 0.2
# Number of levels that are sampled to decide whether to look at all levels.
_SAMPLE = 1000

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
# A month without a day must be spelt out or abbreviated to three letters: "market 12" does not count.
_MONTH_OF_YEAR = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = (
    r"(?:\d{4}([-/.])\d{1,2}\1\d{1,2}"  # 2026-10-24
    r"|\d{1,2}([-/.])\d{1,2}\2(?:\d{4}|\d{2})"  # 24/10/2026, or 10/24/26
    rf"|\d{{1,2}}[ -]{_MONTH}[ -]\d{{2,4}}|{_MONTH} \d{{1,2}},? \d{{4}}"  # 24 Oct 2026
    rf"|{_MONTH_OF_YEAR}[ -](?:\d{{4}}|\d{{2}})|(?:19|20)\d{{2}}[-/](?:0?[1-9]|1[0-2]))"  # Oct-2026, or 2026-10
    r"(?:[T ]\s*\d{1,2}:\d{2}.*)?"
)
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[ap]\.?m\.?)?"
_UNIT = r"(?:[€$£¥₹%]|eur|usd|gbp|chf|jpy|cny|inr|sek|nok|dkk|pln|czk|aud|cad|kr\.?)"
_DIGITS = r"(?:\d{1,3}(?:[.,'’\s\u00a0\u202f]\d{3})+|\d+)(?:[.,]\d+)?(?:e[+-]?\d+)?"
_SPELT = rf"\(?[+\-−]?\s*(?:{_UNIT}\s*)?[+\-−]?{_DIGITS}\s*{_UNIT}?\)?-?"
_PATTERNS: dict[Kind, re.Pattern] = {
    "dates": re.compile(_DATE, re.IGNORECASE),
    "times": re.compile(_TIME, re.IGNORECASE),
    "spelt numbers": re.compile(_SPELT, re.IGNORECASE),
}


@dataclass(frozen=True)
class Look:
    """What the levels of a column of text look like.

    Attributes
    ----------
    kind : {"numbers", "spelt numbers", "dates", "times"}
        What the levels look like.
    like, other : bool arrays of shape (number of levels,)
        The levels that look like this, and those that do not; spellings of missing numbers are in neither.
    telling : bool array
        The levels that explain the problem: for numbers those that are not, or else spellings of missing numbers, or
        else all numbers; for other kinds those that look like it and are not plain numbers.
    n_like, n_other, n_gaps : int
        The numbers of cells with such levels, and with spellings of missing numbers.
    misleads : bool
        Whether there are too many levels for an intended category.
    """

    kind: Kind
    like: np.ndarray
    other: np.ndarray
    telling: np.ndarray
    n_like: int
    n_other: int
    n_gaps: int
    misleads: bool

    @property
    def n_cells(self) -> int:
        """The number of cells with text."""
        return self.n_like + self.n_other + self.n_gaps


def look(levels: Sequence[str], counts: np.ndarray, decimal: str = ".", thousands: str | None = None) -> Look | None:
    """What nearly all cells of a text column look like; None for ordinary text.

    Parameters
    ----------
    levels : sequence of str
        The distinct values of the column.
    counts : int array of the same length
        The number of cells with each value.
    decimal : str, default="."
        The decimal mark of numbers.
    thousands : str, optional
        The character between groups of digits.

    Examples
    --------
    >>> found = look([f"{i}.5" for i in range(99)] + ["#REF!"], np.ones(100))
    >>> found.kind, found.n_like, found.n_other, found.misleads
    ('numbers', 99, 1, True)
    >>> look(["1", "2", "3+"], np.array([5, 4, 1])).misleads
    False
    >>> look(["red", "blue"], np.array([5, 4])) is None
    True
    """
    text = pd.Series(list(levels), dtype=object).str.strip()
    if len(text) > 2 * _SAMPLE:
        step = len(text) // _SAMPLE
        if not any(like[::step].mean() > _NEARLY_ALL / 2 for like in _likes(text[::step], decimal, thousands).values()):
            return None
    gaps = text.isin(GAPS).to_numpy()
    total = counts[~gaps].sum()
    likes = _likes(text, decimal, thousands)
    for kind, like in likes.items():
        like = like & ~gaps
        if total and counts[like].sum() >= _NEARLY_ALL * total:
            other = ~like & ~gaps
            misleads = int(like.sum()) > _FEW_LEVELS and (kind != "numbers" or not _are_codes(text[like], other, total))
            if kind == "numbers":
                telling = next(levels for levels in (other, gaps, like) if levels.any())
            else:
                telling = like & ~likes["numbers"]
            n_like, n_other, n_gaps = (int(counts[levels].sum()) for levels in (like, other, gaps))
            return Look(kind, like, other, telling, n_like, n_other, n_gaps, misleads)
    return None


def _likes(text: pd.Series, decimal: str, thousands: str | None) -> dict[Kind, np.ndarray]:
    """For each kind, a mask of the levels that look like it."""
    likes: dict[Kind, np.ndarray] = {"numbers": parsed(text, decimal, thousands).notna().to_numpy()}
    for kind, pattern in _PATTERNS.items():
        likes[kind] = np.array([pattern.fullmatch(value) is not None for value in text], dtype=bool)
    # A column of amounts may contain plain numbers among those with a currency sign or a comma.
    likes["spelt numbers"] |= likes["numbers"]
    return likes


def parsed(text: pd.Series, decimal: str = ".", thousands: str | None = None) -> pd.Series:
    """Text as float64, NaN where it is not a number."""
    text = text.astype(object).str.strip()
    if thousands is not None:
        group, point = re.escape(thousands), re.escape(decimal)
        grouped = text.str.fullmatch(rf"[+-]?\d{{1,3}}(?:{group}\d{{3}})+(?:{point}\d*)?", na=False)
        text = text.mask(grouped, text.str.replace(thousands, "", regex=False))
    if decimal != ".":
        text = text.str.replace(".", "\0", regex=False).str.replace(decimal, ".", regex=False)
    return pd.to_numeric(text, errors="coerce").astype(np.float64)


def _are_codes(numbers: pd.Series, other: np.ndarray, n_cells: int) -> bool:
    """Whether the values are whole numbers that name something: with leading zeros, or repeated often."""
    if numbers.str.fullmatch(r"0\d+").any():
        return True
    return not other.any() and bool(numbers.str.fullmatch(r"\d+").all()) and len(numbers) <= _CODES_SHARE * n_cells
