"""Which columns of a wide table are drawn for synthetic rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabkd.augment._of_columns import OfColumns
from tabkd.students import SoftRows
from tabkd.students._encoding.surrogate import MANY_COLUMNS, used_columns


def for_used_columns(augmenter: Any, rows: SoftRows, rng: np.random.RandomState, n_jobs: int | None) -> Any:
    """The augmenter, which in a wide table draws the columns that the targets depend on.

    Parameters
    ----------
    augmenter : Augmenter or object with `fit` and `sample`
        It may draw all columns: an augmenter that does not treat them alike is returned as it is.
    rows : SoftRows
        The real rows with their targets.
    rng : RandomState
        Draws the seed of the trees that show which columns are used.
    n_jobs : int or None
        Threads.
    """
    if rows.codes.shape[1] <= MANY_COLUMNS or not getattr(augmenter, "treats_columns_alike", False):
        return augmenter
    used = used_columns(rows, rng.randint(2**31 - 1), n_jobs)
    return augmenter if used.all() or not used.any() else OfColumns(augmenter, np.flatnonzero(used))
