"""Students as MLflow models: with `pip install mlflow`."""

from tabkd.mlflow._flavor import load_model, log_model, save_model
from tabkd.mlflow._pyfunc import _load_pyfunc  # noqa: F401  MLflow looks for it here

__all__ = ["load_model", "log_model", "save_model"]
