"""A network whose first layer is a sum over the columns of a table, in NumPy and in a graph."""

from __future__ import annotations

import numpy as np

from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs
from tabkd.students._encoding.encoder import TableEncoder
from tabkd.students._encoding.stored_rows import StoredRows
from tabkd.students._network.one_byte import write_layer, write_weights
from tabkd.students._network.training import Layers


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
    n_scores : int
        Number M of raw scores.
    is_linear : bool
        Whether the scores are sums over the columns.
    """

    def __init__(self, encoder: TableEncoder, layers: Layers, n_columns: int) -> None:
        self.encoder, self.n_columns = encoder, n_columns
        self.layers = [(weights.astype(np.float32), bias.astype(np.float32)) for weights, bias in layers]
        columns = encoder.feature_columns()
        self.players, self.owner = np.unique(columns, return_inverse=True)
        self.owner = self.owner.astype(np.int64)
        self.n_scores = len(self.layers[-1][1])
        self.is_linear = len(self.layers) == 1 or len(self.players) < 2

    def column_sums(self, codes: np.ndarray) -> np.ndarray:
        """The contribution of each player to the first layer, float32 of shape (n, p, units)."""
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

    def write_sums(self, graph: Graph, inputs: Inputs | StoredRows) -> str:
        """Write `column_sums`, as a product with a matrix that has separate columns for each player."""
        weights = self.layers[0][0]
        p, units = len(self.players), weights.shape[1]
        parts = [part for part in self.encoder.write_features(graph, inputs) if part is not None]
        depth, onoff = graph.constant(np.array(p)), graph.float32([0.0, 1.0])
        owner = graph.node("OneHot", [graph.constant(self.owner, "owner"), depth, onoff])
        single = graph.reshape(write_weights(graph, weights), [-1, 1, units])
        apart = graph.node("Mul", [graph.reshape(owner, [-1, p, 1]), single])
        features = graph.concat(parts, "features")
        sums = graph.node("MatMul", [features, graph.reshape(apart, [-1, p * units])])
        return graph.reshape(sums, [-1, p, units])

    def write_behind(self, graph: Graph, hidden: str) -> str:
        """Write `behind`; all rows and steps of `hidden` become rows of one matrix."""
        for weights, bias in self.layers[1:]:
            hidden = write_layer(graph, graph.reshape(graph.node("Relu", [hidden]), [-1, len(weights)]), weights, bias)
        return hidden
