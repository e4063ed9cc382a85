"""Sample weights, under the name that an estimator's `fit` takes them by."""

from __future__ import annotations

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter


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
