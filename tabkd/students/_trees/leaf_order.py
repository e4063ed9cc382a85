"""The order of a tree's leaves: pairs between which only one column decides.

A tree is monotone in a column if and only if each such pair has its values in order. So the proof compares them all,
and an isotonic regression of its leaves makes a tree monotone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from tabkd.onnx._trees import Nodes, rounded_down
from tabkd.students._encoding.float32 import LARGEST
from tabkd.students._trees.condition import Condition

#: The condition of a path on each column that it compares.
Region: TypeAlias = dict[int, Condition]
# Every value that a tree reads.
_ANYWHERE = Condition(high=LARGEST)
# A smaller pull, relative to all, is rounding.
_LEAST_PULL = 1e-9


def proved_by_leaves(trees: Iterable[Nodes], wanted: np.ndarray) -> np.ndarray:
    """The constraints that every tree obeys, and therefore their sum.

    Parameters
    ----------
    trees : iterable of Nodes
        Trees of one value in each leaf, as they are exported, with missing numbers filled.
    wanted : int8 array of shape (d,)
        The direction of each column; 0 for a free one.

    Returns
    -------
    int8 array of shape (d,)
        `wanted`, with 0 for each column whose direction some tree violates.
    """
    proved = wanted.copy()
    for nodes in trees:
        for i in np.flatnonzero(proved):
            if not rises(nodes, int(i), int(proved[i])):
                proved[i] = 0
    return proved


def rises(nodes: Nodes, column: int, sign: int) -> bool:
    """Whether `sign` times the value of a tree never falls as `column` rises and all other columns stay."""
    return next(_Order(nodes, column, sign).pairs(wrong_only=True), None) is None


def ordered_values(nodes: Nodes, wanted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The values of a tree whose leaves are set to the nearest ones in order, so that it obeys the constraints.

    This is an exact isotonic regression by recursive partition: a block of leaves takes its weighted mean, and is cut
    in two where that brings the leaves above the cut nearest to their own values. For squared error and for
    probabilities, the best blocks are the same.

    Parameters
    ----------
    nodes : Nodes
        A tree of one value in each leaf, with missing numbers filled.
    wanted : int8 array of shape (d,)
        The direction of each column.
    weights : array of shape (nodes,)
        The weight of each node.

    Returns
    -------
    array of shape (nodes,)
        The values, changed only for leaves.

    References
    ----------
    R. Luss, S. Rosset, M. Shahar, "Efficient Regularized Isotonic Regression with Application to Gene-Gene Interaction
    Search", Annals of Applied Statistics 6(1), 2012.
    """
    pairs = {pair for i in np.flatnonzero(wanted) for pair in _Order(nodes, int(i), int(wanted[i])).pairs()}
    order = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    given, weights = nodes.values[:, 0], np.maximum(weights, 1e-300)
    values = given.copy()
    blocks = [np.unique(order)] if pairs else []  # other leaves keep their values
    while blocks:
        block = blocks.pop()
        own = given[block]
        mean = np.clip(np.average(own, weights=weights[block]), own.min(), own.max())  # rounding may lead out of them
        inside = order[np.isin(order, block).all(axis=1)]
        upper = _upper_part(block, inside, weights[block] * (own - mean))
        if upper.any():
            blocks += [block[~upper], block[upper]]
        else:
            values[block] = mean
    return values


def _upper_part(block: np.ndarray, order: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """The leaves of a block, as a mask, that may rise together and are pulled up most; none if nothing is pulled up.

    Parameters
    ----------
    block : array of shape (m,)
        Leaves, in ascending order.
    order : array of shape (pairs, 2)
        Pairs of leaves of the block, the first of which must not be above the second.
    pull : array of shape (m,)
        How much each leaf gains if it rises.
    """
    size = np.abs(pull).sum()
    if size == 0:
        return np.zeros(len(block), dtype=bool)
    low, high = np.searchsorted(block, order).T
    rows = np.arange(len(order))
    ahead = coo_array((np.ones(len(rows)), (rows, low)), shape=(len(rows), len(block)))
    behind = coo_array((np.ones(len(rows)), (rows, high)), shape=(len(rows), len(block)))
    # The corners of this linear programme are whole numbers: 1 for each leaf that rises.
    found = linprog(-pull / size, A_ub=(ahead - behind).tocsr(), b_ub=np.zeros(len(rows)), bounds=(0, 1))
    rises = found.x > 0.5
    return rises if pull[rises].sum() > _LEAST_PULL * size else np.zeros(len(block), dtype=bool)


class _Order:
    """The order of the leaves by one column, with the smallest and the largest value below each node."""

    def __init__(self, nodes: Nodes, column: int, sign: int) -> None:
        self.nodes, self.column, self.sign = nodes, column, sign
        self.threshold = rounded_down(nodes.threshold)
        self.least = sign * nodes.values[:, 0]
        self.most = self.least.copy()
        for node in reversed(np.flatnonzero(nodes.left >= 0)):  # children follow their parents
            children = [nodes.left[node], nodes.right[node]]
            self.least[node], self.most[node] = self.least[children].min(), self.most[children].max()

    def pairs(self, wrong_only: bool = False) -> Iterator[tuple[int, int]]:
        """The pairs of leaves whose first must not be above the second; all, or only those where it is."""
        stack = list(self._splits())
        while stack:
            low, high, region = stack.pop()
            if wrong_only and self.most[low] <= self.least[high]:
                continue
            if self.nodes.left[low] >= 0:
                stack += [(child, high, part) for child, part in self._children(low, region, self.column)]
            elif self.nodes.left[high] >= 0:
                stack += [(low, child, part) for child, part in self._children(high, region, ~self.column)]
            else:
                yield (low, high) if self.sign > 0 else (high, low)

    def _splits(self) -> Iterator[tuple[int, int, Region]]:
        """The two children of each split on the column, lower values first, and the region that they share.

        Two rows that differ only in the column are compared there, so the column has an interval for each of them.
        """
        stack: list[tuple[int, Region]] = [(0, {self.column: _ANYWHERE._replace(missing=False)})]
        while stack:
            node, region = stack.pop()
            if self.nodes.left[node] < 0:
                continue
            children = self._children(node, region, self.column)
            stack += children
            if self.nodes.feature[node] == self.column and len(children) == 2:
                (low, low_region), (high, high_region) = children
                yield low, high, low_region | {~self.column: high_region[self.column]}

    def _children(self, node: int, region: Region, key: int) -> list[tuple[int, Region]]:
        """The children that some row of the region reaches, left first, each with its part of the region.

        `key` is what the region calls the column for the row that goes this way: one row has its position, the other
        the inverse of it.
        """
        feature = int(self.nodes.feature[node])
        feature = key if feature == self.column else feature
        given = region.get(feature, _ANYWHERE)
        split = float(self.threshold[node]), bool(self.nodes.missing_left[node])
        parts = [
            (int(self.nodes.left[node]), given.left_of(*split)),
            (int(self.nodes.right[node]), given.right_of(*split)),
        ]
        return [(child, region | {feature: part}) for child, part in parts if part.is_possible]
