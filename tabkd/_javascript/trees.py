"""A `TreeEnsembleRegressor` as arrays that operators.js walks through."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabkd._javascript.packed import packed_list
from tabkd._plain_trees import check_plain_trees


def trees(given: dict[str, Any]) -> dict[str, Any]:
    """The attributes of the operator as JSON, with one entry for each node of all trees.

    Children are positions among all nodes. Those of a leaf are -1 and -1 minus its position among all leaves, whose
    weights are between two of the `starts`.

    Parameters
    ----------
    given : dict
        The attributes, as `onnx.helper` reads them.

    Raises
    ------
    NotImplementedError
        For comparisons other than `<=`, and for ensembles that do not add up their trees.
    """
    check_plain_trees(given, "JavaScript")
    tree, number = np.array(given["nodes_treeids"]), np.array(given["nodes_nodeids"])
    place = {key: i for i, key in enumerate(zip(tree.tolist(), number.tolist(), strict=True))}
    is_leaf = np.array([mode == b"LEAF" for mode in given["nodes_modes"]])

    def places(trees: np.ndarray, nodes: list[int]) -> np.ndarray:
        return np.array([place[key] for key in zip(trees.tolist(), nodes, strict=True)], dtype=np.int64)

    left, right = (
        np.where(is_leaf, -1, places(tree, np.where(is_leaf, number, given[f"nodes_{way}nodeids"]).tolist()))
        for way in ("true", "false")
    )
    leaf_of = np.cumsum(is_leaf) - 1
    right = np.where(is_leaf, -1 - leaf_of, right)
    owner = leaf_of[places(np.array(given["target_treeids"]), given["target_nodeids"])]
    order = np.argsort(owner, kind="stable")
    n_targets = given.get("n_targets", 1)
    missing = np.array(given.get("nodes_missing_value_tracks_true") or np.zeros(len(tree)), dtype=bool)
    lists = {
        "feature": np.array(given["nodes_featureids"]),
        "threshold": np.array(given["nodes_values"], np.float32),
        "left": left,
        "right": right,
        "missing_left": missing,
        "roots": np.flatnonzero(np.r_[True, tree[1:] != tree[:-1]]),
        "starts": np.searchsorted(owner[order], np.arange(is_leaf.sum() + 1)),
        "targets": np.array(given["target_ids"])[order],
        "weights": np.array(given["target_weights"], np.float32)[order],
        "base": np.array(given.get("base_values") or np.zeros(n_targets), np.float32),
    }
    return {"n_targets": n_targets} | {name: packed_list(values) for name, values in lists.items()}
