"""Types of the arguments of public functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

#: A table of n rows and d columns: a frame of pandas or polars, an array, or a list of rows.
TableLike: TypeAlias = ArrayLike | Sequence[Sequence[Any]]
#: Labels, targets or weights of n rows: a series, a frame, an array or a list.
ColumnLike: TypeAlias = ArrayLike | Sequence[Any]
#: The argument of scikit-learn's `check_random_state`.
RandomState: TypeAlias = int | np.random.RandomState | None
