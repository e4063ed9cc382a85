"""Sample weights, under the name that an estimator's `fit` takes them by."""

from __future__ import annotations

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import _check_sample_weight, has_fit_parameter


def check_weights(sample_weight, X) -> np.ndarray:
    """One weight for each row of `X`, float64 of shape (n,); ones for None.

    Raises
    ------
    ValueError
        For negative weights, and where every weight is zero.
    """
    weights = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
    if not weights.any():
        raise ValueError("sample_weight is zero for every row, so there is nothing to learn from; give some a weight.")
    return weights


def takes_weights(estimator) -> bool:
    """Whether `fit` learns from sample weights; of a pipeline, its last step's."""
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    return has_fit_parameter(last, "sample_weight")


def weight_params(estimator, sample_weight) -> dict:
    """The parameters that hand `sample_weight` to the `fit` of an estimator; none for None.

    Raises
    ------
    ValueError
        Where `fit` does not take weights.
    """
    if sample_weight is None:
        return {}
    if not takes_weights(estimator):
        last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
        raise ValueError(
            f"sample_weight was passed, but the fit of {type(last).__name__} does not take it. Use an estimator that "
            "does, or leave the weights out."
        )
    name = f"{estimator.steps[-1][0]}__sample_weight" if isinstance(estimator, Pipeline) else "sample_weight"
    return {name: sample_weight}
