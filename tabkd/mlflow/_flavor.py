"""MLflow models that hold a student as the ONNX file that tabkd wrote."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tabkd._options import option
from tabkd._version import __version__
from tabkd.mlflow._installed import check_mlflow
from tabkd.mlflow._signature import PREDICT_FNS, signature_of
from tabkd.scoring import ExportedStudent, load

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature
    from mlflow.models.model import ModelInfo

_FLAVOR, _FILE = "tabkd", "student.onnx"


def save_model(
    model: Any,
    path: str | os.PathLike,
    *,
    signature: ModelSignature | None = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | None = None,
    extra_pip_requirements: Sequence[str] | str | None = None,
    conda_env: Mapping[str, Any] | str | None = None,
    code_paths: list[str] | None = None,
    pyfunc_predict_fn: str = "predict",
    metadata: dict[str, Any] | None = None,
    mlflow_model: Model | None = None,
) -> None:
    """Save a student as an MLflow model, in a folder.

    The folder holds the ONNX file, the signature from the file's metadata, and the requirements of a host that only
    scores: no pickle, no scikit-learn, and not the teacher. MLflow loads it as `python_function`, so `mlflow models
    serve` and `mlflow.pyfunc.spark_udf` can score with it.

    Parameters
    ----------
    model : DistilledClassifier, DistilledRegressor, DistillationSearch, ExportedStudent or path-like
        A fitted model, which is exported first, or what `tabkd.load` returns or takes.
    path : str or path-like
        The folder, which must be new or empty.
    signature : mlflow.models.ModelSignature, optional
        The columns that are read and written, if they should differ from the file's metadata.
    input_example : pandas.DataFrame, array or dict, optional
        Some rows, which MLflow stores and shows to those who call the model.
    pip_requirements : sequence of str or str, optional
        All packages that the model needs, instead of tabkd-core and onnxruntime in the versions of this environment.
    extra_pip_requirements : sequence of str or str, optional
        Further packages; a text is the path of a file of requirements.
    conda_env : mapping or str, optional
        A conda environment, instead of packages.
    code_paths : list of str, optional
        Python files to store with the model.
    pyfunc_predict_fn : {"predict", "predict_proba"}, default="predict"
        What the model answers with as `python_function`: a label or value for each row, or a column for the probability
        of each class. Several targets have a column each.
    metadata : dict, optional
        Anything that MLflow should store with the model.
    mlflow_model : mlflow.models.Model, optional
        The model that this flavor is added to.

    Raises
    ------
    ModuleNotFoundError
        If mlflow is not installed.
    ImportError
        If mlflow is too old.
    TypeError
        If `model` is no distilled model or file.
    ValueError
        For other names in `pyfunc_predict_fn`, for probabilities of a regressor, and for names of columns that MLflow
        takes for positions: numbers, and the empty text.

    Examples
    --------
    >>> import tabkd.mlflow  # doctest: +SKIP
    >>> tabkd.mlflow.save_model("student.onnx", "model", input_example=X[:5])  # doctest: +SKIP
    >>> mlflow.pyfunc.load_model("model").predict(X[:2])  # doctest: +SKIP
    array(['no', 'yes'], dtype='<U3')
    """
    check_mlflow()
    from mlflow import pyfunc
    from mlflow.models import Model

    exported = _exported(model)
    _check_predict_fn(pyfunc_predict_fn, exported)
    if conda_env is None and pip_requirements is None:
        pip_requirements = [*_requirements(), *_listed(extra_pip_requirements)]
        extra_pip_requirements = None
    mlflow_model = Model() if mlflow_model is None else mlflow_model
    mlflow_model.signature = signature or signature_of(exported, pyfunc_predict_fn)
    mlflow_model.add_flavor(_FLAVOR, tabkd_version=__version__, data=f"data/{_FILE}")
    with TemporaryDirectory() as folder:
        file = Path(folder) / _FILE
        file.write_bytes(exported.content)
        pyfunc.save_model(
            os.fspath(path),
            loader_module="tabkd.mlflow",
            data_path=str(file),
            code_paths=code_paths,
            conda_env=conda_env,
            mlflow_model=mlflow_model,
            input_example=input_example,
            pip_requirements=pip_requirements,
            extra_pip_requirements=extra_pip_requirements,
            metadata=metadata,
            model_config={"pyfunc_predict_fn": pyfunc_predict_fn, "n_jobs": None},
        )


def log_model(model: Any, name: str | None = None, **options: Any) -> ModelInfo:
    """Log a student to MLflow's tracking server, in the active run if there is one.

    Parameters
    ----------
    model : DistilledClassifier, DistilledRegressor, DistillationSearch, ExportedStudent or path-like
        A fitted model, which is exported first, or what `tabkd.load` returns or takes.
    name : str, optional
        The name of the model.
    **options : object
        Arguments of `save_model`, and those that other flavors of MLflow pass to `mlflow.models.Model.log`:
        `registered_model_name`, `await_registration_for`, `params`, `tags`, `model_type`, `step` and `model_id`.

    Returns
    -------
    mlflow.models.model.ModelInfo
        Its `model_uri` is what `load_model`, `mlflow models serve` and `mlflow.pyfunc.spark_udf` take.

    Raises
    ------
    ModuleNotFoundError
        If mlflow is not installed.
    ImportError
        If mlflow is too old.
    TypeError
        If `model` is no distilled model or file.
    ValueError
        For other names in `pyfunc_predict_fn`, for probabilities of a regressor, and for names of columns that MLflow
        takes for positions: numbers, and the empty text.

    Examples
    --------
    >>> import tabkd.mlflow  # doctest: +SKIP
    >>> info = tabkd.mlflow.log_model(model, name="student", registered_model_name="fraud")  # doctest: +SKIP
    >>> tabkd.mlflow.load_model(info.model_uri)  # doctest: +SKIP
    <ExportedStudent: classification, 6 columns, 20.1 KB>
    """
    check_mlflow()
    from mlflow.models import Model

    # MLflow calls `save_model` of this module, and shows its name.
    return Model.log(options.pop("artifact_path", None), sys.modules[__package__], name=name, model=model, **options)


def load_model(model_uri: str, dst_path: str | None = None, *, n_jobs: int | None = None) -> ExportedStudent:
    """Load a student from MLflow.

    Parameters
    ----------
    model_uri : str
        Where the model is: a folder, `models:/NAME/VERSION`, `runs:/RUN/NAME`, `s3://…`, and so on.
    dst_path : str, optional
        The folder to download the model to, which must exist.
    n_jobs : int, optional
        Threads that share the rows of a large batch; see `tabkd.load`.

    Returns
    -------
    ExportedStudent
        What `tabkd.load` returns for the file.

    Raises
    ------
    ModuleNotFoundError
        If mlflow is not installed.
    ImportError
        If mlflow is too old.
    ValueError
        If the model is not one that tabkd saved.

    Examples
    --------
    >>> import tabkd.mlflow  # doctest: +SKIP
    >>> tabkd.mlflow.load_model("models:/fraud/3").predict_proba(X)  # doctest: +SKIP
    array([[0.98, 0.02]])
    """
    check_mlflow()
    from mlflow.artifacts import download_artifacts
    from mlflow.models import Model

    folder = Path(download_artifacts(artifact_uri=os.fspath(model_uri), dst_path=dst_path))
    flavors = Model.load(str(folder)).flavors
    if _FLAVOR not in flavors:
        raise ValueError(
            f"{option('model_uri', model_uri)} has the flavors {sorted(flavors)}, but not {_FLAVOR!r}; give a model "
            "that tabkd.mlflow saved."
        )
    return load(folder / flavors[_FLAVOR]["data"], n_jobs)


def _exported(model: Any) -> ExportedStudent:
    if isinstance(model, ExportedStudent):
        return model
    if isinstance(model, (str, os.PathLike)):
        return load(model)
    if hasattr(model, "to_onnx"):
        return ExportedStudent(model.to_onnx().SerializeToString())
    raise TypeError(
        f"model is of type {type(model).__name__}; give a fitted model of tabkd, the result of tabkd.load, or the "
        "path of an .onnx file."
    )


def _check_predict_fn(name: str, exported: ExportedStudent) -> None:
    if name not in PREDICT_FNS:
        raise ValueError(f"{option('pyfunc_predict_fn', name)} is not one of {', '.join(PREDICT_FNS)}.")
    if name == "predict_proba" and exported.metadata["task"] != "classification":
        raise ValueError(f"{option('pyfunc_predict_fn', name)}, but a regressor has no probabilities; give 'predict'.")


def _requirements() -> list[str]:
    """The packages that a host which only scores has to install."""
    return [f"tabkd-core=={__version__}", f"onnxruntime=={version('onnxruntime')}"]


def _listed(requirements: Iterable[str] | str | None) -> list[str]:
    """Requirements as a list; a text is the path of a file with them."""
    if isinstance(requirements, str):
        return [f"-r {requirements}"]
    return list(requirements or ())
