"""Decision trees as one ONNX node, whose values ONNX Runtime compares in float32.

A float32 value x is at most the float64 threshold t if and only if it is at most the largest float32 that does not
exceed t. So with thresholds rounded down, each value takes the same branch as in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd.onnx._graph import Graph

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@dataclass
class Nodes:
    """The nodes of one tree.

    Attributes
    ----------
    left, right : int arrays
        The children; -1 for a leaf.
    feature : int array
        The position of the column that is compared.
    threshold : float64 array
        The largest value that goes left.
    missing_left : bool array
        Whether NaN goes left.
    values : float array of shape (nodes, k)
        The amount that a leaf adds to each target.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    values: np.ndarray

    def filled(self, fill: np.ndarray) -> Nodes:
        """The same tree without filling before it: NaN takes the branch of the number that would replace it.

        Filling a matrix takes ONNX Runtime as long as the tree itself.
        """
        of_node = fill[np.where(self.left < 0, 0, self.feature)].astype(np.float64)
        goes_left = np.where(np.isnan(of_node), self.missing_left, of_node <= self.threshold)
        return replace(self, missing_left=goes_left)


_LIGHTGBM_ZERO = float(np.float32(1e-35))


def sklearn_nodes(tree: Any) -> Nodes:
    """The nodes of scikit-learn's `tree_`."""
    state = tree.__getstate__()["nodes"]
    return Nodes(
        tree.children_left,
        tree.children_right,
        tree.feature,
        tree.threshold,
        state["missing_go_to_left"].astype(bool),
        tree.value[:, :, 0],
    )


def lightgbm_nodes(text: str) -> list[Nodes]:
    """The nodes of each tree of a LightGBM model, given as its text, in the order of the rounds.

    The model must not have splits by categories.
    """
    return [_lightgbm_tree(tree) for tree in text.split("\nTree=")[1:]]


def _lightgbm_tree(text: str) -> Nodes:
    facts = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def numbers(key: str, dtype: DTypeLike = np.int64) -> np.ndarray:
        return np.array(facts.get(key, "").split(), dtype=dtype)

    leaf = numbers("leaf_value", np.float64)
    n_inner = len(leaf) - 1
    if n_inner == 0:
        none = np.array([-1])
        return Nodes(none, none, np.zeros(1, int), np.zeros(1), np.zeros(1, bool), leaf[:, None])
    # LightGBM numbers inner nodes and leaves separately: child -1 is leaf 0. Here the leaves follow the inner nodes.
    left, right = (np.where(c >= 0, c, n_inner + ~c) for c in (numbers("left_child"), numbers("right_child")))
    threshold, decision = numbers("threshold", np.float64), numbers("decision_type")
    # LightGBM reads numbers up to this size as zero, which goes right at the threshold just below it.
    threshold[threshold == -_LIGHTGBM_ZERO] = np.nextafter(np.float32(-_LIGHTGBM_ZERO), np.float32(-np.inf))
    # Two bits give the kind of missing values; if there are none, NaN is read as zero.
    missing_left = np.where(decision >> 2 & 3, decision & 2 > 0, threshold >= 0)
    ends = np.full(n_inner + 1, -1)
    return Nodes(
        np.append(left, ends),
        np.append(right, ends),
        np.append(numbers("split_feature"), np.zeros(n_inner + 1, int)),
        np.append(threshold, np.zeros(n_inner + 1)),
        np.append(missing_left, np.zeros(n_inner + 1, bool)),
        np.append(np.zeros(n_inner), leaf)[:, None],
    )


def rounded_down(thresholds: np.ndarray) -> np.ndarray:
    """For each float64 the largest float32 that does not exceed it.

    Examples
    --------
    >>> bool(rounded_down(np.array([0.1])) <= 0.1)
    True
    """
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > thresholds, below, nearest)


def thresholds(trees: Sequence[Nodes]) -> dict[int, np.ndarray]:
    """The finite thresholds of each feature that some trees split on."""
    feature = np.concatenate([nodes.feature[nodes.left >= 0] for nodes in trees])
    threshold = np.concatenate([nodes.threshold[nodes.left >= 0] for nodes in trees])
    finite = np.isfinite(threshold)
    return {int(i): threshold[finite & (feature == i)] for i in np.unique(feature)}


def write_ensemble(
    graph: Graph, table: str, trees: Iterable[tuple[Nodes, Sequence[int]]], n_targets: int, sparse: bool = False
) -> str:
    """The sum of trees, each with the targets that its values are added to; `sparse` leaves out zeros."""
    return graph.node("TreeEnsembleRegressor", [table], **ensemble_attributes(trees, n_targets, sparse))


def ensemble_attributes(
    trees: Iterable[tuple[Nodes, Sequence[int]]], n_targets: int, sparse: bool = False
) -> dict[str, Any]:
    """The attributes of a `TreeEnsembleRegressor`."""
    split: dict[str, list] = {
        name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids")
    }
    split |= {"falsenodeids": [], "missing_value_tracks_true": []}
    leaf: dict[str, list] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for number, (nodes, targets) in enumerate(trees):
        is_leaf = nodes.left < 0
        n_nodes = len(is_leaf)
        split["treeids"] += [number] * n_nodes
        split["nodeids"] += range(n_nodes)
        split["featureids"] += np.where(is_leaf, 0, nodes.feature).tolist()
        split["values"] += np.where(is_leaf, 0, rounded_down(nodes.threshold)).tolist()
        split["modes"] += np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist()
        split["truenodeids"] += np.where(is_leaf, 0, nodes.left).tolist()
        split["falsenodeids"] += np.where(is_leaf, 0, nodes.right).tolist()
        split["missing_value_tracks_true"] += np.where(is_leaf, 0, nodes.missing_left).astype(int).tolist()
        ends = np.flatnonzero(is_leaf)
        values = nodes.values[ends]
        kept = np.full(values.shape, True)
        if sparse:  # a leaf needs one number
            kept = values != 0
            kept[:, 0] |= ~kept.any(axis=1)
        leaf["treeids"] += [number] * int(kept.sum())
        leaf["nodeids"] += np.repeat(ends, kept.sum(axis=1)).tolist()
        leaf["ids"] += np.broadcast_to(targets, kept.shape)[kept].tolist()
        leaf["weights"] += values[kept].tolist()
    if not any(split["missing_value_tracks_true"]):
        del split["missing_value_tracks_true"]
    attributes: dict[str, Any] = {f"nodes_{name}": values for name, values in split.items()}
    attributes |= {f"target_{name}": values for name, values in leaf.items()}
    return attributes | {"n_targets": n_targets}
