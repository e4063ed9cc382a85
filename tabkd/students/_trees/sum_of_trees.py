"""The base class of students that are a tree or a sum of trees: their edges, proofs and contributions."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

import numpy as np

from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs
from tabkd.onnx._trees import Nodes
from tabkd.students._student import Student
from tabkd.students._student_graph import Edges
from tabkd.students._trees.games import Part, shared, write_shared
from tabkd.students._trees.leaf_order import proved_by_leaves
from tabkd.students._trees.ordinal import OrdinalTable


class SumOfTrees(Student):
    """A student whose scores are sums of trees."""

    encoder_: OrdinalTable

    @abstractmethod
    def _trees(self) -> list[Nodes]:
        """The trees."""

    @abstractmethod
    def _parts(self) -> list[Part]:
        """The games of the trees, of which the contributions are sums."""

    @abstractmethod
    def _raw_factors(self) -> np.ndarray:
        """The matrix (scores of the parts, M) that turns contributions to these scores into those to raw scores."""

    def _filled_trees(self) -> list[Nodes]:
        """The trees as they are exported: a missing number takes the branch of its fill."""
        return [nodes.filled(self.encoder_.fill_) for nodes in self._trees()]

    def _last_values(self) -> list[Nodes]:
        """The exported trees with only the values of the last target: the only one, or that of the second class."""
        return [replace(nodes, values=nodes.values[:, -1:]) for nodes in self._filled_trees()]

    def edges(self) -> list[Edges]:
        """The thresholds of the trees.

        Returns
        -------
        list of Edges
            An entry for each numeric column that is split on.
        """
        return self.encoder_.edges_of(self._trees())

    def proved_monotone(self) -> np.ndarray:
        """Prove the constraints for each tree by comparing its leaves, so that they hold for the sum of the trees.

        Returns
        -------
        int8 array of shape (d,)
            `monotonic_cst_`, with 0 for each column whose constraint is not proved.
        """
        return proved_by_leaves(self._last_values(), self.monotonic_cst_)

    def explain_codes(self, codes: np.ndarray) -> np.ndarray:
        """Compute how much each column contributes to the raw scores of a row: the exact Shapley values.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, M, d), float64
            The sum over the columns is the raw score minus that of `base_values`.

        Raises
        ------
        NotImplementedError
            If the paths of the trees have too many columns.

        References
        ----------
        S. M. Lundberg et al., "From local explanations to global understanding with explainable AI for trees",
        Nature Machine Intelligence 2, 2020.
        """
        found = shared(self._parts(), self.encoder_.transform_codes(codes))
        return np.matmul(self._raw_factors().T, found)

    def write_contributions(self, graph: Graph, inputs: Inputs) -> str:
        """Write what `explain_codes` computes into a graph.

        Parameters
        ----------
        graph : tabkd.onnx.Graph
            Takes the nodes.
        inputs : tabkd.onnx.Inputs
            The columns of the table.

        Returns
        -------
        str
            A tensor of shape (n, d), or (n, M, d) if there are several raw scores; float32.

        Raises
        ------
        NotImplementedError
            If the paths of the trees have too many columns.
        """
        table, factors = self.encoder_.write_onnx(graph, inputs), self._raw_factors()
        found = write_shared(graph, table, self._parts(), len(self.schema_.columns), self.encoder_.fill_)
        if (factors == np.eye(len(factors))).all():
            return found
        if len(factors) == 1:
            return graph.node("Mul", [found, graph.float32(factors[0])])
        return graph.node("MatMul", [graph.float32(factors.T), found])

    def values_per_explanation(self) -> int:
        """Count the numbers that the graph of the contributions holds for a row at a time.

        Returns
        -------
        int
            The shares that are looked up, or the contributions.
        """
        shares = sum(len(game.path) for part in self._parts() for game in part.games)
        return max(shares, super().values_per_explanation())
