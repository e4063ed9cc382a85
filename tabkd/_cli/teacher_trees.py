"""The trees in the files of LightGBM and XGBoost, checked before these libraries walk them.

Both libraries follow any children and columns that a file names, so a damaged file leads them out of their memory or
into an endless loop, perhaps only for a later row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

# What XGBoost writes as the parent of a root.
_NO_PARENTS = (-1, 2**31 - 1)
# Codes of XGBoost's categories are bits of a set.
_MOST_LEVELS = 1 << 24


def check_lightgbm(text: str) -> None:
    """Refuse a LightGBM model with malformed trees.

    Parameters
    ----------
    text : str
        What `save_model` wrote.

    Raises
    ------
    ValueError
    """
    header, *parts = text.split("\nTree=")
    facts = _lines(header)
    n_features = _whole(facts, "max_feature_idx") + 1
    n_classes, per_round = _whole(facts, "num_class"), _whole(facts, "num_tree_per_iteration")
    if per_round != n_classes or n_classes < 1 or len(parts) % n_classes:
        raise ValueError(f"it has {len(parts):,} trees, which are not those of {n_classes:,} classes")
    _check_sizes(text.encode(), _numbers(facts, "tree_sizes").tolist(), len(parts))
    if len(facts.get("feature_names", "").split()) != n_features:
        raise ValueError(f"it has other names than for its {n_features:,} columns")
    for number, part in enumerate(parts):
        try:
            _check_lightgbm_tree(_lines(part.partition("\nend of trees")[0]), n_features)
        except ValueError as error:
            raise ValueError(f"its tree {number} is damaged: {error}") from error


def _check_sizes(content: bytes, sizes: Sequence[int], n_trees: int) -> None:
    """Refuse trees that do not begin where LightGBM looks for them, which are as many bytes as the header says."""
    place = content.find(b"\nTree=") + 1
    for number, size in enumerate(sizes):
        if not content.startswith(f"Tree={number}\n".encode(), place):
            raise ValueError(f"its tree {number} is not where its sizes say: it was cut off or changed")
        place += size
    if len(sizes) != n_trees or not content.startswith(b"end of trees" if sizes else b"", place):
        raise ValueError("it is cut off: not all of its trees are there")
    if b"\nend of trees" not in content:
        raise ValueError("it is cut off: its end is not there")


def _check_lightgbm_tree(facts: dict[str, str], n_features: int) -> None:
    n_leaves, n_categorical = _whole(facts, "num_leaves"), _whole(facts, "num_cat")
    if _numbers(facts, "leaf_value", float).shape != (n_leaves,):
        raise ValueError(f"it has other values than for its {n_leaves:,} leaves")
    left, right, feature = (_numbers(facts, key) for key in ("left_child", "right_child", "split_feature"))
    threshold, decision = _numbers(facts, "threshold", float), _numbers(facts, "decision_type")
    if n_leaves > 1 or len(left):
        if {len(part) for part in (left, right, feature, threshold, decision)} != {n_leaves - 1}:
            raise ValueError(f"it has other splits than for its {n_leaves:,} leaves")
        _check_tree(left, right, feature, n_features, leaves=n_leaves)
    categorical = threshold[(decision & 1) > 0] if len(decision) else threshold[:0]
    if n_categorical or len(categorical):
        boundaries, words = _numbers(facts, "cat_boundaries"), _numbers(facts, "cat_threshold")
        fit = len(boundaries) == n_categorical + 1 and (np.diff(boundaries) >= 0).all()
        fit = fit and boundaries[0] >= 0 and boundaries[-1] <= len(words)
        fit = fit and ((categorical >= 0) & (categorical < n_categorical)).all()
        if not fit:
            raise ValueError("its categories are not all there")
    if facts.get("is_linear", "0") == "1":
        counts, used = _numbers(facts, "num_features"), _numbers(facts, "leaf_features")
        coefficients = _numbers(facts, "leaf_coeff", float)
        fit = len(counts) == n_leaves and (counts >= 0).all() and counts.sum() == len(used) == len(coefficients)
        if not (fit and ((used >= 0) & (used < n_features)).all()):
            raise ValueError("its linear leaves are not all there")


def check_xgboost(content: dict[str, Any]) -> None:
    """Refuse an XGBoost model with malformed trees.

    Parameters
    ----------
    content : dict
        The JSON of a model.

    Raises
    ------
    ValueError
    """
    try:
        learner = content["learner"]
        booster, about = learner["gradient_booster"], learner["learner_model_param"]
        model = booster.get("gbtree", booster).get("model", {})
        trees, groups = model.get("trees", []), model.get("tree_info", [])
        n_features = int(about["num_feature"])
        n_groups = max(int(about.get("num_class", 0)), int(about.get("num_target", 1)), 1)
        widths = [int(tree["tree_param"].get("size_leaf_vector", 0)) for tree in trees]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"it is not an XGBoost model ({type(error).__name__}: {error})") from error
    whole_targets = any(width > 1 for width in widths)
    if len(groups) != len(trees) or (trees and not whole_targets and n_groups > len(trees)):
        raise ValueError(f"it has {len(trees):,} trees, which are not those of {n_groups:,} classes")
    if any(not isinstance(group, int) or not 0 <= group < n_groups for group in groups):
        raise ValueError(f"it has trees of other classes than its {n_groups:,}")
    for number, tree in enumerate(trees):
        try:
            left, right, feature = (
                np.array(tree[key], dtype=np.int64) for key in ("left_children", "right_children", "split_indices")
            )
            n_nodes = int(tree["tree_param"]["num_nodes"])
            if {len(tree[key]) for key in ("split_conditions", "default_left")} | {len(left), len(right)} != {n_nodes}:
                raise ValueError(f"it has other splits than for its {n_nodes:,} nodes")
            _check_tree(left, right, feature, n_features)
            _check_xgboost_details(tree, left, right)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"its tree {number} is damaged: {error}") from error


def _check_xgboost_details(tree: dict[str, Any], left: np.ndarray, right: np.ndarray) -> None:
    """Refuse parents and categories that are not those of the nodes."""
    parents = np.array(tree["parents"], dtype=np.int64)
    inner = np.flatnonzero(left != -1)
    if len(parents) != len(left) or parents[0] not in _NO_PARENTS:
        raise ValueError("its nodes have no parents")
    if (parents[left[inner]] != inner).any() or (parents[right[inner]] != inner).any():
        raise ValueError("its nodes have other parents than they are children of")
    width = int(tree["tree_param"].get("size_leaf_vector", 0))
    vectors = right[left == -1]  # of trees with several targets: where the values of a leaf are
    if width > 1 and not ((vectors >= 0) & (vectors < len(tree["leaf_weights"]) // width)).all():
        raise ValueError("its leaves are not all there")
    nodes, starts, sizes = (
        np.array(tree.get(f"categories_{key}", []), dtype=np.int64) for key in ("nodes", "segments", "sizes")
    )
    fit = len(nodes) == len(starts) == len(sizes) and ((nodes >= 0) & (nodes < len(left))).all()
    fit = fit and ((starts >= 0) & (sizes >= 0) & (starts + sizes <= len(tree.get("categories", [])))).all()
    codes = np.array(tree.get("categories", []), dtype=np.int64)
    if not (fit and ((codes >= 0) & (codes < _MOST_LEVELS)).all()):
        raise ValueError("its categories are not all there")
    kinds = set(tree.get("split_type", [])) - {0, 1}
    if kinds or len(tree.get("split_type", left)) != len(left):
        raise ValueError("it has splits of an unknown kind")
    if not set(np.flatnonzero(np.array(tree.get("split_type", []), dtype=np.int64) == 1)) <= set(nodes.tolist()):
        raise ValueError("its categories are not all there")


def xgboost_json(raw: bytes) -> dict[str, Any]:
    """The content of an XGBoost file of JSON.

    Raises
    ------
    ValueError
    """
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from error


def _check_tree(
    left: np.ndarray, right: np.ndarray, feature: np.ndarray, n_features: int, leaves: int | None = None
) -> Any:
    """Refuse children that do not exist or are met twice, and columns that do not exist.

    Without `leaves`, a node whose left child is -1 is a leaf; with `leaves`, child -1 is leaf 0, child -2 leaf 1.
    """
    n_nodes = len(left)
    if len(right) != n_nodes or len(feature) != n_nodes:
        raise ValueError("its nodes have not two children and a column each")
    seen, seen_leaves = np.zeros(n_nodes, bool), np.zeros(leaves or 0, bool)
    level = np.zeros(1, np.int64)
    while len(level):
        _see(seen, level)
        inner = level if leaves is not None else level[left[level] != -1]
        if ((feature[inner] < 0) | (feature[inner] >= n_features)).any():
            raise ValueError(f"a split asks for a column beyond its {n_features:,}")
        level = np.concatenate([left[inner], right[inner]])
        if leaves is not None:
            _see(seen_leaves, ~level[level < 0])
            level = level[level >= 0]


def _see(seen: np.ndarray, places: np.ndarray) -> None:
    if ((places < 0) | (places >= len(seen))).any():
        raise ValueError("a split leads to a node that is not there")
    if len(np.unique(places)) < len(places) or seen[places].any():
        raise ValueError("a split leads back to a node that was met before")
    seen[places] = True


def _lines(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _whole(facts: dict[str, str], key: str) -> int:
    if not facts.get(key, "").strip().lstrip("-").isdecimal():
        raise ValueError(f"it has no number {key}")
    return int(facts[key])


def _numbers(facts: dict[str, str], key: str, kind: type = int) -> np.ndarray:
    words: Sequence[str] | Iterable[str] = facts.get(key, "").split()
    return np.array(list(map(kind, words)), dtype=np.float64 if kind is float else np.int64)
