"""How the user wants columns of a table to be read: some left out, some as numbers, some as categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tabkd._cli.errors import CommandError
from tabkd._cli.notices import first_of, how_to_spell, is_text, refuse_dates, uncategorised
from tabkd._tables.lookalikes import GAPS, parsed
from tabkd.batch._dialect import Dialect


@dataclass(frozen=True)
class Choices:
    """What `--drop`, `--numeric` and `--categorical` name.

    Attributes
    ----------
    drop, numeric, categorical : sequence of str
    dialect : Dialect
        How a CSV is written, and how numbers are spelt in text of any file.

    Raises
    ------
    CommandError
        A column is to be both a number and a category.
    """

    drop: Sequence[str] = ()
    numeric: Sequence[str] = ()
    categorical: Sequence[str] = ()
    dialect: Dialect = field(default_factory=Dialect)

    def __post_init__(self) -> None:
        if both := sorted(set(self.numeric) & set(self.categorical)):
            raise CommandError(f"--numeric and --categorical both name {both[0]!r}; give one of them.")

    def options(self) -> dict[str, Sequence[str]]:
        """The columns that each option names."""
        return {"--drop": self.drop, "--numeric": self.numeric, "--categorical": self.categorical}

    def applied(self, frame: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
        """The frame with these choices, without rows whose value is not a number, and a line for each such column."""
        notes, keep, changed = [], np.ones(len(frame), dtype=bool), {}
        for name in self.numeric:
            changed[name], other = as_numbers(frame[name], self.dialect)
            if other.any():
                row, value = first_of(frame[name], frame.loc[other, name])
                notes.append(
                    f"{name!r}: {int(other.sum()):,} of the {len(frame):,} rows of {path} are left out, because their "
                    f"value is not a number; the first is row {row:,} with {value!r:.60}."
                )
                keep &= ~other
        changed |= {name: as_categories(frame[name]) for name in self.categorical}
        frame = frame.assign(**changed) if changed else frame
        return frame if keep.all() else frame[keep], notes


def as_numbers(series: pd.Series, dialect: Dialect) -> tuple[pd.Series, np.ndarray]:
    """A column of text as float64, NaN where a value is missing, and which cells hold something else.

    Raises
    ------
    CommandError
        For other types than text and numbers, and if most cells are not numbers.
    """
    series = uncategorised(series)
    if not is_text(series):
        refuse_dates(series.to_frame(), "--numeric cannot read it")
        if not pd.api.types.is_numeric_dtype(series.dtype):
            raise CommandError(
                f"--numeric {series.name!r} is of type {series.dtype}, for example {series.iloc[0]!r:.60}, not text."
            )
        return series, np.zeros(len(series), dtype=bool)
    gap = (series.isna() | series.str.strip().isin(GAPS)).to_numpy(bool)
    values = parsed(series.mask(gap), dialect.decimal, dialect.thousands)
    other = values.isna().to_numpy() & ~gap
    if 2 * other.sum() > (~gap).sum():
        row, value = first_of(series, series[other])
        raise CommandError(
            f"--numeric {series.name!r}: {int(other.sum()):,} of its {int((~gap).sum()):,} values are not numbers (row "
            f"{row:,} has {value!r:.60}); {how_to_spell(series.name, value, dialect)}."
        )
    return values, other


def as_categories(series: pd.Series) -> pd.Series:
    """A column as a category; numbers keep their values, whole ones without a fraction.

    Raises
    ------
    CommandError
        For dates and the like.
    """
    refuse_dates(series.to_frame(), "--categorical takes text and numbers")
    types = pd.api.types
    if types.is_bool_dtype(series.dtype):
        return series
    if types.is_float_dtype(series.dtype) and bool((series.dropna() % 1 == 0).all()):
        series = series.astype("Int64")
    return series.astype("category")
