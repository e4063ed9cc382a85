"""Which pairs of columns an additive student has: those that explain the most beyond the other terms.

Trees suggest candidates. Their grids enter a weighted least-squares fit to the teacher's scores one by one, next to the
main effects of all their columns; held-out rows show how many of them help.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from tabkd.students._additive.forward import Moments, entering
from tabkd.students._additive.grids import Grids, features, places
from tabkd.students._additive.pair_trees import Interaction, interactions
from tabkd.students._encoding.encoder import TableEncoder
from tabkd.students._soft_rows import SoftRows

# Rows on which pairs are searched; fewer with many columns, so that the number of values is limited. One in five rows
# is held out.
_MAX_ROWS, _MAX_VALUES, _MIN_ROWS, _HELD_OUT = 30_000, 10_000_000, 2_000, 5
# Candidates, by the gain of their trees, and the ramps and levels of each of their columns.
_MAX_CANDIDATES, _TRIED_KNOTS, _TRIED_LEVELS = 24, 4, 6
# Most pairs of "auto", and how much less the fewest may explain than the best number, as a share of the teacher's
# variance.
_MAX_AUTO, _SHORT = 16, 0.002
# Most numbers in the grids of all pairs, each of which takes six bytes of a file; and the ramps of all columns and the
# levels of each that are tried until they fit.
_MAX_NUMBERS = 800
_FINENESS = ((96, 16), (64, 16), (64, 8), (48, 8), (40, 8), (40, 6), (32, 6), (28, 6), (24, 6), (16, 4), (8, 3))
# Smallest probability whose logarithm is taken, and smallest curvature of the cross-entropy of a row.
_LEAST_SHARE, _LEAST_CURVATURE = 1e-4, 1e-2


def chosen_grids(
    encoder: TableEncoder,
    rows: SoftRows,
    n_pairs: int | Literal["auto"],
    is_classifier: bool,
    is_constrained: bool,
    rng: np.random.RandomState,
    n_jobs: int | None,
) -> Grids:
    """Choose the pairs of an additive student, and their grids.

    Parameters
    ----------
    encoder : TableEncoder
        The encoding of the table.
    rows : SoftRows
        Real rows with the teacher's answers.
    n_pairs : int or "auto"
        How many pairs at most; "auto" chooses it on held-out rows.
    is_classifier : bool
        Whether the targets are probabilities.
    is_constrained : bool
        Whether a column has to rise or fall: a pair then explains less, so "auto" takes all that help.
    rng : numpy.random.RandomState
        Draws the rows.
    n_jobs : int or None
        Threads; None for all cores.
    """
    place = places(encoder)
    most = _MAX_AUTO if n_pairs == "auto" else int(n_pairs)
    values = encoder.numeric_values(rows.codes)
    if most == 0 or len(np.unique(place)) < 2:
        return Grids.of(encoder, values, {}, 0, 0)
    scores, weights = teacher_scores(rows, is_classifier)
    some = rng.permutation(len(rows))[: max(_MIN_ROWS, min(_MAX_ROWS, _MAX_VALUES // len(place)))]
    codes, scores, weights = rows.codes[some], scores[some], weights[some]
    table = np.hstack([values[some], encoder.level_rows(codes)]).astype(np.float64)
    found, residual = interactions(table, values.shape[1], scores, weights, place, rng.randint(2**31 - 1), n_jobs)
    ranked = sorted(found, key=lambda pair: -found[pair].gain)[:_MAX_CANDIDATES]
    order, errors = _ordered(encoder, values, {pair: found[pair] for pair in ranked}, codes, residual, weights, most)
    if n_pairs == "auto":
        short = 0 if is_constrained else _SHORT
        order = order[: _enough(errors, short * _variance(scores, weights))]
    return _fitting(encoder, values, {pair: found[pair] for pair in order}, _MAX_NUMBERS // scores.shape[1])


def teacher_scores(rows: SoftRows, is_classifier: bool) -> tuple[np.ndarray, np.ndarray]:
    """The teacher's raw scores (n, M), and weights with which their squared error is about the loss of the answers.

    For classes these are log-odds, or centred log-probabilities, and the curvature of the cross-entropy; for values
    the standardised targets.
    """
    targets = rows.targets
    if not is_classifier:
        spread = targets.std(axis=0)
        return (targets - targets.mean(axis=0)) / np.where(spread > 0, spread, 1), rows.weights
    logs = np.log(np.clip(targets, _LEAST_SHARE, 1))
    curvature = np.maximum(1 - (targets**2).sum(axis=1), _LEAST_CURVATURE) * rows.weights
    if targets.shape[1] == 2:
        return logs[:, 1:] - logs[:, :1], curvature
    return logs - logs.mean(axis=1, keepdims=True), curvature


def _fitting(encoder: TableEncoder, values: np.ndarray, chosen: dict, most: int) -> Grids:
    """The finest grids within a number of products; without the last pairs if even the coarsest have more."""
    while chosen:
        for n_knots, n_levels in _FINENESS:
            grids = Grids.of(encoder, values, chosen, n_knots, n_levels)
            if grids.n_cells <= most:
                return grids
        chosen = dict(list(chosen.items())[:-1])
    return Grids.of(encoder, values, {}, 0, 0)


def _ordered(
    encoder: TableEncoder,
    values: np.ndarray,
    candidates: dict[tuple[int, int], Interaction],
    codes: np.ndarray,
    residual: np.ndarray,
    weights: np.ndarray,
    most: int,
) -> tuple[list[tuple[int, int]], list[float]]:
    """The candidates in the order in which they enter, and the error on held-out rows before and after each."""
    columns = sorted({column for pair in candidates for column in pair})
    grids = Grids.of(encoder, values, candidates, _TRIED_KNOTS * len(columns), _TRIED_LEVELS)
    names, pairs = list(grids.pairs), grids.pairs.values()
    if not names:
        return [], [0.0]
    mains = np.flatnonzero(np.isin(grids.encoder.feature_columns(), places(encoder)[columns]))
    first = np.concatenate([np.repeat(pair.first, len(pair.second)) for pair in pairs])
    second = np.concatenate([np.tile(pair.second, len(pair.first)) for pair in pairs])

    def design(codes: np.ndarray) -> np.ndarray:
        z = features(grids.encoder, codes)
        return np.hstack([np.ones((len(z), 1), np.float32), z[:, mains], z[:, first] * z[:, second]])

    n = len(codes) // _HELD_OUT
    parts = (slice(n, None), slice(0, n) if n else slice(None))
    learnt, seen = (Moments.of(design, codes[part], residual[part], weights[part]) for part in parts)
    sizes = np.cumsum([1 + len(mains), *(pair.n_cells for pair in pairs)])
    order, errors = entering(learnt, seen, np.split(np.arange(sizes[-1]), sizes[:-1]), most)
    return [names[k] for k in order], errors


def _enough(errors: list[float], short: float) -> int:
    """The fewest pairs whose error is at most `short` above the least."""
    return int(np.argmax(np.array(errors) <= min(errors) + short))


def _variance(scores: np.ndarray, weights: np.ndarray) -> float:
    """The variance of the scores, summed over the targets."""
    weights = weights / max(weights.sum(), 1e-300)
    return float((weights[:, None] * (scores - weights @ scores) ** 2).sum())
