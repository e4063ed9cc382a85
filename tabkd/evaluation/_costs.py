"""The cost of running the teacher and the student: bytes, packages, trees and memory."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tabkd.teachers._teacher import unfrozen

# tabkd itself, and modules of Python that pickles refer to.
_NOT_COUNTED = ("tabkd", "builtins", "copyreg", "_codecs", "functools", "collections", "numbers")
# The packages that run an exported student.
_RUNTIME = ["numpy", "onnxruntime"]


def costs(teacher: Any, n_bytes: int | None, memory: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The cost of running teacher and student.

    Parameters
    ----------
    teacher : estimator
        The fitted teacher.
    n_bytes : int or None
        The size of the exported student.
    memory : mapping of str to dict
        The memory of both, or why it is not known.

    Returns
    -------
    dict
        For teacher and student: bytes (of the teacher's pickle), packages, and for the teacher trees, None if there are
        none or they are not known; memory and memory_reason. A teacher that cannot be pickled has no bytes, and no
        packages.
    """
    sink = _Sink()
    pickler = _Pickler(sink, protocol=5)
    try:
        pickler.dump(teacher)
        size, packages = sink.size, sorted(pickler.packages)
    except Exception:  # objects of other libraries may raise any error here; then neither is known
        size, packages = None, None
    return {
        "teacher": {"bytes": size, "packages": packages, "trees": sum(_trees(teacher, set())) or None}
        | memory["teacher"],
        "student": {"bytes": n_bytes, "packages": _RUNTIME, "trees": None} | memory["student"],
    }


class _Sink(io.RawIOBase):
    """A file that counts what is written."""

    size = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        n = memoryview(content).nbytes
        self.size += n
        return n


class _Pickler(pickle.Pickler):
    """Notes the packages of all classes and functions that are pickled."""

    def __init__(self, file: Any, protocol: int) -> None:
        super().__init__(file, protocol)
        self.packages: set[str] = set()

    def reducer_override(self, value: Any) -> Any:
        kind = value if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")) else type(value)
        package = (getattr(kind, "__module__", None) or "builtins").partition(".")[0]
        if package not in _NOT_COUNTED:
            self.packages.add({"sklearn": "scikit-learn"}.get(package, package))
        return NotImplemented


def _trees(model: Any, seen: set[int]) -> Iterator[int]:
    """The trees of the ensembles that are part of an estimator."""
    model = unfrozen(model)
    if id(model) in seen or isinstance(model, (str, bytes, int, float, bool, type(None), np.generic)):
        return
    seen.add(id(model))
    if isinstance(model, np.ndarray):
        if model.dtype == object:
            for part in model.ravel():
                yield from _trees(part, seen)
    elif isinstance(model, (list, tuple)):
        for part in model:
            yield from _trees(part, seen)
    elif isinstance(model, dict):
        for part in model.values():
            yield from _trees(part, seen)
    elif hasattr(model, "num_trees"):  # a booster of LightGBM
        yield int(model.num_trees())
    elif type(model).__name__ == "Booster" and hasattr(model, "get_dump"):  # of XGBoost
        yield len(model.get_dump())
    elif hasattr(model, "tree_count_"):  # of CatBoost
        yield int(model.tree_count_)
    elif hasattr(model, "_predictors"):  # HistGradientBoosting
        yield sum(map(len, model._predictors))
    elif type(getattr(model, "tree_", None)).__name__ == "Tree":
        yield 1
    elif hasattr(model, "get_params"):
        for name, part in vars(model).items():
            if name.endswith("_") or name in ("steps", "_Booster"):
                yield from _trees(part, seen)
