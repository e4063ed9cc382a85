"""Rows in Parquet files with the soft labels of a teacher: what users write."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeAlias

#: Where files are: a path, a folder, a glob or a URL.
Place: TypeAlias = str | os.PathLike


class LabelledParquet:
    """Rows that a teacher has labelled elsewhere, in Parquet files of any size, to give to `fit` as `X_unlabeled`.

    `fit` learns from all of these rows and never holds them all in memory. `tabkd.spark.label` writes such rows for
    classes and for one target.

    Parameters
    ----------
    inputs : str, path-like, or sequence of them
        Parquet files, folders of them, globs, or URLs of a store that fsspec supports. As in `tabkd.batch`, names that
        begin with a dot or an underscore are skipped, and folders such as ``month=2026-10`` become a column.
    sample_weight : str, optional
        The column with the weights of the rows, in the unit of the `sample_weight` of `fit`. Without it each row has
        their mean.

    Notes
    -----
    The files have the columns of the table in `fit`, found by their names (x0, x1, … for an array), and the teacher's
    answers: for each class a column `probability_` and its name, or `prediction` for regression, `prediction_0`,
    `prediction_1`, … for several targets. Other columns are not read. Text in a column of numbers is read as numbers.

    Rows are assigned at random to pools of at most a gigabyte in memory, one after the other; each training reads the
    files once for each pool. So each chunk that a student learns from is a random sample of all rows, even if the files
    are sorted by time or by class. A regressor of another library learns from all rows at once, in memory.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.frozen import FrozenEstimator
    >>> from tabkd import DistilledClassifier, LabelledParquet
    >>> X, y = make_classification(5000, random_state=0)
    >>> X = pd.DataFrame(X).add_prefix("x")
    >>> teacher = RandomForestClassifier(10, random_state=0).fit(X[:500], y[:500])
    >>> P = pd.DataFrame(teacher.predict_proba(X)).add_prefix("probability_")
    >>> X.join(P).to_parquet(getfixture("tmp_path") / "labelled.parquet")  # what tabkd.spark.label writes
    >>> rows = LabelledParquet(getfixture("tmp_path") / "labelled.parquet")
    >>> model = DistilledClassifier(FrozenEstimator(teacher), student="tree", random_state=0)
    >>> model = model.fit(X[:500], y[:500], X_unlabeled=rows)
    """

    def __init__(self, inputs: Place | Sequence[Place], sample_weight: str | None = None) -> None:
        self.inputs = inputs
        self.sample_weight = sample_weight

    def __repr__(self) -> str:
        """The call that makes it."""
        weight = "" if self.sample_weight is None else f", sample_weight={self.sample_weight!r}"
        return f"{type(self).__name__}({self.inputs!r}{weight})"
