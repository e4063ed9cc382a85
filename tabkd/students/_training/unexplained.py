"""The share of its teacher's answers that a student leaves unexplained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import rel_entr

from tabkd.students._soft_rows import SoftRows

# Rows that show it well enough.
_MOST_ROWS = 10_000


def unexplained(answers: Callable[[np.ndarray], np.ndarray], rows: SoftRows, scale: np.ndarray | None) -> float:
    """The error on rows, as a share of the error of the best constant.

    Parameters
    ----------
    answers : callable
        Gives the student's answers (n, K) to codes (n, d).
    rows : SoftRows
        The rows; an even sample of them is used.
    scale : ndarray of shape (K,) or None
        The unit of each value, for the squared error; None for probabilities, whose error is the Kullback-Leibler
        divergence from the targets.
    """
    rows = rows.take(np.arange(0, len(rows), -(-len(rows) // _MOST_ROWS)))
    constant = np.average(rows.targets, axis=0, weights=rows.weights)
    error, of_constant = (
        float(rows.weights @ _distances(given, rows.targets, scale)) for given in (answers(rows.codes), constant)
    )
    return error / of_constant if of_constant > 0 else 0.0


def _distances(answers: np.ndarray, targets: np.ndarray, scale: np.ndarray | None) -> np.ndarray:
    if scale is None:
        return rel_entr(targets, np.maximum(answers, 1e-12)).sum(axis=1)
    return (((answers - targets) / scale) ** 2).sum(axis=1)
