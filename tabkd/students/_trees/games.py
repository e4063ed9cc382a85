"""Exact Shapley values of trees.

A tree is a sum over its nodes: a node counts for each row that fulfils every condition on the path to it. So is its
game, in which columns that are left out take their values from a background row. The game of one node depends only on
which of the conditions the row fulfils, and which the background row fulfils (Lundberg et al., "From local explanations
to global understanding with explainable AI for trees", 2020, "interventional TreeSHAP"): let a be the number of columns
whose condition only the row fulfils, and b that of columns whose condition only the background row fulfils. If each
column is fulfilled by one of them, then one of the first has the Shapley value (a - 1)! b! / (a + b)!, and one of the
second - a! (b - 1)! / (a + b)!; otherwise all are zero.

The mean over the background rows is thus a table with a row for each set of conditions that a row may fulfil. The graph
holds these tables, and looks up a row of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from math import factorial

import numpy as np

from tabkd.onnx._graph import Graph
from tabkd.onnx._trees import Nodes, write_ensemble
from tabkd.onnx._types import TensorType
from tabkd.students._trees.condition import Condition

# Most numbers in the tables of a student, which take four bytes each in its file.
_MOST_NUMBERS = 1 << 22


@dataclass(frozen=True)
class Game:
    """The amount that a node adds to the scores of rows that reach it, and how the columns of its path share it.

    Attributes
    ----------
    path : dict of int to Condition
        The condition of each column of the path.
    value : ndarray of shape (M,)
        The amount that the node adds to the scores.
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


def _share(a: int, b: int) -> float:
    """(a - 1)! b! / (a + b)!, and zero for a = 0."""
    return factorial(a - 1) * factorial(b) / factorial(a + b) if a else 0.0


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


@dataclass(frozen=True)
class Part:
    """The games of some scores.

    Attributes
    ----------
    games : list of Game
        Each with a value for every score of the part.
    n_scores : int
        The number of scores.
    """

    games: list[Game]
    n_scores: int


def check_size(played: Sequence[Game], student: str) -> None:
    """Refuse trees whose tables would be too large.

    Raises
    ------
    NotImplementedError
        If they have more entries than a file should.
    """
    n_numbers = sum(len(game.path) << len(game.path) for game in played)
    if n_numbers > _MOST_NUMBERS:
        longest = max(len(game.path) for game in played)
        raise NotImplementedError(
            f"The exact contributions of this {student} would take tables of {n_numbers:,} numbers, where at most "
            f"{_MOST_NUMBERS:,} are allowed: they double with every column on a path, and its longest path has "
            f"{longest} columns. Set a smaller max_leaf_nodes, or write the file without contributions."
        )


def shared(parts: Sequence[Part], table: np.ndarray) -> np.ndarray:
    """The sum of all games for rows as the trees read them, float64 of shape (n, M, d)."""
    found = []
    for part in parts:
        out = np.zeros((len(table), part.n_scores, table.shape[1]))
        for game in part.games:
            place = tuple(game.fulfilled(table).T.astype(np.int64))
            out[:, :, game.columns] += game.value[:, None] * game.shares[place][:, None, :]
        found.append(out)
    return np.concatenate(found, axis=1)


def write_shared(graph: Graph, table: str, parts: Sequence[Part], d: int, fill: np.ndarray) -> str:
    """Write what `shared` computes: float32 of shape (n, d), or (n, M, d) for several scores.

    One small tree for each column adds up, for each game, the position in its table: which conditions a row fulfils.

    Parameters
    ----------
    graph : Graph
        Takes the nodes.
    table : str
        The columns as the trees read them, before missing numbers are filled.
    parts : sequence of Part
        The games of some scores each, in the order of the scores.
    d : int
        The number of columns.
    fill : ndarray of shape (d,)
        The numbers that would replace missing ones.
    """
    ordered = [replace(part, games=sorted(part.games, key=lambda game: len(game.path))) for part in parts]
    n_games = sum(len(part.games) for part in ordered)
    n_scores = sum(part.n_scores for part in ordered)
    if not n_games:
        found = graph.zeros(table, n_scores * d)
        return found if n_scores == 1 else graph.reshape(found, [-1, n_scores, d])
    trees = [(nodes.filled(fill), targets) for nodes, targets in _look_ups([g for part in ordered for g in part.games])]
    rows = graph.cast(write_ensemble(graph, table, trees, n_games, sparse=True), TensorType.INT64)
    written, first = [], 0
    for part in ordered:
        zeros = graph.zeros(table, part.n_scores * d) if not part.games else None
        written.append(zeros or _write_part(graph, rows, first, part, d))
        first += len(part.games)
    whole = graph.concat(written)
    return whole if n_scores == 1 else graph.reshape(whole, [-1, n_scores, d])


def _look_ups(played: Sequence[Game]) -> Iterator[tuple[Nodes, list[int]]]:
    """For each column a tree that adds to each game what the condition of the column counts in the row of its table."""
    for column in sorted({column for game in played for column in game.path}):
        mine = [k for k, game in enumerate(played) if column in game.path]
        conditions = [played[k].path[column] for k in mine]
        counts = [1 << (len(played[k].path) - 1 - played[k].columns.index(column)) for k in mine]
        edges = np.unique([edge for one in conditions for edge in (one.low, one.high) if np.isfinite(edge)])
        # A value of each interval between the edges, then a missing one.
        values = np.append(edges, [np.inf, np.nan])
        holds = np.stack([one.holds(values) for one in conditions], axis=1)
        yield _search(edges, holds * np.array(counts, dtype=np.float64), column), mine


def _search(edges: np.ndarray, values: np.ndarray, column: int) -> Nodes:
    """A tree that finds the interval of a number by halves; its first split keeps missing values apart."""
    made: list[list] = []

    def node(first: int, last: int) -> int:
        place = len(made)
        if first == last:
            made.append([-1, -1, 0.0, values[first]])
            return place
        middle = (first + last) // 2
        made.append([0, 0, edges[middle], np.zeros_like(values[0])])
        made[place][:2] = node(first, middle), node(middle + 1, last)
        return place

    made.append([1, 0, float(np.finfo(np.float32).max), np.zeros_like(values[0])])
    node(0, len(edges))
    made[0][1] = len(made)
    made.append([-1, -1, 0.0, values[-1]])
    left, right, threshold, found = (np.array(part) for part in zip(*made, strict=True))
    feature, missing_left = np.where(left < 0, 0, column), np.zeros(len(made), dtype=bool)
    return Nodes(left, right, feature, threshold.astype(np.float64), missing_left, found)


def _write_part(graph: Graph, rows: str, first: int, part: Part, d: int) -> str:
    """The contributions to the scores of one part, (n, M * d), by the rows that its games have in their tables."""
    sums = ""
    for s, group in groupby(part.games, key=lambda game: len(game.path)):
        played = list(group)
        places = graph.columns(rows, np.arange(first, first + len(played)))
        first += len(played)
        places = graph.node("Add", [places, graph.constant(np.arange(len(played)) << s)])
        # With a single score its values are part of the tables.
        factor = [game.value[0] if part.n_scores == 1 else 1.0 for game in played]
        tables = np.concatenate([f * game.shares.reshape(-1, s) for f, game in zip(factor, played, strict=True)])
        shares = graph.reshape(graph.node("Gather", [graph.float32(tables, "shares"), places]), [-1, len(played) * s])
        columns = graph.constant(np.array([game.columns for game in played]), "columns")
        apart = graph.node("OneHot", [columns, graph.constant(np.array(d)), graph.float32([0.0, 1.0])])
        if part.n_scores > 1:
            values = graph.float32(np.stack([game.value for game in played])[:, None, :, None], "values")
            apart = graph.node("Mul", [graph.reshape(apart, [-1, s, 1, d]), values])
        added = graph.node("MatMul", [shares, graph.reshape(apart, [-1, part.n_scores * d])])
        sums = graph.node("Add", [sums, added]) if sums else added
    return sums
