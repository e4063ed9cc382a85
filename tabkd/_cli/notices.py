"""What `tabkd distill` reports about columns that it reads in an unexpected way, and which of them it refuses.

Most get a line. Refused are columns that nobody wants to learn from unless they say so: dates, and numbers that are
text because of a few cells.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from tabkd._cli.errors import CommandError
from tabkd._tables.lookalikes import GAPS, Look, look, parsed
from tabkd._tables.surprises import NO_NAME
from tabkd.batch._dialect import Dialect

# Fewer rows may have as many values by chance.
_LEAST_ROWS = 20
_BOOLEANS = ({"true", "false"}, {"yes", "no"}, {"y", "n"}, {"t", "f"}, {"1", "0"}, {"on", "off"})
_WHAT = {
    "numbers": "numbers",
    "spelt numbers": "numbers with signs, spaces or groups of digits",
    "dates": "dates",
    "times": "times of day",
}


def unnamed_row_numbers(frame: pd.DataFrame) -> list[str]:
    """The columns without a name that have a different whole number in each row, like a written index."""
    names = [name for name in frame.columns if isinstance(name, str) and NO_NAME.fullmatch(name)]
    return [name for name in names if len(frame) > 1 and _tells_rows_apart(frame[name])]


def notices(frame: pd.DataFrame, categorical: Collection[str], dialect: Dialect) -> list[str]:
    """A line for each column that is not read as one may expect.

    Parameters
    ----------
    frame : DataFrame
        The features; its index is the row in the file.
    categorical : collection of str
        Columns that the user wants as categories, even if they look like something else.
    dialect : Dialect

    Raises
    ------
    CommandError
        For dates, infinite numbers, and text that is nearly only numbers, dates or times, with the column, a row, its
        value and what can be done.
    """
    refuse_dates(frame)
    _refuse_infinite(frame)
    lines = {name: _notice(frame[name], name in categorical, dialect) for name in frame.columns}
    return [f"{name!r}: {line}" for name, line in lines.items() if line]


def check_text(series: pd.Series, levels: pd.Series, dialect: Dialect, otherwise: str) -> Look | None:
    """What a column of text looks like, if that does not mislead.

    Parameters
    ----------
    series : Series of strings
    levels : Series
        How many cells have each of its values.
    dialect : Dialect
    otherwise : str
        What else can be done about it.

    Raises
    ------
    CommandError
        If it does: nearly all cells are numbers, dates or times, with too many levels for a category.
    """
    found = look(levels.index.tolist(), levels.to_numpy(), dialect.decimal, dialect.thousands)
    if found is None or not found.misleads:
        return found
    if found.kind == "numbers":
        what = f"{found.n_like:,} of its {found.n_cells:,} values are numbers"
    else:
        what = f"its values look like {_WHAT[found.kind]}"
    row, value = first_of(series, levels.index[found.telling])
    others = ", and leaves out rows with anything else" if found.n_other else ""
    gaps = f", and {value!r:.60} as a missing value" if found.n_gaps and not found.n_other else ""
    remedy = {
        "numbers": f"--numeric {series.name!r} reads it as numbers{others}{gaps}",
        "spelt numbers": how_to_spell(series.name, value, dialect),
        "dates": f"--time-column {series.name!r} measures on the latest rows by dates such as 2026-10-24",
        "times": "store the hour as a number",
    }[found.kind]
    raise CommandError(
        f"column {series.name!r} would be a category of {len(levels):,} levels, but {what} (row {row:,} has "
        f"{value!r:.60}). What can be done: {remedy}; {otherwise}; --drop {series.name!r} leaves it out."
    )


def refuse_dates(frame: pd.DataFrame, why: str = "a date is not a feature by itself") -> None:
    """Refuse columns of dates, times and durations, all of them at once.

    Raises
    ------
    CommandError
    """
    found = {name: what for name in frame.columns if (what := _date_like(frame[name]))}
    if not found:
        return
    name, what = next(iter(found.items()))
    first = frame[name].dropna()
    others = f" (likewise {', '.join(repr(other) for other in list(found)[1:6])})" if len(found) > 1 else ""
    drop = " ".join(f"--drop {name!r}" for name in found) + f" leaves {'it' if len(found) == 1 else 'them'} out"
    # Only a date has a place in time.
    date = next((name for name, what in found.items() if what == "dates"), None)
    order = "" if date is None else f" --time-column {date!r} measures on the latest rows by it;"
    raise CommandError(
        f"column {name!r}{others} holds {what}, for example {first.iloc[0]} in row {first.index[0]:,}, and {why}. What "
        f"can be done: {drop};{order} or store what matters about it as a number, such as the hour, the day of the "
        "week or the days since an event."
    )


def _refuse_infinite(frame: pd.DataFrame) -> None:
    for name, series in frame.items():
        if not pd.api.types.is_float_dtype(series.dtype):
            continue
        infinite = np.isinf(series.to_numpy(np.float64, na_value=np.nan))
        if infinite.any():
            position = int(np.argmax(infinite))
            raise CommandError(
                f"column {name!r} is {series.iloc[position]} in row {series.index[position]:,}, infinite or too large "
                "for a number of 64 bits. Replace it by a finite number, or leave it empty where the value is missing."
            )


def how_to_spell(series_name: Any, value: str, dialect: Dialect) -> str:
    """What can be done about a number that is not spelt like 1234.5."""
    hint = dialect.hint(value)
    reads = f", or read it with {hint} --numeric {series_name!r}" if hint else ""
    return f"store numbers such as 1234.5, without signs and units{reads}"


def first_of(series: pd.Series, values: Any) -> tuple[Any, Any]:
    """The first row that has one of the values, and the value."""
    position = int(np.argmax(series.isin(values).to_numpy()))
    return series.index[position], series.iloc[position]


def uncategorised(series: pd.Series) -> pd.Series:
    """A column with the values of its categories; any other as it is."""
    return series.astype(object) if isinstance(series.dtype, pd.CategoricalDtype) else series


def _as_text(name: Any) -> str:
    return f"--categorical {name!r} takes it as text"


def is_text(series: pd.Series) -> bool:
    """Whether a column holds strings, and is not already a category."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return False
    return series.dtype in (object, "str", "string") and pd.api.types.infer_dtype(series, skipna=True) == "string"


def _notice(series: pd.Series, categorical: bool, dialect: Dialect) -> str | None:
    if not series.notna().any():
        return "no value in any row; a model learns nothing from it."
    if isinstance(series.dtype, pd.CategoricalDtype):
        # Any text may have been made a category; one that does not look like numbers is meant as one.
        text = uncategorised(series)
        if is_text(text) and not categorical:
            check_text(text, text.value_counts(sort=False), dialect, _as_text(series.name))
        return _same_everywhere(text)
    if is_text(series):
        levels = series.value_counts(sort=False)
        return _same_everywhere(series) or (None if categorical else _of_text(series, levels, dialect))
    if pd.api.types.is_numeric_dtype(series.dtype):
        return _same_everywhere(series) or (None if categorical else _of_numbers(series))
    return None


def _same_everywhere(series: pd.Series) -> str | None:
    first = series.iloc[0]
    if len(series) > 1 and series.notna().all() and bool((series == first).all()):
        value = first.item() if isinstance(first, np.generic) else first
        return f"{value!r:.60} in every row; a model learns nothing from it."
    return None


def _of_numbers(series: pd.Series) -> str | None:
    if len(series) < _LEAST_ROWS or not _tells_rows_apart(series):
        return None
    low, high = int(series.min()), int(series.max())
    if high - low + 1 == len(series):
        return f"every whole number from {low:,} to {high:,}, like row numbers; --drop {series.name!r} leaves it out."
    return f"as many values as rows, like an id; --drop {series.name!r} leaves it out."


def _of_text(series: pd.Series, levels: pd.Series, dialect: Dialect) -> str | None:
    found = check_text(series, levels, dialect, _as_text(series.name))
    texts = pd.Series(levels.index, dtype=object).str.strip()
    if len(levels) == len(series) >= _LEAST_ROWS:
        return f"text with as many values as rows, like an id; --drop {series.name!r} leaves it out."
    if any(set(texts.str.lower()) <= words for words in _BOOLEANS):
        return f"text, {' and '.join(map(repr, levels.index))}; a category of these, not true and false."
    if found is not None and found.kind != "numbers":
        return f"text that looks like {_WHAT[found.kind]}; a category of {len(levels):,} levels."
    gap = texts.isin(GAPS).to_numpy()
    number = parsed(texts, dialect.decimal, dialect.thousands).notna().to_numpy() & ~gap
    if 2 * number.sum() >= len(levels) or 2 * levels[number].sum() >= len(series):
        other = levels.index[~number & ~gap]
        example = f", not {other[0]!r:.60}" if len(other) else ""
        without = f" without the {int(levels[~number & ~gap].sum()):,} rows of other levels" if len(other) else ""
        return (
            f"text, a category, though {int(number.sum()):,} of its {len(levels):,} levels are numbers{example}; "
            f"--numeric {series.name!r} reads it as numbers{without}."
        )
    gaps = levels[gap]
    if len(gaps):
        what = f"the text {gaps.index[0]!r}" if gaps.index[0].strip() else "empty text"
        return f"{what} in {int(gaps.iloc[0]):,} rows is a separate category, not a missing value."
    return None


def _tells_rows_apart(series: pd.Series) -> bool:
    """Whether each row has a different whole number."""
    types = pd.api.types
    if types.is_bool_dtype(series.dtype) or not types.is_numeric_dtype(series.dtype) or series.isna().any():
        return False
    return bool(types.is_integer_dtype(series.dtype) or (series % 1 == 0).all()) and series.is_unique


def _date_like(series: pd.Series) -> str | None:
    types = pd.api.types
    if types.is_datetime64_any_dtype(series.dtype) or isinstance(series.dtype, pd.PeriodDtype):
        return "dates"
    if types.is_timedelta64_dtype(series.dtype):
        return "durations"
    first = next(iter(series.dropna()), None) if series.dtype == object else None
    if isinstance(first, datetime.time):
        return "times of day"
    if isinstance(first, datetime.timedelta):
        return "durations"
    return "dates" if isinstance(first, (datetime.date, pd.Period)) else None
