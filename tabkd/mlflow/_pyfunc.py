"""A student behind MLflow's `python_function`, which its servers and Spark call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tabkd.mlflow._installed import check_mlflow
from tabkd.mlflow._signature import optional_names, score_names
from tabkd.scoring import ExportedStudent, load

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class PythonFunction:
    """The object that `mlflow.pyfunc.load_model` calls.

    Parameters
    ----------
    exported : ExportedStudent
        The student.
    predict_fn : {"predict", "predict_proba"}
        What `predict` returns.
    """

    def __init__(self, exported: ExportedStudent, predict_fn: str):
        self._exported, self._predict_fn = exported, predict_fn
        self._names = score_names(exported, predict_fn)
        self._optional = optional_names(exported)

    def get_raw_model(self) -> ExportedStudent:
        """The student itself; MLflow's name for it."""
        return self._exported

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> np.ndarray | pd.DataFrame:
        """Score rows that MLflow has compared with the signature.

        Parameters
        ----------
        data : pandas.DataFrame
            The rows; anything else that `ExportedStudent.predict` takes if the model has no signature.
        params : mapping, optional
            Unused: a student has no inference parameters.

        Returns
        -------
        array of shape (n,) or DataFrame
            Labels or values; a frame with a column for each probability or target.

        Raises
        ------
        mlflow.exceptions.MlflowException
            For values that the student cannot read, with the name of the column.
        """
        import pandas as pd
        from mlflow.exceptions import MlflowException

        is_frame = isinstance(data, pd.DataFrame)
        try:
            scores = getattr(self._exported, self._predict_fn)(self._completed(data) if is_frame else data)
        except (ValueError, TypeError) as error:  # of another class, MLflow's server would hide the message
            raise MlflowException.invalid_parameter_value(str(error)) from error
        if self._names is None:
            return scores
        return pd.DataFrame(scores, columns=self._names, index=data.index if is_frame else None)

    def _completed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with each column that may be left out; such a column is missing in each row."""
        absent = [name for name in self._optional if name not in frame]
        return frame.reindex(columns=[*frame.columns, *absent]) if absent else frame


def _load_pyfunc(data_path: str | os.PathLike, model_config: Mapping[str, Any]) -> PythonFunction:
    """Load what `save_model` wrote; called by `mlflow.pyfunc.load_model`."""
    check_mlflow()
    return PythonFunction(load(data_path, model_config["n_jobs"]), model_config["pyfunc_predict_fn"])
