"""Exact Shapley values of trees.

A tree is a sum over its nodes: what a node adds counts for a row that fulfils every condition on the way to it. So is
its game, in which columns that are left out take their values from a background row. The game of one node depends only
on which of the conditions the row fulfils, and which the background row fulfils (Lundberg et al., "From local
explanations to global understanding with explainable AI for trees", 2020, "interventional TreeSHAP"): let a be the
number of columns whose condition only the row fulfils, and b that of columns whose condition only the background row
fulfils. If each column is fulfilled by one of them, then one of the first has the Shapley value
(a - 1)! b! / (a + b)!, and one of the second - a! (b - 1)! / (a + b)!; otherwise all are zero.

The mean over the background rows is thus a table with an entry for each set of conditions that a row may fulfil. As a
decision tree over these conditions, with the branches cut that no background row reaches, it is what the graph holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import factorial

import numpy as np

from tabkd.onnx._graph import Graph
from tabkd.onnx._trees import Nodes, write_ensemble

# Most entries of all tables of a student, which bounds its file at some tens of megabytes.
_MOST_ENTRIES = 1 << 18


@dataclass(frozen=True)
class Condition:
    """What a path asks of one column: low < x <= high, or a missing value."""

    low: float = -np.inf
    high: float = np.inf
    missing: bool = True

    def left_of(self, threshold: float, missing_left: bool) -> Condition:
        """The condition, and to go left at a node."""
        return Condition(self.low, min(self.high, threshold), self.missing and missing_left)

    def right_of(self, threshold: float, missing_left: bool) -> Condition:
        """The condition, and to go right at a node."""
        return Condition(max(self.low, threshold), self.high, self.missing and not missing_left)

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Which values fulfil it: float32 values, compared with float64 thresholds."""
        values = values.astype(np.float64)
        return np.where(np.isnan(values), self.missing, (self.low < values) & (values <= self.high))


@dataclass(frozen=True)
class Game:
    """What a node adds to the scores of the rows that reach it, and how that is shared among the columns of its path.

    Attributes
    ----------
    path : dict of int to Condition
        The condition of each column of the path.
    value : ndarray of shape (M,)
        What the node adds to the scores.
    background : float32 ndarray of shape (m, d)
        The background rows as the tree reads them.
    """

    path: dict[int, Condition]
    value: np.ndarray
    background: np.ndarray = field(repr=False)

    @cached_property
    def columns(self) -> list[int]:
        """The columns of the path, those first whose condition the fewest background rows fulfil."""
        return sorted(self.path, key=lambda i: (int(self.path[i].holds(self.background[:, i]).sum()), i))

    def fulfilled(self, table: np.ndarray) -> np.ndarray:
        """Which conditions rows fulfil, bool of shape (n, s)."""
        return np.stack([self.path[i].holds(table[:, i]) for i in self.columns], axis=1)

    @cached_property
    def shares(self) -> np.ndarray:
        """The share of each column for each set of fulfilled conditions, of shape (2,) * s + (s,)."""
        rows, counts = np.unique(self.fulfilled(self.background), axis=0, return_counts=True)
        s = len(self.columns)
        own = np.indices((2,) * s).reshape(s, -1).T.astype(np.float64)
        theirs = rows.astype(np.float64)
        a, b = own @ (1 - theirs).T, (1 - own) @ theirs.T
        alive = counts / counts.sum() * ((1 - own) @ (1 - theirs).T == 0)
        orders = np.array([[_share(i, j) for j in range(s + 1)] for i in range(s + 1)])
        a, b = a.astype(np.int64), b.astype(np.int64)
        gains = own * ((alive * orders[a, b]) @ (1 - theirs))
        losses = (1 - own) * ((alive * orders[b, a]) @ theirs)
        return (gains - losses).reshape((2,) * s + (s,))

    def nodes(self) -> Nodes:
        """The table as a decision tree over the conditions, whose leaves hold the M * s products of value and share."""
        made: list[list] = []

        def leaf(shares: np.ndarray) -> int:
            made.append([-1, -1, 0, 0.0, False, np.outer(self.value, shares).ravel()])
            return len(made) - 1

        def split(left: int, right: int, column: int, threshold: float, missing_left: bool) -> int:
            made.append([left, right, column, threshold, missing_left, np.zeros(len(self.value) * len(self.columns))])
            return len(made) - 1

        def part(shares: np.ndarray, columns: Sequence[int]) -> int:
            if not columns or not shares.any():
                return leaf(shares.reshape(-1, shares.shape[-1])[0])
            if np.array_equal(shares[0], shares[1]):
                return part(shares[0], columns[1:])
            column, condition = columns[0], self.path[columns[0]]
            fails, holds = part(shares[0], columns[1:]), part(shares[1], columns[1:])
            # A missing value goes where it belongs at each of the two comparisons.
            if condition.high < np.inf:
                holds = split(holds, fails, column, condition.high, condition.missing)
            if condition.low > -np.inf or condition.high == np.inf:
                holds = split(fails, holds, column, condition.low, not condition.missing)
            return holds

        root = part(self.shares, self.columns)
        # The root comes first, as in other trees.
        order = np.array([root, *(i for i in range(len(made)) if i != root)])
        place = np.argsort(order)
        left, right, feature, threshold, missing_left, values = zip(*(made[i] for i in order), strict=True)
        return Nodes(
            _moved(np.array(left), place),
            _moved(np.array(right), place),
            np.array(feature),
            np.array(threshold, dtype=np.float64),
            np.array(missing_left),
            np.array(values),
        )


def _share(a: int, b: int) -> float:
    """(a - 1)! b! / (a + b)!, and zero for a = 0."""
    return factorial(a - 1) * factorial(b) / factorial(a + b) if a else 0.0


def _moved(children: np.ndarray, place: np.ndarray) -> np.ndarray:
    return np.where(children < 0, -1, place[children])


def games(nodes: Nodes, values: np.ndarray, background: np.ndarray) -> Iterator[Game]:
    """The games of a tree, one for each split.

    The right child of a split adds nothing: its value counts for the whole split, and the left child adds the
    difference. This has fewer conditions than the games of all leaves.

    Parameters
    ----------
    nodes : Nodes
        The tree.
    values : ndarray of shape (nodes, M)
        The scores of its leaves.
    background : float32 ndarray of shape (m, d)
        The background rows as the tree reads them.
    """
    waiting: list[tuple[int, dict[int, Condition]]] = [(0, {})]
    while waiting:
        node, path = waiting.pop()
        if nodes.left[node] < 0:
            continue
        column = int(nodes.feature[node])
        given, split = path.get(column, Condition()), (float(nodes.threshold[node]), bool(nodes.missing_left[node]))
        left, right = int(nodes.left[node]), int(nodes.right[node])
        left_path = path | {column: given.left_of(*split)}
        value = values[_rightmost(nodes, left)] - values[_rightmost(nodes, right)]
        if np.any(value):
            yield Game(left_path, value, background)
        waiting += [(left, left_path), (right, path | {column: given.right_of(*split)})]


def _rightmost(nodes: Nodes, node: int) -> int:
    while nodes.left[node] >= 0:
        node = int(nodes.right[node])
    return node


def check_size(played: Sequence[Game], student: str) -> None:
    """Refuse trees whose tables would be too large.

    Raises
    ------
    ValueError
        If they have more entries than a file should.
    """
    n_entries = sum(np.count_nonzero(game.value) << len(game.path) for game in played)
    if n_entries > _MOST_ENTRIES:
        longest = max(len(game.path) for game in played)
        raise ValueError(
            f"The exact contributions of this {student} would take tables of {n_entries:,} entries, where at most "
            f"{_MOST_ENTRIES:,} are allowed: they double with every column of a path, and its longest path has "
            f"{longest} columns. Set a smaller max_depth or max_leaf_nodes."
        )


def shared(played: Iterable[Game], table: np.ndarray, n_scores: int) -> np.ndarray:
    """The sum of all games for rows as the trees read them, float64 of shape (n, M, d)."""
    out = np.zeros((len(table), n_scores, table.shape[1]))
    for game in played:
        place = tuple(game.fulfilled(table).T.astype(np.int64))
        out[:, :, game.columns] += game.value[:, None] * game.shares[place][:, None, :]
    return out


def write_shared(graph: Graph, table: str, played: Iterable[Game], shape: tuple[int, ...], fill: np.ndarray) -> str:
    """Write what `shared` computes, float32 of shape (n, d), or (n, M, d) where `shape` is (M, d).

    Parameters
    ----------
    graph : Graph
        Takes the nodes.
    table : str
        The columns as the trees read them, before missing numbers are filled.
    played : iterable of Game
        The games.
    shape : tuple of int
        The shape of a row.
    fill : ndarray of shape (d,)
        What missing numbers would be filled with.
    """
    d, width = shape[-1], int(np.prod(shape))
    trees = []
    for game in played:
        targets = [score * d + column for score in range(len(game.value)) for column in game.columns]
        trees.append((game.nodes().filled(fill), targets))
    found = write_ensemble(graph, table, trees, width, sparse=True) if trees else graph.zeros(table, width)
    return found if len(shape) == 1 else graph.node("Reshape", [found, graph.constant(np.array([-1, *shape]))])
