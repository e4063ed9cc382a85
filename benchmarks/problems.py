"""The tables to measure on: a folder of Parquet files with a manifest, or what scikit-learn ships."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split


@dataclass(frozen=True)
class Problem:
    """A table with its target, and whether classes or values are to be predicted."""

    name: str
    task: str
    X: pd.DataFrame
    y: np.ndarray

    def split(self, seed: int) -> list:
        """75 % to learn from and 25 % to test on, at random, each class in proportion where that can be."""
        stratify = None
        if self.task == "classification" and np.unique(self.y, return_counts=True)[1].min() > 1:
            stratify = self.y
        return train_test_split(self.X, self.y, test_size=0.25, random_state=seed, stratify=stratify)


def problems(data_dir: Path | None, names: list[str] | None, max_rows: int) -> Iterator[Problem]:
    """The problems of a folder with `MANIFEST.csv`, or of scikit-learn; at most `max_rows` rows of each."""
    found = _of_folder(data_dir, names) if data_dir else _of_sklearn(names)
    for problem in found:
        if len(problem.X) > max_rows:
            rows = np.random.default_rng(0).permutation(len(problem.X))[:max_rows]
            problem = Problem(problem.name, problem.task, problem.X.iloc[rows], problem.y[rows])
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
        yield Problem(name, "regression" if regression else "classification", frame, y)


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
