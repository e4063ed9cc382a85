"""The rows to learn from and the rows to measure on, as chosen on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tabkd._cli import training_table as columns
from tabkd._cli.choices import Choices
from tabkd._cli.errors import CommandError, named
from tabkd._cli.notices import notices, unnamed_row_numbers
from tabkd._cli.table_files import found_in, read_table


@dataclass(frozen=True)
class TableOptions:
    """The options of the command line that concern the tables.

    Attributes
    ----------
    train : Path
        The table to learn from.
    target : str
        The column to predict.
    test : Path or None
        A table to measure on, instead of a part of `train`.
    test_size : float
        The share of `train` to measure on.
    time_column : str or None
        The latest rows by this column are measured; it is then not a feature.
    choices : Choices
        How columns are read.
    task : {"auto", "classification", "regression"}
        "auto" finds it from the target.
    seed : int
        The seed by which rows are chosen at random.
    features : mapping of str to sequence of str
        Options that name columns to learn from, with their names.
    """

    train: Path
    target: str
    test: Path | None = None
    test_size: float = 0.25
    time_column: str | None = None
    choices: Choices = field(default_factory=Choices)
    task: str = "auto"
    seed: int = 0
    features: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        reasons = {self.target: "is the target", self.time_column: "is the column of --time-column"}
        reasons |= dict.fromkeys(self.choices.drop, "is left out by --drop")
        for option, names in self.features.items():
            for name in names:
                if name in reasons:
                    raise CommandError(f"{option} {name!r} {reasons[name]}, so the student does not learn from it.")

    @property
    def no_features(self) -> list[str]:
        """The columns of `train` that are used for something else."""
        return [self.target, *self.choices.drop, *([self.time_column] if self.time_column else [])]


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to measure on.

    Attributes
    ----------
    task : {"classification", "regression"}
        What the target calls for.
    target : str
        The column that it comes from.
    X_train, X_test : DataFrame
        The features.
    y_train, y_test : array of shape (n,)
        The labels or values.
    notes : list of str
        How the rows were read and chosen.
    is_own_test : bool
        Whether the rows to measure on come from a table of their own.
    """

    task: str
    target: str
    X_train: pd.DataFrame
    y_train: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    notes: list[str]
    is_own_test: bool


def read_split(options: TableOptions) -> Split:
    """The tables of the command line, checked as far as that is possible before anything is fitted.

    Parameters
    ----------
    options : TableOptions
        The options that concern them.

    Raises
    ------
    CommandError
        A table, a column or its values cannot be used, with the remedy.
    """
    if options.test is not None and options.time_column is not None:
        raise CommandError("--test and --time-column both choose the rows to measure on; give one of them.")
    table = _training_table(options)
    no_features, notes = _looked_at(table, options)
    if options.test is None:
        train, test, how = _parted(table, options)
    else:
        train, (test, how) = table, _test_table(options.test, options, table.task, no_features)
    X_train, X_test = train.features(no_features), test.features(no_features)
    columns.check_features(X_train, X_test)
    if table.task == "classification":
        columns.check_classes(train.y, test.y, options.target)
    return Split(table.task, options.target, X_train, train.y, X_test, test.y, [*notes, *how], options.test is not None)


@dataclass(frozen=True)
class _Table:
    """Rows with their target, and how they were read: the file, the detected task, and rows left out."""

    frame: pd.DataFrame
    y: np.ndarray
    task: str
    how_read: Sequence[str] = ()
    how_task: str = ""
    rows_left_out: Sequence[str] = ()

    def take(self, rows: np.ndarray) -> _Table:
        """The rows at the given positions."""
        return _Table(self.frame.iloc[rows], self.y[rows], self.task)

    def features(self, no_features: Sequence[str]) -> pd.DataFrame:
        """All columns except those."""
        return self.frame.drop(columns=list(no_features), errors="ignore").reset_index(drop=True)


def _training_table(options: TableOptions) -> _Table:
    wanted: dict[str, Sequence[str | None]] = {"--target": [options.target], "--time-column": [options.time_column]}
    wanted |= {**options.choices.options(), **options.features}
    return _read(options.train, options, options.task, options.no_features, wanted)


def _read(
    path: Path,
    options: TableOptions,
    task: str,
    no_features: Sequence[str],
    wanted: Mapping[str, Sequence[str | None]],
) -> _Table:
    """A table with the columns that the options name, with its columns and its target read as requested."""
    choices = options.choices
    frame = read_table(path, choices.dialect, no_features)
    columns.check_present(frame, path, wanted)
    frame, rows_left_out = choices.applied(frame, path)
    y, task, how_task = columns.read_target(frame[options.target], task, choices)
    return _Table(frame, y, task, found_in(path, choices.dialect, no_features), how_task, rows_left_out)


def _looked_at(table: _Table, options: TableOptions) -> tuple[list[str], list[str]]:
    """The columns that are not features, and notes on those that are."""
    features = table.frame.drop(columns=options.no_features)
    unnamed = unnamed_row_numbers(features)
    left_out = [f"{name!r}: left out; row numbers without a name, like an index that to_csv wrote." for name in unnamed]
    lines = notices(features.drop(columns=unnamed), options.choices.categorical, options.choices.dialect)
    said = [*table.how_read, table.how_task, *table.rows_left_out, *left_out, *lines]
    return [*options.no_features, *unnamed], said


def _parted(table: _Table, options: TableOptions) -> tuple[_Table, _Table, list[str]]:
    """The rows of one table to learn from and to measure on, and how they were chosen."""
    rows, held_out, how = columns.split_rows(
        table.frame, table.y, table.task, options.test_size, options.time_column, options.seed
    )
    return table.take(rows), table.take(held_out), [how]


def _test_table(path: Path, options: TableOptions, task: str, no_features: Sequence[str]) -> tuple[_Table, list[str]]:
    """A separate table to measure on, and how it was read."""
    choices = options.choices
    wanted = {option: names for option, names in choices.options().items() if option != "--drop"}
    table = _read(path, options, task, [options.target], {"--target": [options.target], **wanted})
    with named(path):
        # Its refusals count here too; its notices were already printed for the rows to learn from.
        notices(table.frame.drop(columns=list(no_features), errors="ignore"), choices.categorical, choices.dialect)
    return table, [*table.how_read, *table.rows_left_out, f"Measured on the {len(table.y):,} rows of {path}."]
