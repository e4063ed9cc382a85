"""Which MLflow is installed."""

from __future__ import annotations

#: Earlier ones join columns of the type `any` to others by the index of the DataFrame, which they drop there.
_OLDEST = "3.17"


def check_mlflow() -> None:
    """Refuse to work without MLflow, or with a version that mixes up rows.

    Raises
    ------
    ModuleNotFoundError
        If mlflow is not installed.
    ImportError
        If it is too old.
    """
    remedy = f"`pip install 'mlflow>={_OLDEST}'`"
    try:
        import mlflow
    except ModuleNotFoundError as error:
        if error.name != "mlflow":
            raise
        raise ModuleNotFoundError(
            f"tabkd.mlflow needs MLflow, which is not installed; {remedy} installs it.", name="mlflow"
        ) from error
    if tuple(map(int, mlflow.__version__.split(".")[:2])) < tuple(map(int, _OLDEST.split("."))):
        raise ImportError(
            f"MLflow {mlflow.__version__} mixes up the rows of a DataFrame whose index does not count from 0, so "
            f"scores would be wrong; {remedy} updates it.",
            name="mlflow",
        )
