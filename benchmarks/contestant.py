"""What takes part in the benchmark of speed, and what contestants are made of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.ensemble import VotingClassifier

from benchmarks.big_teacher import LIGHTGBM, XGBOOST
from tabkd._pace import Predictor

# Each library runs with one thread, and with one for each core.
THREADS = tuple(sorted({1, os.cpu_count() or 1}))
# Rows on which the number of threads is chosen, and conversions of the teacher are compared with it.
TRIAL_ROWS = 10_000
# Calls of a contestant that takes one row, for the same comparison.
_TRIAL_CALLS = 1_000


@dataclass(frozen=True)
class Material:
    """What contestants are made of; `folder` keeps what takes long to compile."""

    teacher: VotingClassifier
    X: np.ndarray
    y: np.ndarray
    folder: Path
    n_synthetic: int


@dataclass(frozen=True)
class Contestant:
    """A way to score.

    Attributes
    ----------
    variants : dict
        Number of threads to predictor; the fastest at a batch size counts.
    n_bytes : int or None
        Of the files that it is stored in.
    most_rows : int or None
        The largest batch that it takes.
    """

    variants: Mapping[str, Predictor]
    n_bytes: int | None = None
    most_rows: int | None = None

    def takes(self, n_rows: int) -> bool:
        """Whether it scores batches of this many rows."""
        return self.most_rows is None or n_rows <= self.most_rows


def check(contestant: Contestant, material: Material) -> None:
    """Refuse a conversion that does not score as the teacher does, in all but a few rows that lie on a threshold."""
    X = material.X[:TRIAL_ROWS] if contestant.takes(TRIAL_ROWS) else material.X[:_TRIAL_CALLS]
    rows = contestant.most_rows or len(X)
    expected = material.teacher.predict_proba(X)
    for predict in contestant.variants.values():
        found = np.concatenate([predict(X[i : i + rows]) for i in range(0, len(X), rows)])
        differences = np.abs(found - expected).max(axis=1)
        if np.quantile(differences, 0.99) > 1e-5:
            raise ValueError(f"scores differ from the teacher's by up to {differences.max():.2g}")


def bare(session) -> Predictor:
    """The probabilities of a session that takes one matrix."""
    (matrix,) = session.get_inputs()
    return lambda X: session.run(["probabilities"], {matrix.name: X})[0]


def halves(material: Material) -> tuple:
    """The teacher's estimators of LightGBM and of XGBoost."""
    members = material.teacher.named_estimators_
    return members[LIGHTGBM], members[XGBOOST]


def boosters(material: Material) -> tuple:
    """Their boosters."""
    first, second = halves(material)
    return first.booster_, second.get_booster()


def files(material: Material) -> tuple[bytes, bytes]:
    """Both halves as their libraries store them."""
    first, second = boosters(material)
    return first.model_to_string().encode(), bytes(second.save_raw("ubj"))


def two_columns(first, second) -> np.ndarray:
    """Probabilities of both classes, from two opinions of the second."""
    mean = (first + second) / 2
    return np.column_stack([1 - mean, mean])
