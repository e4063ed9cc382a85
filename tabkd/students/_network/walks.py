"""Shapley values of a network by walks from background rows to a row.

A walk takes a background row and gives it the columns of the row to explain, one after the other in the order of a
permutation; what a step changes in the score is the contribution of its column, so that the steps of a walk add up to
the difference of the two scores. The mean over all permutations and background rows is the Shapley value (Castro,
Gómez, Tejada, "Polynomial calculation of the Shapley value based on sampling", 2009). Few walks are enough, because:

- Every permutation is walked forwards and backwards, which is exact for effects of single columns and of pairs
  (Mitchell, Cooper, Frank, Holmes, "Sampling Permutations for Shapley Value Estimation", 2022).
- The background rows of the walks are herded, so that they are distributed like all background rows.
- What the walks still get wrong on average over the background rows is measured once, by many more walks, and
  subtracted from then on.

The first layer of a network adds up what each column brings to it, so that a step costs one addition there. The walks
are fixed when a student is fitted: Python and the graph take the same ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs
from tabkd.onnx._types import TensorType
from tabkd.students._background import herded
from tabkd.students._encoding.encoder import TableEncoder
from tabkd.students._encoding.stored_rows import StoredRows
from tabkd.students._network.training import Layers

# Steps of all walks of one direction together, and of those that measure their error; and the fewest walks.
_STEPS, _REFERENCE_STEPS = 512, 8192
_LEAST_WALKS, _REFERENCE_ROWS = 16, 4
# Numbers in the first layer at a time, so that they stay in the processor's cache.
_BLOCK_VALUES = 1 << 19


class Network:
    """A network whose first layer is a sum over the columns of a table.

    Parameters
    ----------
    encoder : TableEncoder
        Encodes the table.
    layers : list of (ndarray, ndarray)
        Weights (fan_in, fan_out) and biases (fan_out,) of each layer. The rows of the first weights are numeric units,
        then the rows of levels; the last layer gives the raw scores.
    n_columns : int
        Number d of columns of the table.

    Attributes
    ----------
    players : ndarray of shape (p,)
        Positions of the columns that the encoder reads.
    owner : ndarray of int64
        The player that each row of the first weights belongs to.
    """

    def __init__(self, encoder: TableEncoder, layers: Layers, n_columns: int) -> None:
        self.encoder, self.n_columns = encoder, n_columns
        self.layers = [(weights.astype(np.float32), bias.astype(np.float32)) for weights, bias in layers]
        columns = encoder.feature_columns()
        self.players, self.owner = np.unique(columns, return_inverse=True)
        self.owner = self.owner.astype(np.int64)
        self.n_scores = len(self.layers[-1][1])

    def column_sums(self, codes: np.ndarray) -> np.ndarray:
        """What each player brings to the first layer, float32 of shape (n, p, units)."""
        units, weights = self.encoder.units(codes), self.layers[0][0]
        sums = np.zeros((len(codes), len(self.players), weights.shape[1]), np.float32)
        n_units = units.shape[1]
        for player in np.unique(self.owner[:n_units]):
            mine = np.flatnonzero(self.owner[:n_units] == player)
            sums[:, player] = units[:, mine] @ weights[mine]
        rows = self.encoder.level_rows(codes)
        for j, column in enumerate(self.encoder.level_columns_):
            sums[:, np.searchsorted(self.players, column)] += weights[n_units:][rows[:, j]]
        return sums

    def behind(self, hidden: np.ndarray) -> np.ndarray:
        """The raw scores that follow from sums in the first layer, of shape (..., units)."""
        for weights, bias in self.layers[1:]:
            hidden = np.maximum(hidden, 0) @ weights + bias
        return hidden


class Walks(NamedTuple):
    """Permutations of the players, each with a background row.

    Attributes
    ----------
    ranks : int64 ndarray of shape (q, p)
        When a walk takes each player, from 0.
    stored : float32 ndarray of shape (q, p, units)
        What the players bring to the first layer in the background row of each walk.
    """

    ranks: np.ndarray
    stored: np.ndarray

    def taken(self) -> np.ndarray:
        """Which players have been taken at each step between the two rows, float32 of shape (q, p - 1, p)."""
        steps = np.arange(1, self.ranks.shape[1])
        return (self.ranks[:, None, :] < steps[:, None]).astype(np.float32)

    def ends(self) -> np.ndarray:
        """How much the scores of the two rows themselves count for each player in each walk, (q, p)."""
        last = self.ranks.shape[1] - 1
        return ((self.ranks == 0) * 1.0 + (self.ranks == last)) / (2 * len(self.ranks))

    def differences(self) -> np.ndarray:
        """The contributions from the scores at all steps, forwards minus backwards: shape (q * (p - 1), p)."""
        steps = np.arange(1, self.ranks.shape[1])[:, None]
        after, before = self.ranks[:, None, :] + 1 == steps, self.ranks[:, None, :] == steps
        return (after.astype(np.float64) - before).reshape(-1, self.ranks.shape[1]) / (2 * len(self.ranks))


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
    bias : ndarray of shape (M, p)
        What is added to the contributions that they give.
    """

    def __init__(self, network: Network, background: np.ndarray) -> None:
        self.network = network
        sums = network.column_sums(background)
        n, p = sums.shape[:2]
        rng = np.random.default_rng(0)
        linear = len(network.layers) == 1 or p < 2
        n_walks = 1 if linear else max(_LEAST_WALKS, min(len(background), -(-_STEPS // (p - 1))))
        herd = herded(network.encoder.transform_codes(background), min(n_walks, n))
        rows = herd[np.arange(n_walks) % len(herd)]
        self.walks, self.walked = Walks(_permutations(n_walks, p, rng), sums[rows]), background[rows]
        self.bias = self._bias(sums, rng) if p else np.zeros((network.n_scores, 0))

    def _bias(self, sums: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The mean error of the walks on the background rows, whose contributions then add up to zero."""
        n, p = sums.shape[:2]
        n_walks = max(len(self.walks.ranks), min(n, _REFERENCE_STEPS // max(1, p - 1)))
        better = np.zeros((self.network.n_scores, p))
        # Other walks for every few rows, so that their own errors cancel in the mean.
        for start in range(0, n, _REFERENCE_ROWS):
            rows = rng.permutation(n)[np.arange(n_walks) % n]
            many = Walks(_permutations(n_walks, p, rng), sums[rows])
            better += self._walked(sums[start : start + _REFERENCE_ROWS], many).sum(axis=0) / n
        better -= better.sum(axis=1, keepdims=True) / p
        return better - self._walked(sums, self.walks).mean(axis=0)

    def explain(self, codes: np.ndarray) -> np.ndarray:
        """Contributions to the raw scores, float64 of shape (n, M, d)."""
        network = self.network
        found = np.zeros((len(codes), network.n_scores, network.n_columns))
        if len(network.players):
            found[:, :, network.players] = self._walked(network.column_sums(codes), self.walks) + self.bias
        return found

    def _walked(self, sums: np.ndarray, walks: Walks) -> np.ndarray:
        """Contributions to the raw scores by some walks, (n, M, p)."""
        network, bias = self.network, self.network.layers[0][1]
        taken = walks.taken()
        forwards = np.matmul(1 - taken, walks.stored).reshape(-1, sums.shape[2]) + bias
        backwards = np.matmul(taken, walks.stored).reshape(-1, sums.shape[2]) + bias
        differences, ends, starts = walks.differences(), walks.ends().sum(axis=0), self._starts(walks)
        flat = taken.reshape(-1, sums.shape[1])
        out = np.empty((len(sums), network.n_scores, sums.shape[1]))
        size = max(1, _BLOCK_VALUES // max(1, forwards.size))
        for start in range(0, len(sums), size):
            part = sums[start : start + size]
            total = part.sum(axis=1)
            steps = flat @ part
            scores = network.behind(steps + forwards) - network.behind(total[:, None] - steps + backwards)
            own = network.behind(total + bias)
            out[start : start + size] = scores.transpose(0, 2, 1) @ differences + own[:, :, None] * ends - starts
        return out

    def _starts(self, walks: Walks) -> np.ndarray:
        """What the scores of the background rows of walks take from each player, (M, p)."""
        scores = self.network.behind(walks.stored.sum(axis=1) + self.network.layers[0][1])
        return scores.T.astype(np.float64) @ walks.ends()

    def values_per_row(self) -> int:
        """The numbers in the first layer at all steps of a row."""
        n_walks, p, units = self.walks.stored.shape
        return max(1, n_walks * (p - 1) * units)

    def write(self, graph: Graph, inputs: Inputs) -> str:
        """Write what `explain` computes: float32 of shape (n, d), or (n, M, d) for several scores."""
        network = self.network
        n_scores, d, p = network.n_scores, network.n_columns, len(network.players)
        row = [d] if n_scores == 1 else [n_scores, d]
        if p == 0:
            return graph.reshape(graph.zeros(inputs.pieces[0].name, n_scores * d), [-1, *row])
        bias = np.zeros((n_scores, d))
        bias[:, network.players] = self.bias - self._starts(self.walks)
        ends = np.zeros(d)
        ends[network.players] = self.walks.ends().sum(axis=0)
        sums = self._write_sums(graph, inputs)
        total = graph.node("ReduceSum", [sums, graph.constant(np.array([1]), "axes")], keepdims=1)
        first = graph.float32(network.layers[0][1], "bias")
        own = self._write_behind(graph, graph.node("Add", [total, first]))
        own = graph.reshape(own, [-1, n_scores, *[1] * (len(row) - 1)])
        found = graph.node("Mul", [own, graph.float32(ends, "ends")])
        found = graph.node("Add", [found, graph.float32(bias.reshape(row), "bias")])
        if p > 1:
            found = graph.node("Add", [self._write_steps(graph, sums, total, first), found])
        return found

    def _write_steps(self, graph: Graph, sums: str, total: str, first: str) -> str:
        """The part of the contributions that the steps between the two rows decide: (n, d) or (n, M, d)."""
        network, (q, p) = self.network, self.walks.ranks.shape
        units = self.walks.stored.shape[2]
        ranks = graph.constant(self.walks.ranks, "ranks")
        steps = graph.constant(np.arange(1, p)[:, None])
        taken = graph.node("Greater", [steps, graph.reshape(ranks, [-1, 1, p])])
        taken = graph.cast(taken, TensorType.FLOAT)
        others = graph.node("Sub", [graph.float32(1.0), taken])
        stored = self._write_sums(graph, StoredRows(graph, self.walked))
        flat = graph.reshape(taken, [-1, p])
        moved = graph.node("MatMul", [flat, sums])

        def constant(mask: str) -> str:
            return graph.node("Add", [graph.reshape(graph.node("MatMul", [mask, stored]), [-1, units]), first])

        forwards = graph.node("Add", [moved, constant(others)])
        backwards = graph.node("Add", [graph.node("Sub", [total, moved]), constant(taken)])
        scores = graph.node("Sub", [self._write_behind(graph, forwards), self._write_behind(graph, backwards)])
        n_steps = q * (p - 1)
        if network.n_scores == 1:
            scores = graph.reshape(scores, [-1, n_steps])
        else:
            scores = graph.node("Transpose", [graph.reshape(scores, [-1, n_steps, network.n_scores])], perm=[0, 2, 1])
        return graph.node("MatMul", [scores, self._write_differences(graph, ranks)])

    def _write_differences(self, graph: Graph, ranks: str) -> str:
        """`Walks.differences` for all columns of the table, zero for those that are not read."""
        network, (q, p) = self.network, self.walks.ranks.shape
        depth, onoff = graph.constant(np.array(p + 1)), graph.float32([0.0, 1 / (2 * q)])

        def hot(when: str) -> str:
            return graph.node("OneHot", [when, depth, onoff], axis=1)

        after = graph.node("Add", [ranks, graph.constant(np.array(1))])
        between = graph.columns(graph.node("Sub", [hot(after), hot(ranks)]), np.arange(1, p))
        found = graph.reshape(between, [-1, p])
        if p == network.n_columns:
            return found
        place = np.full(network.n_columns, p)
        place[network.players] = np.arange(p)
        return graph.columns(graph.concat([found, graph.zeros(found, 1)]), place)

    def _write_sums(self, graph: Graph, inputs: Inputs | StoredRows) -> str:
        """`Network.column_sums`, as a product with a matrix that has columns of its own for each player."""
        network, weights = self.network, self.network.layers[0][0]
        p, units = len(network.players), weights.shape[1]
        parts = [part for part in network.encoder.write_features(graph, inputs) if part is not None]
        depth, onoff = graph.constant(np.array(p)), graph.float32([0.0, 1.0])
        owner = graph.node("OneHot", [graph.constant(network.owner, "owner"), depth, onoff])
        single = graph.reshape(graph.float32(weights, "weights"), [-1, 1, units])
        apart = graph.node("Mul", [graph.reshape(owner, [-1, p, 1]), single])
        features = graph.concat(parts, "features")
        sums = graph.node("MatMul", [features, graph.reshape(apart, [-1, p * units])])
        return graph.reshape(sums, [-1, p, units])

    def _write_behind(self, graph: Graph, hidden: str) -> str:
        for weights, bias in self.network.layers[1:]:
            hidden = graph.gemm(graph.reshape(graph.node("Relu", [hidden]), [-1, len(weights)]), weights, bias)
        return hidden


def _permutations(n: int, p: int, rng: np.random.Generator) -> np.ndarray:
    """The ranks of p players in n permutations, int64 (n, p)."""
    return rng.permuted(np.tile(np.arange(p), (n, 1)), axis=1)
