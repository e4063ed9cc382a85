"""What was done: settings, seeds, versions, and hashes of the data and of the model."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd.students import MLPStudent

if TYPE_CHECKING:
    from tabkd._distilled import Distilled
    from tabkd.scoring import ExportedStudent

_PACKAGES = [
    "tabkd",
    "numpy",
    "pandas",
    "scikit-learn",
    "lightgbm",
    "xgboost",
    "catboost",
    "jax",
    "onnx",
    "skl2onnx",
    "onnxruntime",
]
_LONGEST = 300


def provenance(model: Distilled, codes: np.ndarray, exported: ExportedStudent | None) -> dict[str, Any]:
    """Everything that another person needs to repeat the work.

    Parameters
    ----------
    model : DistilledClassifier or DistilledRegressor
        The fitted model.
    codes : ndarray of shape (n, d), float64
        The test rows.
    exported : ExportedStudent or None
        The exported student.

    Returns
    -------
    dict
        settings: the parameters of the model and of its student, as text; versions of Python and packages; platform;
        test_rows and model: SHA-256 of the encoded test rows and of the file; own_rows: the model's `own_rows_`, about
        the soft targets of the labelled rows; labelling: its `labelling_`, about the synthetic rows; network: for an
        MLP, the units of its hidden layers and the share of the answers to the real rows that it leaves unexplained, or
        None.
    """
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    student = model.student_.get_params(deep=False) if hasattr(model.student_, "get_params") else {}
    given = model.get_params(deep=False) | {f"student__{name}": value for name, value in student.items()}
    content = getattr(exported, "content", None)
    return {
        "settings": {name: _short(value) for name, value in given.items()},
        "versions": versions,
        "platform": f"{platform.system()} {platform.machine()}",
        "test_rows": hashlib.sha256(np.ascontiguousarray(codes).tobytes()).hexdigest(),
        "model": None if content is None else hashlib.sha256(content).hexdigest(),
        "own_rows": model.own_rows_._asdict(),
        "labelling": model.labelling_._asdict(),
        "network": _network(model.student_),
    }


def _network(student: Any) -> dict[str, Any] | None:
    if not isinstance(student, MLPStudent):
        return None
    sizes = ", ".join(map(str, student.hidden_layer_sizes_))
    return {"hidden_layer_sizes": sizes, "unexplained": student.unexplained_}


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
