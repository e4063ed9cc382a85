"""RealMLP (Holzmüller, Grinsztajn, Steinwart, 2024), the strong default network of pytabkit, on the labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sklearn.impute import SimpleImputer

from benchmarks import apart
from benchmarks.answers import Answer
from benchmarks.problems import Split
from benchmarks.rivals import plain

REQUIREMENTS = ("pytabkit==1.8.0", "torch", "pyarrow")

_WORKER = Path(__file__).with_name("realmlp_worker.py")
_NAME = "RealMLP"


def environment(folder: Path) -> Path:
    """The Python of a virtual environment that has pytabkit, made where it is not there."""
    return apart.environment(folder, REQUIREMENTS, f"1 GB in {folder}, or 5 GB where pip takes torch with CUDA")


def answer(split: Split, python: Path) -> Answer:
    """RealMLP with its defaults; of a classifier, those that its authors advise for the log-loss.

    Missing numbers are replaced by the median, with a column that says so, because it takes none. The bytes are those
    of its weights as float32.
    """
    X_train, X_test, numeric, _ = plain(split)
    X_train, X_test = X_train.rename(columns=str), X_test.rename(columns=str)
    if numeric:
        names = [str(name) for name in numeric]
        fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
        fill.set_output(transform="pandas").fit(X_train[names])
        X_train, X_test = (X.drop(columns=names).join(fill.transform(X[names])) for X in (X_train, X_test))
    return apart.answers(replace(split, X_train=X_train, X_test=X_test), python, _WORKER, {})[_NAME]
