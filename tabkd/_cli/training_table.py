"""The target, the features and the rows of a table, checked before anything is fitted."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from tabkd._cli.errors import CommandError
from tabkd._cli.notices import check_text, is_text, refuse_dates, uncategorised
from tabkd._near_names import known_names
from tabkd._tables.schema import TableSchema

if TYPE_CHECKING:
    from tabkd._cli.choices import Choices

#: A target of whole numbers with more values than this is a quantity and not a class.
MAX_CLASSES = 50

# The zone at the end of a time in ISO 8601.
_ZONE = re.compile(r":\d{2}.*(?:Z|[+-]\d{2}(?::?\d{2})?)$|[T ]\d{2}(?:Z|[+-]\d{2})", re.IGNORECASE)


def check_present(frame: pd.DataFrame, path: Path, wanted: Mapping[str, Sequence[str | None]]) -> None:
    """Refuse options that name a column which the table does not have."""
    for option, names in wanted.items():
        for name in names:
            if name is not None and name not in frame.columns:
                raise CommandError(
                    f"{option} {name!r} is not a column of {str(path)!r}; {known_names(name, frame.columns)}"
                )


def read_target(target: pd.Series, task: str, choices: Choices) -> tuple[np.ndarray, str, str]:
    """The labels or values of the target, the task, and a sentence that says how it was found.

    Raises
    ------
    CommandError
        Values are missing, infinite, dates, or not numbers for a regression, or nearly only numbers if no task is
        given.
    """
    gaps = int(target.isna().sum())
    if gaps:
        raise CommandError(
            f"--target {target.name!r} is missing in {gaps:,} of {len(target):,} rows; leave these rows out."
        )
    numeric = pd.api.types.is_numeric_dtype(target.dtype) and not pd.api.types.is_bool_dtype(target.dtype)
    if numeric and np.isinf(target.to_numpy(np.float64)).any():
        raise CommandError(f"--target {target.name!r} has infinite values; leave these rows out of the table.")
    refuse_dates(target.to_frame(), "a date cannot be predicted")
    text = uncategorised(target)
    if task != "classification" and is_text(text) and target.name not in choices.categorical:
        otherwise = "--task classification takes each value as a class"
        check_text(text, text.value_counts(sort=False), choices.dialect, otherwise)
    n_values = target.nunique()
    if task == "auto":
        task = _found_task(target, numeric, n_values)
        other = "regression" if task == "classification" else "classification"
        found = f"{target.name!r} has {n_values:,} values of type {target.dtype}"
        note = f"Task: {task}, since {found} (--task {other} otherwise)."
    else:
        note = f"Task: {task}."
    if task == "regression":
        if not numeric:
            raise CommandError(
                f"--target {target.name!r} is of type {target.dtype}, for example {target.iloc[0]!r}; a "
                "regression needs numbers. Use --task classification, or convert the column."
            )
        return target.to_numpy(np.float64), task, note
    return np.asarray(target.astype(object).tolist()), task, note


def _found_task(target: pd.Series, numeric: bool, n_values: int) -> str:
    if not numeric:
        return "classification"
    whole = bool((target == target.round()).all())
    return "classification" if whole and n_values <= min(MAX_CLASSES, max(2, len(target) // 10)) else "regression"


def split_rows(
    frame: pd.DataFrame, y: np.ndarray, task: str, test_size: float, time_column: str | None, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Positions of the rows to learn from and of those to measure on, and a sentence on how."""
    n_test = max(1, round(test_size * len(frame)))
    if n_test >= len(frame):
        raise CommandError(f"the table has {len(frame)} rows, too few to split; give more rows, or --test.")
    if time_column is not None:
        times = frame[time_column]
        order = in_time(times).reset_index(drop=True).sort_values(kind="stable").index.to_numpy()
        rows, held_out = order[:-n_test], order[-n_test:]
        first = times.iloc[held_out[0]]
        since = f"{first:.6g}" if isinstance(first, float) else str(first)
        how = f"Measured on the latest {n_test:,} rows by {time_column!r}, from {since} on."
        return rows, held_out, how
    strata, alone = None, np.array([], dtype=np.int64)
    positions = np.arange(len(frame))
    if task == "classification":
        _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        # A class with one row cannot be on both sides; the row is used for learning.
        alone = np.flatnonzero(counts[codes] == 1)
        positions = np.setdiff1d(positions, alone)
        enough = min(n_test, len(positions) - n_test) >= (counts > 1).sum()
        strata = codes[positions] if enough else None
    if n_test >= len(positions):
        raise CommandError(
            f"of {len(frame)} rows, {len(alone)} are the only row of their class: too few to split. If the target "
            "is a quantity, use --task regression."
        )
    rows, held_out = train_test_split(positions, test_size=n_test, random_state=seed, stratify=strata)
    return (
        np.concatenate([rows, alone]),
        held_out,
        f"Measured on {n_test:,} rows chosen at random (seed {seed}).",
    )


def in_time(times: pd.Series) -> pd.Series:
    """Times in a sortable form: numbers as they are, dates and text of the form 2026-10-24 as timestamps.

    Raises
    ------
    CommandError
        A value is missing or is neither, with its row, or only some have a time zone.
    """
    name, types = times.name, pd.api.types
    if times.isna().any():
        raise CommandError(f"--time-column {name!r} is missing in {int(times.isna().sum()):,} rows.")
    if types.is_numeric_dtype(times.dtype) or types.is_datetime64_any_dtype(times.dtype):
        return times
    if isinstance(times.dtype, pd.PeriodDtype):
        return times.dt.start_time
    text = times.astype(object)
    if types.infer_dtype(text) == "period":
        return text.map(lambda period: period.start_time)
    # A date without a zone, among others with one, could be anywhere in a day of 26 hours.
    zoned = text.map(lambda value: bool(_ZONE.search(value)) if isinstance(value, str) else _has_zone(value))
    found = pd.to_datetime(text.where(text.map(_may_be_time)), format="ISO8601", utc=True, errors="coerce")
    wrong = found.isna().to_numpy()
    if wrong.any():
        position = int(np.argmax(wrong))
        raise CommandError(
            f"--time-column {name!r} has {text.iloc[position]!r:.60} in row {times.index[position]:,}, which has no "
            "order in time that is sure. Store numbers, timestamps, or text such as 2026-10-24 or 2026-10-24T13:45:00Z."
        )
    if zoned.any() and not zoned.all():
        position = int(np.argmin(zoned.to_numpy()))
        raise CommandError(
            f"--time-column {name!r} has a time zone in some rows, but none in row {times.index[position]:,}, "
            f"{text.iloc[position]!r:.60}. Give all rows one, or none."
        )
    return found


def _may_be_time(value: Any) -> bool:
    return isinstance(value, datetime.date) or (isinstance(value, str) and value[:4].isdigit())


def _has_zone(value: Any) -> bool:
    return getattr(value, "tzinfo", None) is not None


def check_features(X_train: pd.DataFrame, X_test: pd.DataFrame) -> None:
    """Refuse columns that no student can learn from, and a test table of other columns."""
    if X_train.shape[1] == 0:
        raise CommandError("no column is left to learn from besides the target; drop fewer.")
    schema = TableSchema.of(X_train)
    schema.encode(X_train)
    schema.encode(X_test)


def check_classes(y_train: np.ndarray, y_test: np.ndarray, target: str) -> None:
    """Refuse a target of one class, and test rows of a class that is not in training."""
    classes = np.unique(y_train)
    if len(classes) < 2:
        raise CommandError(
            f"--target {target!r} has one class only, {str(classes[0])!r}, in the {len(y_train):,} rows to "
            "learn from; give rows of two or more classes."
        )
    unseen = np.setdiff1d(y_test, classes)
    if len(unseen):
        raise CommandError(
            f"--target {target!r} has the classes {unseen.tolist()[:5]} in the test rows only; leave these "
            "rows out, or learn from some of them."
        )
