"""The part of a student that explains its scores: what contributions are, for the subclasses that define them."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from sklearn.base import BaseEstimator

from tabkd._tables.schema import TableSchema
from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs


class Explainable:
    """The methods of contributions: a student may define `raw_scores`, `explain_codes` and `write_contributions`."""

    schema_: TableSchema
    n_outputs_: int
    background_: np.ndarray

    @property
    @abstractmethod
    def estimator_(self) -> BaseEstimator:
        """The estimator that users see as the student."""

    def raw_scores(self, codes: np.ndarray) -> np.ndarray:
        """Compute the scores that contributions add up to.

        A student with contributions defines this, `explain_codes` and `write_contributions`.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, M), float64
            For two classes the log-odds of the second one, for more classes their log-probabilities minus the mean of
            these over the classes, and otherwise the values of the targets.

        Raises
        ------
        NotImplementedError
            If the student has no contributions.
        """
        raise self._unexplained("raw_scores(codes)")

    def base_values(self) -> np.ndarray:
        """Compute the mean of the raw scores of `background_`, from which contributions start.

        Returns
        -------
        ndarray of shape (M,), float64
            The baseline of each raw score.

        Raises
        ------
        NotImplementedError
            If the student has no contributions.
        """
        return self.raw_scores(self.background_).mean(axis=0)

    def explain_codes(self, codes: np.ndarray) -> np.ndarray:
        """Compute how much each column contributes to the raw scores of a row.

        The contributions are Shapley values of the student, as in Lundberg and Lee, "A Unified Approach to
        Interpreting Model Predictions", 2017: a column that is left out takes its value from a row of `background_`.

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
            If the student has no contributions.
        """
        raise self._unexplained("explain_codes(codes)")

    def write_contributions(self, graph: Graph, inputs: Inputs) -> str:
        """Write what `explain_codes` computes into a graph.

        Parameters
        ----------
        graph : Graph
            Takes the nodes.
        inputs : Inputs
            The columns of the table.

        Returns
        -------
        str
            A tensor of shape (n, d), or (n, M, d) if there are several raw scores; float32.

        Raises
        ------
        NotImplementedError
            If the student has no contributions.
        """
        raise self._unexplained("write_contributions(graph, inputs)")

    def values_per_explanation(self) -> int:
        """Count the numbers that the graph of the contributions holds for a row at a time.

        It decides how many rows `tabkd.ExportedStudent` explains at once.

        Returns
        -------
        int
            About as many as the largest tensor has in a row.
        """
        return self.n_outputs_ * len(self.schema_.columns)

    def _unexplained(self, method: str) -> NotImplementedError:
        return NotImplementedError(
            f"student {type(self.estimator_).__name__} has no contributions: it defines no {method}."
        )
