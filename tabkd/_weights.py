"""Sample weights, under the name that an estimator's `fit` uses for them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.pipeline import Pipeline

from tabkd._sklearn import check_sample_weight
from tabkd._typing import ColumnLike, TableLike

# How scikit-learn and others report that an inner estimator does not take weights; some name the estimator.
_REFUSAL = re.compile(
    r"(?P<a>\w+)\.fit\(\) got an unexpected keyword argument '\w*sample_weight'"
    r"|estimator (?P<b>\w+) does not support sample[_ ]weights?"
    r"|(?P<c>\w+) (?:doesn't|does not) support sample[_ ]weights?"
    r"|(?P<d>\w+)\.fit does not accept the sample_weight"
    r"|estimator (?:doesn't|does not) support sample[_ ]weights?"
    r"|only supported if enable_metadata_routing=True",
)


def check_weights(sample_weight: ColumnLike | None, X: TableLike) -> np.ndarray:
    """One weight for each row of `X`, float64 of shape (n,); ones for None.

    Raises
    ------
    ValueError
        If a weight is negative or all are zero.
    """
    weights = check_sample_weight(sample_weight, X, ensure_non_negative=True)
    if not weights.any():
        raise ValueError("sample_weight is zero for every row, so there is nothing to learn from; give some a weight.")
    return weights


def takes_weights(estimator: BaseEstimator) -> bool:
    """Whether `fit` takes sample weights, by name or in ``**fit_params``; for a pipeline, the `fit` of its last step.

    The answer may still be wrong for ``**fit_params``: see `fit_with`.
    """
    if isinstance(estimator, Pipeline):
        return takes_weights(estimator.steps[-1][1])
    parameters = inspect.signature(estimator.fit).parameters
    return "sample_weight" in parameters or _takes_any(parameters)


def weight_params(estimator: BaseEstimator, sample_weight: ColumnLike | None) -> dict[str, Any]:
    """The keyword arguments that pass `sample_weight` to the `fit` of an estimator; none if it is None.

    Raises
    ------
    ValueError
        If `fit` does not take weights.
    """
    if sample_weight is None:
        return {}
    if not takes_weights(estimator):
        last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
        raise ValueError(
            f"sample_weight was passed, but the fit of {type(last).__name__} does not take it. Use an estimator that "
            "does, or leave the weights out."
        )
    return {_weight_name(estimator): sample_weight}


def fit_with(estimator: BaseEstimator, X: Any, y: Any, params: dict[str, Any]) -> Any:
    """Call `estimator.fit(X, y, **params)`, with a clear error if an inner estimator refuses the sample weights.

    Raises
    ------
    ValueError
        If weights are refused; the message names the estimator that does not take them.
    """
    try:
        return estimator.fit(X, y, **params)
    except UnsetMetadataPassedError:
        raise
    except (TypeError, ValueError) as error:
        refusal = _REFUSAL.search(str(error))
        if refusal is None or not any(name.endswith("sample_weight") for name in params):
            raise
        inner = next((name for name in refusal.groupdict().values() if name), None)
        outer = type(estimator).__name__
        where = (
            f"{outer} hands it to {inner}, whose fit does not take it"
            if inner and inner != outer
            else f"{outer} does not take it: {' '.join(str(error).split())[:300]}"
        )
        raise ValueError(
            f"sample_weight was passed, but {where}. Use an estimator that takes weights, enable scikit-learn's "
            "metadata routing and request them, or leave the weights out."
        ) from error


def _takes_any(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Whether a function takes any keyword argument."""
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def _weight_name(estimator: BaseEstimator) -> str:
    """The name of the weights: prefixed by the steps of a pipeline, even of one inside a search or the like."""
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        return f"{name}__{_weight_name(last)}"
    parameters = inspect.signature(estimator.fit).parameters
    inner = getattr(estimator, "estimator", getattr(estimator, "regressor", None))
    if "sample_weight" not in parameters and _takes_any(parameters) and hasattr(inner, "fit"):
        return _weight_name(inner)
    return "sample_weight"
