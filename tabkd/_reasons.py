"""What counts as the reasons for a score, for every output."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from tabkd._options import option

#: The name of the output of a graph that says how much each column contributes, and of its entry in the metadata.
CONTRIBUTIONS = "contributions"
#: Rounding in float32 may give a column that the student does not use a contribution of this share of all of the row:
#: only larger ones are reasons.
LEAST_REASON = 1e-6


def number_of_reasons(reasons: Any) -> int:
    """The parameter `reasons`, a whole number from 0."""
    try:
        n = -1 if isinstance(reasons, bool) else index(reasons)
    except TypeError:
        n = -1
    if n < 0:
        raise ValueError(f"{option('reasons')} is {reasons!r}; expected a whole number from 0.")
    return n


def check_has_reasons(facts: dict[str, Any]) -> None:
    """Refuse a model without contributions, and one with several targets, which cannot be explained one by one.

    Raises
    ------
    ValueError
        With what to do.
    """
    if CONTRIBUTIONS not in facts:
        raise ValueError(
            f"{option('reasons')} needs contributions, which the model does not have. Export it again with "
            "model.to_onnx(path, contributions=True) or `tabkd distill --contributions`."
        )
    n = facts["n_outputs"]
    if facts["task"] != "classification" and n > 1:
        raise ValueError(
            f"{option('reasons')} is for models of classes or of one target, not of {n} targets; leave it out."
        )


def of_predicted_class(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The contributions (n, d) to each row's score; of those to M scores (n, M, d), to that of the predicted class."""
    return values if values.ndim == 2 else values[np.arange(len(values)), scores.argmax(axis=1)]
