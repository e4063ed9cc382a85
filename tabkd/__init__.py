"""Distil a tabular ensemble into one small student and one ONNX file that scores the same.

Names are imported on first use, so that a host that only scores needs NumPy, ONNX Runtime and Arrow, and none of the
packages for training.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tabkd._version import __version__

if TYPE_CHECKING:
    from tabkd._classifier import DistilledClassifier
    from tabkd._compare.compare import compare
    from tabkd._labelled_parquet import LabelledParquet
    from tabkd._regressor import DistilledRegressor
    from tabkd._search.budget import Budget
    from tabkd._search.search import DistillationSearch
    from tabkd.scoring import ExportedStudent, load

__all__ = [
    "Budget",
    "DistillationSearch",
    "DistilledClassifier",
    "DistilledRegressor",
    "ExportedStudent",
    "LabelledParquet",
    "__version__",
    "compare",
    "load",
]

_MODULES = {
    "Budget": "tabkd._search.budget",
    "DistillationSearch": "tabkd._search.search",
    "DistilledClassifier": "tabkd._classifier",
    "DistilledRegressor": "tabkd._regressor",
    "ExportedStudent": "tabkd.scoring",
    "LabelledParquet": "tabkd._labelled_parquet",
    "compare": "tabkd._compare.compare",
    "load": "tabkd.scoring",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_MODULES[name]), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == __name__:
            raise
        raise ModuleNotFoundError(
            f"tabkd.{name} needs the package {error.name!r}, which is not installed; `pip install tabkd` installs it.",
            name=error.name,
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
