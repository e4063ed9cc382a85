"""The tables to measure on: a folder of Parquet files with a manifest, tables of OpenML, or what scikit-learn ships."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

_TEST_SIZE = 0.25
# A number that takes more values than this is a target of regression.
_MOST_CLASSES = 50
# Those of the benchmark's usual tables that OpenML has under one name, and the version of each.
_ON_OPENML = ("adult:2", "bank-marketing:1", "electricity:1", "shuttle:1", "letter:1", "fars:1", "diamonds:1")
# What a manifest's notes say of a table whose rows are in the order of time.
_IN_TIME_ORDER = re.compile(r"\b(time|date)[ -]order", re.IGNORECASE)


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to test on."""

    table: str
    task: str
    seed: int
    X_train: pd.DataFrame
    X_test: pd.DataFrame
    y_train: np.ndarray
    y_test: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        """The classes of the training rows, in ascending order."""
        return np.unique(self.y_train)


@dataclass(frozen=True)
class Problem:
    """A table with its target, its task, and whether its rows are in the order of time."""

    name: str
    task: str
    X: pd.DataFrame
    y: np.ndarray
    in_time_order: bool = False

    def split(self, seed: int) -> Split:
        """75 % to learn from and 25 % to test on.

        At random, each class in proportion where that can be; in time order, where a table has one, the later rows
        test what the earlier ones taught, and each seed leaves out another tenth of the latest rows.
        """
        if self.in_time_order:
            end = round(len(self.X) * (1 - seed % 5 / 10))
            train, test = np.split(np.arange(end), [round(end * (1 - _TEST_SIZE))])
        else:
            rare = self.task == "regression" or np.unique(self.y, return_counts=True)[1].min() < 2
            train, test = train_test_split(
                np.arange(len(self.X)), test_size=_TEST_SIZE, random_state=seed, stratify=None if rare else self.y
            )
        X, y = self.X, self.y
        # A class that only test rows have is nothing that any contestant could know.
        if self.task == "classification":
            test = test[np.isin(y[test], y[train])]
        return Split(self.name, self.task, seed, X.iloc[train], X.iloc[test], y[train], y[test])


def problems(data_dir: Path | None, names: list[str] | None, max_rows: int, openml: bool = False) -> Iterator[Problem]:
    """The problems of a folder with `MANIFEST.csv`, of OpenML, or of scikit-learn; at most `max_rows` rows of each."""
    if openml:
        found = _of_openml(names or _ON_OPENML)
    else:
        found = _of_folder(data_dir, names) if data_dir else _of_sklearn(names)
    for problem in found:
        if len(problem.X) > max_rows:
            rows = np.sort(np.random.default_rng(0).permutation(len(problem.X))[:max_rows])
            problem = replace(problem, X=problem.X.iloc[rows], y=problem.y[rows])
        yield problem


def _of_folder(data_dir: Path, names: list[str] | None) -> Iterator[Problem]:
    manifest = data_dir / "MANIFEST.csv"
    if not manifest.is_file():
        raise SystemExit(f"{data_dir} has no MANIFEST.csv; give a folder of Parquet files with one.")
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    if unknown := set(names or ()) - set(rows):
        raise SystemExit(f"{manifest} does not list {sorted(unknown)}; it lists {sorted(rows)}.")
    for name in names or rows:
        frame = pd.read_parquet(data_dir / f"{name}.parquet")
        regression = rows[name]["task"] == "regression"
        target = frame.pop("target")
        y = target.to_numpy(np.float64) if regression else np.asarray(target)
        in_time_order = bool(_IN_TIME_ORDER.search(rows[name].get("notes") or ""))
        yield Problem(name, "regression" if regression else "classification", frame, y, in_time_order)


def _of_openml(names: Sequence[str]) -> Iterator[Problem]:
    """Tables by their names there, each with its version behind a colon."""
    for name in names:
        title, _, version = name.partition(":")
        found = datasets.fetch_openml(title, version=int(version or 1), as_frame=True, parser="auto")
        y = found.target
        regression = isinstance(y.dtype, np.dtype) and y.dtype.kind in "iuf" and y.nunique() > _MOST_CLASSES
        task, dtype = ("regression", np.float64) if regression else ("classification", None)
        yield Problem(title, task, found.data, y.to_numpy(dtype))


def _of_sklearn(names: list[str] | None) -> Iterator[Problem]:
    loaders = {
        "breast_cancer": (datasets.load_breast_cancer, "classification"),
        "digits": (datasets.load_digits, "classification"),
        "diabetes": (datasets.load_diabetes, "regression"),
    }
    for name in names or loaders:
        if name not in loaders:
            raise SystemExit(f"scikit-learn ships {sorted(loaders)}, not {name!r}; --data-dir gives other tables.")
        load, task = loaders[name]
        X, y = load(return_X_y=True, as_frame=True)
        yield Problem(name, task, X, y.to_numpy())
