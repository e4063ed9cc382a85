"""A `TreeEnsembleRegressor` as cases.

ONNX Runtime compares float32 values, databases mostly compare doubles. A double becomes a float32 that is at most the
threshold if and only if it is below the middle between the threshold and the next float32, or on that middle if the
threshold is even. So values are compared with middles, and take the same branch without being rounded.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sqlglot import exp

from tabkd._plain_trees import check_plain_trees
from tabkd._sql.layers import Layers
from tabkd._sql.scalars import Lookup, Sql, as_sql, depth_of, literal, total, whole


class _Split(NamedTuple):
    """A comparison: values that fit it take one branch; all others, and missing ones, the other."""

    feature: int
    threshold: float
    is_above: bool
    fitting: Any
    other: Any


class _Leaf(NamedTuple):
    number: int
    adds: dict[int, float]


def trees(features: list[Any], given: dict[str, Any], layers: Layers, most_nested: int) -> list[Any]:
    """The sum of the trees for each target.

    Parameters
    ----------
    features : list of scalars
        What the trees compare.
    given : dict
        The attributes of the operator.
    layers : Layers
        Takes a column with the leaf of each tree that adds to several targets.
    most_nested : int
        How deep cases may be nested; the leaves of a deeper tree are listed one after the other.

    Raises
    ------
    NotImplementedError
        For comparisons other than `<=`, and for ensembles that do not add up their trees.
    """
    check_plain_trees(given, "SQL")
    parts: list[list[tuple[float, Any]]] = [[] for _ in range(given.get("n_targets", 1))]
    for root in _roots(given):
        leaves = list(_leaves(root))
        targets = sorted({target for leaf in leaves for target in leaf.adds})
        if len(leaves) == 1 or len(targets) == 1:
            for target in targets:
                parts[target].append((1.0, _adds(root, target, features, most_nested)))
        else:
            found = _scalar(root, [whole(leaf.number) for leaf in leaves], features, most_nested)
            leaf_of = layers.column(found, layers.fresh("leaf"))
            for target in targets:
                table = {leaf.number: leaf.adds.get(target, 0.0) for leaf in leaves}
                parts[target].append((1.0, Lookup(leaf_of, table)))
    base = given.get("base_values") or [0.0] * len(parts)
    return [total(terms, start) for terms, start in zip(parts, base, strict=True)]


def _roots(given: dict[str, Any]) -> list[Any]:
    """The trees, each a split or a leaf."""
    adds: dict[tuple[int, int], dict[int, float]] = {}
    names = ("treeids", "nodeids", "ids", "weights")
    for tree, node, target, weight in zip(*(given[f"target_{name}"] for name in names), strict=True):
        adds.setdefault((tree, node), {})[target] = float(weight)
    names = ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    missing = given.get("nodes_missing_value_tracks_true") or [0] * len(given["nodes_treeids"])
    rows = {row[:2]: row for row in zip(*(given[f"nodes_{name}"] for name in names), missing, strict=True)}
    numbers = {key: i for i, key in enumerate(key for key, row in rows.items() if row[4] == b"LEAF")}

    def made(key: tuple[int, int]) -> Any:
        tree, _, feature, threshold, mode, low, high, missing_low = rows[key]
        if mode == b"LEAF":
            return _Leaf(numbers[key], adds.get(key, {}))
        if missing_low:
            return _Split(feature, threshold, True, made((tree, high)), made((tree, low)))
        return _Split(feature, threshold, False, made((tree, low)), made((tree, high)))

    firsts = {key[0]: key for key in reversed(rows)}
    return [made(firsts[tree]) for tree in sorted(firsts)]


def _leaves(tree: Any) -> Any:
    if isinstance(tree, _Leaf):
        yield tree
    else:
        yield from _leaves(tree.fitting)
        yield from _leaves(tree.other)


def _adds(tree: Any, target: int, features: list[Any], most_nested: int) -> Any:
    """What a tree adds to a target."""
    leaves = list(_leaves(tree))
    if len(leaves) == 1:
        return leaves[0].adds.get(target, 0.0)
    found = _scalar(tree, [literal(leaf.adds.get(target, 0.0)) for leaf in leaves], features, most_nested)
    # Numbers alone would be decimals in some dialects.
    return Sql(exp.cast(found.written, "double"), found.depth) if isinstance(found, Sql) else found


def _scalar(tree: _Split, values: list[exp.Expr], features: list[Any], most_nested: int) -> Sql:
    """The value of the leaf that a row reaches, given in the order of `_leaves`."""
    of = dict(zip((leaf.number for leaf in _leaves(tree)), values, strict=True))
    used = [features[i] for i in _features(tree)]
    make = _nested if _height(tree) <= most_nested else _listed
    return Sql(make(tree, of, features), depth_of(used))


def _height(tree: Any) -> int:
    return 0 if isinstance(tree, _Leaf) else 1 + max(_height(tree.fitting), _height(tree.other))


def _features(tree: Any) -> set[int]:
    return set() if isinstance(tree, _Leaf) else {tree.feature} | _features(tree.fitting) | _features(tree.other)


def _nested(tree: Any, values: dict[int, exp.Expr], features: list[Any]) -> exp.Expr:
    """A case for each split, within the case of the split above it."""
    if isinstance(tree, _Leaf):
        return values[tree.number].copy()
    fits = _fits(tree, features[tree.feature])
    if isinstance(fits, bool):
        return _nested(tree.fitting if fits else tree.other, values, features)
    one, other = (_nested(branch, values, features) for branch in (tree.fitting, tree.other))
    return exp.Case(ifs=[exp.If(this=fits, true=one)], default=other)


def _listed(tree: Any, values: dict[int, exp.Expr], features: list[Any]) -> exp.Expr:
    """One case of all leaves, in order: where one is reached, no leaf on the fitting side of a split above it was.

    So its conditions are only those of the splits that it fits.
    """
    ifs: list[exp.If] = []

    def visit(part: Any, conditions: list[exp.Expr]) -> None:
        if isinstance(part, _Leaf):
            condition = exp.and_(*(one.copy() for one in conditions), copy=False) if conditions else None
            ifs.append(exp.If(this=condition, true=values[part.number].copy()))
            return
        fits = _fits(part, features[part.feature])
        if fits is not False:
            visit(part.fitting, conditions if fits is True else [*conditions, fits])
        if fits is not True:
            visit(part.other, conditions)

    visit(tree, [])
    *first, last = ifs
    return exp.Case(ifs=first, default=last.args["true"]) if first else last.args["true"]


def _fits(split: _Split, feature: Any) -> exp.Expr | bool:
    """Whether a value takes the fitting branch."""
    if isinstance(feature, Lookup):
        rows = [row for row, value in feature.table.items() if _is_fitting(split, value)]
        if len(rows) in (0, len(feature.table)):
            return bool(rows)
        return exp.In(this=as_sql(feature.source), expressions=[whole(row) for row in rows])
    if not isinstance(feature, Sql):
        return _is_fitting(split, feature)
    middle, takes_middle = _middle(split.threshold)
    kinds = {(False, True): exp.LTE, (False, False): exp.LT, (True, True): exp.GT, (True, False): exp.GTE}
    return kinds[split.is_above, takes_middle](this=as_sql(feature), expression=literal(middle))


def _is_fitting(split: _Split, value: float) -> bool:
    return bool(value > split.threshold if split.is_above else value <= split.threshold)


def _middle(threshold: float) -> tuple[float, bool]:
    """The largest double that rounds to a float32 of at most the threshold, or is the limit of those that do.

    Whether the middle itself does is the second value.

    Examples
    --------
    >>> _middle(1.0)
    (1.0000000596046448, True)
    """
    low = np.float32(threshold)
    with np.errstate(over="ignore"):
        high = np.nextafter(low, np.float32(np.inf))
    if not np.isfinite(high):
        return float(np.finfo(np.float64).max), True
    return (float(low) + float(high)) / 2, int(low.view(np.uint32)) % 2 == 0
