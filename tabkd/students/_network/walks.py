"""Shapley values of a network by walks from background rows to a row.

A walk takes a background row and gives it the columns of the row to explain, one after the other in the order of a
permutation; the change of the score in a step is the contribution of its column, so the steps of a walk add up to the
difference of the two scores. The mean over all permutations and background rows is the Shapley value (Castro, Gómez,
Tejada, "Polynomial calculation of the Shapley value based on sampling", 2009). Few walks are enough, because:

- Every permutation is walked forwards and backwards, which is exact for effects of single columns and of pairs
  (Mitchell, Cooper, Frank, Holmes, "Sampling Permutations for Shapley Value Estimation", 2022).
- The background rows of the walks are herded, so that they are distributed like all background rows.
- The error of the few walks is learnt once, from rows that many more walks explain, as a linear function of the
  scores on the way (Covert, Kim, Lee, Zou, Hashimoto, "Stochastic Amortization", 2024, learn contributions from noisy
  ones in the same way). Contributions add up exactly nevertheless.

The first layer of a network adds up the inputs of all columns, so a step costs one addition there. The walks are fixed
when a student is fitted: Python and the graph take the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from tabkd._threads import n_threads
from tabkd.students._background import herded, mixed
from tabkd.students._network.network import Network
from tabkd.students._network.readout import Readout

# Steps of all walks of one direction together; for several scores more, because they share what is learnt.
_STEPS, _STEPS_OF_SEVERAL = 112, 512
# The fewest walks; and the fewest if only their mean error is learnt, because there would be too many weights.
_LEAST_WALKS, _LEAST_PLAIN_WALKS, _MOST_WEIGHTS = 8, 16, 1 << 16
# The rows to learn from, the scores of all of them, and the steps that explain all of them.
_ROWS, _ROW_VALUES, _REFERENCE_STEPS = 4096, 1 << 23, 1 << 21
# Rows that share their reference walks: the fewer, the more the errors of the walks cancel.
_SHARED = 8
# Numbers in the first layer at a time, so that they stay in the processor's cache; and rows of a thread at a time.
_BLOCK_VALUES, _THREAD_ROWS = 1 << 19, 128


class Walks(NamedTuple):
    """Permutations of the players, each with a background row.

    Attributes
    ----------
    ranks : int64 ndarray of shape (q, p)
        When a walk takes each player, from 0.
    stored : float32 ndarray of shape (q, p, units)
        The contributions of the players to the first layer in the background row of each walk.
    """

    ranks: np.ndarray
    stored: np.ndarray

    def taken(self) -> np.ndarray:
        """Which players have been taken at each step between the two rows, float32 of shape (q, p - 1, p)."""
        steps = np.arange(1, self.ranks.shape[1])
        return (self.ranks[:, None, :] < steps[:, None]).astype(np.float32)

    def readout(self, network: Network) -> Readout:
        """The contributions as the mean change in the steps, forwards and backwards."""
        last, steps = self.ranks.shape[1] - 1, np.arange(1, self.ranks.shape[1])[:, None]
        after, before = self.ranks[:, None, :] + 1 == steps, self.ranks[:, None, :] == steps
        differences = (after.astype(np.float64) - before).reshape(-1, last + 1) / (2 * len(self.ranks))
        ends = ((self.ranks == 0) * 1.0 + (self.ranks == last)) / (2 * len(self.ranks))
        starts = network.behind(self.stored.sum(axis=1) + network.layers[0][1])
        return Readout(differences, ends.sum(axis=0), -starts.T.astype(np.float64) @ ends)

    def scores(self, network: Network, sums: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For blocks of rows the scores at the steps, forwards minus backwards (n, s, M), and their own (n, M)."""
        taken, bias = self.taken(), network.layers[0][1]
        forwards = np.matmul(1 - taken, self.stored).reshape(-1, sums.shape[2]) + bias
        backwards = np.matmul(taken, self.stored).reshape(-1, sums.shape[2]) + bias
        flat = taken.reshape(-1, sums.shape[1])
        size = max(1, _BLOCK_VALUES // max(1, forwards.size))
        for start in range(0, len(sums), size):
            part = sums[start : start + size]
            total, steps = part.sum(axis=1), flat @ part
            changes = network.behind(steps + forwards) - network.behind(total[:, None] - steps + backwards)
            yield changes, network.behind(total + bias)

    def explain(self, network: Network, sums: np.ndarray, readout: Readout | None = None) -> np.ndarray:
        """Contributions to the raw scores, (n, M, p); by default those of the walks alone."""
        readout = readout or self.readout(network)
        found = [readout.of(*scores) for scores in self.scores(network, sums)]
        return np.concatenate([np.empty((0, network.n_scores, sums.shape[1])), *found])


class Explainer:
    """Contributions of a network's columns, against background rows.

    Parameters
    ----------
    network : Network
        The network.
    background : ndarray of shape (m, d), float64
        Codes of the background rows.

    Attributes
    ----------
    walks : Walks
        The walks that explain a row.
    walked : ndarray of shape (q, d), float64
        The codes of their background rows.
    readout : Readout
        How contributions are read from their scores.
    weighs : bool
        Whether the scores of the steps have weights that were learnt.
    """

    def __init__(self, network: Network, background: np.ndarray) -> None:
        self.network = network
        sums = network.column_sums(background)
        n, p = sums.shape[:2]
        rng = np.random.default_rng(0)
        n_walks, self.weighs = _size(network, n)
        herd = herded(network.encoder.transform_codes(background), min(n_walks, n))
        rows = herd[np.arange(n_walks) % len(herd)]
        self.walks, self.walked = Walks(_permutations(n_walks, p, rng), sums[rows]), background[rows]
        if p:
            with threadpool_limits(1, user_api="blas"):
                self.readout = self._learnt(background, sums, rng)

    def _learnt(self, background: np.ndarray, sums: np.ndarray, rng: np.random.Generator) -> Readout:
        """The readout that comes closest to far more walks, on real rows and, if it has weights, on mixtures of them.

        Without weights, the contributions of the background rows add up to zero.
        """
        network, plain, (n, p) = self.network, self.walks.readout(self.network), sums.shape[:2]
        rows = sums
        if self.weighs:
            n_rows = min(_ROWS, _ROW_VALUES // (len(plain.differences) * network.n_scores))
            rows = network.column_sums(np.vstack([background, mixed(background, max(0, n_rows - n), rng)]))
        n_walks = max(len(self.walks.ranks), _REFERENCE_STEPS // (len(rows) * max(1, p - 1)))
        if network.is_linear:
            n_walks = n  # which is exact
        # Other walks for every few rows, so that their own errors cancel.
        starts = range(0, len(rows), _SHARED)
        drawn = [(rng.permutation(n)[np.arange(n_walks) % n], _permutations(n_walks, p, rng)) for _ in starts]

        def explained(start: int) -> np.ndarray:
            chosen, ranks = drawn[start // _SHARED]
            return Walks(ranks, sums[chosen]).explain(network, rows[start : start + _SHARED])

        better = np.concatenate(_in_threads(explained, starts))
        changes, own = map(np.concatenate, zip(*self.walks.scores(network, rows), strict=True))
        baseline = network.behind(sums.sum(axis=1) + network.layers[0][1]).mean(axis=0, dtype=np.float64)
        better += ((own - baseline) - better.sum(axis=2))[:, :, None] / p
        return plain.corrected(changes, own, better, self.weighs)

    def explain(self, codes: np.ndarray) -> np.ndarray:
        """Contributions to the raw scores, float64 of shape (n, M, d)."""
        network = self.network
        found = np.zeros((len(codes), network.n_scores, network.n_columns))

        def fill(start: int) -> None:
            rows = slice(start, start + _THREAD_ROWS)
            sums = network.column_sums(codes[rows])
            found[rows, :, network.players] = self.walks.explain(network, sums, self.readout)

        if len(network.players):
            _in_threads(fill, range(0, len(codes), _THREAD_ROWS))
        return found

    def values_per_row(self) -> int:
        """The numbers in the first layer at all steps of a row."""
        n_walks, p, units = self.walks.stored.shape
        return max(1, n_walks * (p - 1) * units)


def _size(network: Network, n_background: int) -> tuple[int, bool]:
    """How many walks explain a row, and whether their steps get separate weights."""
    p = len(network.players)
    if network.is_linear:
        return 1, False
    steps = _STEPS if network.n_scores == 1 else _STEPS_OF_SEVERAL
    wanted = min(n_background, -(-steps // (p - 1)))
    few = max(_LEAST_WALKS, wanted)
    if few * (p - 1) * p <= _MOST_WEIGHTS:
        return few, True
    return max(_LEAST_PLAIN_WALKS, wanted), False


def _in_threads(work: Callable, starts: range) -> list:
    """The results of `work` for each of the starts; BLAS has too little work at a time to use its own threads."""
    if len(starts) < 2:
        return [work(start) for start in starts]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_threads(None)) as threads:
        return list(threads.map(work, starts))


def _permutations(n: int, p: int, rng: np.random.Generator) -> np.ndarray:
    """The ranks of p players in n permutations, int64 (n, p)."""
    return rng.permuted(np.tile(np.arange(p), (n, 1)), axis=1)
