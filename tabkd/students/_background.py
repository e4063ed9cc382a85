"""Real rows that a student keeps, with which contributions compare a row."""

from __future__ import annotations

import numpy as np

from tabkd.students._soft_rows import SoftRows

_MOST_ROWS, _MOST_VALUES = 256, 100_000


def background_rows(real: SoftRows) -> np.ndarray:
    """The codes of some real rows, drawn by their weights without replacement, always the same ones.

    Parameters
    ----------
    real : SoftRows
        The rows of the table.

    Returns
    -------
    ndarray of shape (m, d), float64
        At most 256 rows, and fewer of wide tables, so that a student stays small.

    Examples
    --------
    >>> rows = SoftRows(np.arange(10.0)[:, None], np.zeros((10, 1)), np.repeat([0.0, 1.0], 5))
    >>> sorted(background_rows(rows)[:, 0].tolist())
    [5.0, 6.0, 7.0, 8.0, 9.0]
    """
    weights = np.asarray(real.weights, dtype=np.float64)
    shares = weights / weights.sum() if weights.sum() > 0 else np.full(len(real), 1 / len(real))
    most = max(1, min(_MOST_ROWS, _MOST_VALUES // max(1, real.codes.shape[1]), int((shares > 0).sum())))
    return real.codes[np.random.default_rng(0).choice(len(real), most, replace=False, p=shares)]


def mixed(rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of which each has up to half of its columns from another row, so that more of them are different.

    Parameters
    ----------
    rows : ndarray of shape (m, d)
        The rows to mix.
    n : int
        Number of rows to return.
    rng : numpy.random.Generator
        Draws the rows and the columns.

    Returns
    -------
    ndarray of shape (n, d)
        Rows whose values all occur in `rows`, each in its column.
    """
    first, second = rows[rng.integers(len(rows), size=(2, n))]
    return np.where(rng.random(first.shape) < rng.random((n, 1)) / 2, second, first)


def herded(features: np.ndarray, n: int) -> np.ndarray:
    """The positions of n rows that together are distributed like all rows, in the order in which they were chosen.

    Kernel herding with a Gaussian kernel whose width is the median distance: each further row brings the mean of the
    chosen rows, in the space of the kernel, as close to that of all rows as it can.

    Parameters
    ----------
    features : ndarray of shape (m, k)
        The rows.
    n : int
        At most m.

    References
    ----------
    Y. Chen, M. Welling, A. Smola, "Super-Samples from Kernel Herding", UAI 2010.

    Examples
    --------
    One row of each of two groups:

    >>> sorted((herded(np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]]), 2) // 3).tolist())
    [0, 1]
    """
    points = np.asarray(features, dtype=np.float64)
    squares = (points**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0)
    width = np.median(distances[distances > 0]) if (distances > 0).any() else 1.0
    kernel = np.exp(-distances / width)
    goal, total = kernel.mean(axis=0), np.zeros(len(points))
    chosen: list[int] = []
    for k in range(n):
        gain = goal - total / (k + 1)
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
        total += kernel[chosen[-1]]
    return np.array(chosen, dtype=np.int64)
