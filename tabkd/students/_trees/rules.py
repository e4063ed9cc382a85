"""The rules of a tree in words: which rows reach a leaf, by the names of columns and categories.

The conditions of a path are merged into one interval or one set for each column. Exactly one rule applies to each row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from tabkd._tables.column import Column
from tabkd._tables.schema import TableSchema
from tabkd.onnx._trees import Nodes, rounded_down
from tabkd.students._encoding.float32 import to_float32
from tabkd.students._trees.condition import Condition
from tabkd.students._trees.ordinal import OrdinalTable

#: The condition of a rule that has none.
EVERY_ROW = "every row"
# The digits that a float64 can need.
_MOST_DIGITS = 17
# Names that look like other parts of a rule: blank ones, numbers, and those that contain its signs or words.
_UNCLEAR = re.compile(r"""^$|^\s|\s$|^[-+\d.]+$|[,{}<>='"]|\b(and|or|in|is)\b""")
# A split may move by this share of the gap around it, to become a shorter number.
_MOVABLE = 0.25


@dataclass(frozen=True)
class Range:
    """The numbers of a column that fulfil a rule: above one bound, and up to another.

    Attributes
    ----------
    column : Column
        The column, with the name that people read.
    above, up_to : float
        The bounds in the user's unit, infinite where there is none; no number fulfils a rule if both are `inf`.
    missing : bool
        Whether a missing value fulfils the rule.
    names_missing : bool
        Whether the text says so; if not, a missing value counts as the median.
    """

    column: Column
    above: float
    up_to: float
    missing: bool
    names_missing: bool

    def text(self, most: int | None = None) -> str:
        """The condition in words."""
        name = _name(self.column)
        if self.column.boolean:
            shown = self._truths(name)
        elif self.above >= self.up_to:
            shown = ""
        elif self.above == -inf:
            shown = "" if self.up_to == inf else f"{name} <= {number(self.up_to)}"
        elif self.up_to == inf:
            shown = f"{name} > {number(self.above)}"
        else:
            shown = f"{number(self.above)} < {name} <= {number(self.up_to)}"
        if not self.names_missing:
            return shown
        if shown:
            return f"{shown} or missing" if self.missing else shown
        return f"{name} is missing" if self.missing else f"{name} is not missing"

    def part(self) -> dict[str, Any]:
        """The condition as plain values."""
        return {"above": self.above, "up_to": self.up_to, "missing": self.missing}

    def _truths(self, name: str) -> str:
        fulfil = [truth for truth in (False, True) if self.above < truth <= self.up_to]
        return f"{name} is {fulfil[0]}" if len(fulfil) == 1 else ""


@dataclass(frozen=True)
class Levels:
    """The categories of a column that fulfil a rule.

    Attributes
    ----------
    column : Column
        The column, with the name that people read.
    categories : tuple
        These categories.
    unseen, missing : bool
        Whether a category that was not there at fit, and a missing value, fulfil the rule.
    names_missing : bool
        Whether the text names missing values; if not, they count as an unseen category.
    """

    column: Column
    categories: tuple
    unseen: bool
    missing: bool
    names_missing: bool

    def text(self, most: int | None = None) -> str:
        """The condition in words, with at most so many categories."""
        name = _name(self.column)
        others = ["unseen"] * self.unseen + ["missing"] * (self.missing and self.names_missing)
        if not self.categories:
            return f"{name} is {' or '.join(others)}"
        shown = [_level(category) for category in self.categories]
        if most is not None and len(shown) > most:
            shown = [*shown[: most - 1], f"… {len(shown) - most + 1} more"]
        return " or ".join([f"{name} in {{{', '.join(shown)}}}", *others])

    def part(self) -> dict[str, Any]:
        """The condition as plain values."""
        plain = [category.item() if isinstance(category, np.generic) else category for category in self.categories]
        return {"in": plain, "unseen": self.unseen, "missing": self.missing}


@dataclass(frozen=True)
class Path:
    """What is known about the columns of a row that reaches a node.

    Attributes
    ----------
    schema : TableSchema
        The columns.
    table : OrdinalTable
        How the tree reads them.
    asked : dict of int to Condition
        For each column that was split, in the order of the splits: the condition on its values as the tree reads them.
    """

    schema: TableSchema
    table: OrdinalTable
    asked: dict[int, Condition]

    def split(self, i: int, threshold: float, left: bool, missing_left: bool) -> Path:
        """The path after a split of column i, on its left or right side."""
        given = self.asked.get(i, Condition())
        behind = given.left_of(threshold, missing_left) if left else given.right_of(threshold, missing_left)
        return Path(self.schema, self.table, {**self.asked, i: behind})

    def condition(self, i: int) -> Range | Levels:
        """The condition on column i."""
        low, high, missing = self.asked[i]
        column, ranks = replace(self.schema.columns[i], name=self.schema.titles[i]), self.table.ranks_.get(i)
        if ranks is None:
            center = float(self.table.center_[i])
            above, up_to = (shortest(bound, center) for bound in (low, high))
            return Range(column, above, up_to, missing, bool(np.isnan(self.table.fill_[i])))
        fulfil = (ranks > low) & (ranks <= high)
        categories = tuple(category for category, found in zip(column.categories, fulfil, strict=False) if found)
        unseen, missing = map(bool, fulfil[-2:])
        # Where no value was missing, missing values have the rank of unseen categories.
        return Levels(column, categories, unseen, missing, column.has_missing or bool(ranks[-1] != ranks[-2]))

    def conditions(self) -> dict[str, Range | Levels]:
        """The condition on each column that was split, by the name that people read."""
        return {self.schema.titles[i]: self.condition(i) for i in self.asked}

    def text(self, most: int | None = None) -> str:
        """All conditions in a sentence."""
        texts = [text for condition in self.conditions().values() if (text := condition.text(most))]
        return " and ".join(f"({text})" if " or " in text and len(texts) > 1 else text for text in texts) or EVERY_ROW


@dataclass(frozen=True)
class Step:
    """A node as people read it.

    Attributes
    ----------
    node : int
        Its position.
    depth : int
        The number of splits above it.
    path : Path
        The path to it.
    by : Range or Levels or None
        The condition of the last split on the rows that reach the node; None for the root.
    """

    node: int
    depth: int
    path: Path
    by: Range | Levels | None


def steps(nodes: Nodes, schema: TableSchema, table: OrdinalTable) -> Iterator[Step]:
    """The nodes of a tree from left to right, each before its children.

    Parameters
    ----------
    nodes : Nodes
        The tree; a missing value takes the branch of its fill.
    schema : TableSchema
        The columns.
    table : OrdinalTable
        How the tree reads them.
    """
    waiting = [Step(0, 0, Path(schema, table, {}), None)]
    while waiting:
        step = waiting.pop()
        yield step
        if nodes.left[step.node] >= 0:
            waiting += [_child(nodes, step, left) for left in (False, True)]


def _child(nodes: Nodes, step: Step, left: bool) -> Step:
    i, threshold = int(nodes.feature[step.node]), float(nodes.threshold[step.node])
    path = step.path.split(i, threshold, left, bool(nodes.missing_left[step.node]))
    by = path.condition(i)
    if isinstance(by, Range):  # this split alone; bounds from further up are in the lines above
        alone = Condition(high=threshold, missing=by.missing) if left else Condition(threshold, missing=by.missing)
        by = Path(path.schema, path.table, {i: alone}).condition(i)
    child = nodes.left[step.node] if left else nodes.right[step.node]
    return Step(int(child), step.depth + 1, path, by)


def readable_thresholds(nodes: Nodes, schema: TableSchema, table: OrdinalTable, rows: np.ndarray) -> np.ndarray:
    """The thresholds of a tree, moved to short numbers in the user's unit; every row still reaches the same leaf.

    Parameters
    ----------
    nodes : Nodes
        The tree.
    schema : TableSchema
        The columns.
    table : OrdinalTable
        How the tree reads them.
    rows : array of shape (n, d), float32
        The rows that the tree was fitted on, as it reads them.
    """
    moved = nodes.threshold.copy()
    is_split = (nodes.left >= 0) & np.isfinite(nodes.threshold)
    for i in np.unique(nodes.feature[is_split]):
        if i in table.ranks_:
            continue
        values = np.unique(rows[:, i])
        values = values[~np.isnan(values)]
        for node in np.flatnonzero(is_split & (nodes.feature == i)):
            place = np.searchsorted(values, nodes.threshold[node], side="right")
            if 0 < place < len(values):
                low, high = values[place - 1], values[place]
                moved[node] = _moved(moved[node], low, high, float(table.center_[i]), schema.columns[i].integer)
    return moved


def _moved(threshold: float, low: np.float32, high: np.float32, center: float, whole: bool) -> float:
    """A threshold between two values, at a short number as far as float32 can hold it."""
    exact = threshold + center
    reach = _MOVABLE * (float(high) - float(low))
    for short in [np.floor(exact)] if whole else _shorter(exact):
        read = _reads(short, center)
        if low <= read < high and (whole or abs(short - exact) <= reach):
            return float(read)
    return threshold


def shortest(threshold: float, center: float) -> float:
    """The shortest number in the user's unit that a tree reads as a threshold, rounded down to float32.

    Examples
    --------
    >>> shortest(float(np.float32(0.1)), 0.0)
    0.1
    """
    if np.isinf(threshold):
        return threshold
    read = rounded_down(np.array(threshold))[()]
    exact = float(read) + center
    return next(short for short in [*_shorter(exact), exact] if _reads(short, center) == read or short == exact)


def _reads(value: float, center: float) -> np.float32:
    return to_float32(np.array([value]), np.array([center]))[0]


def _shorter(value: float) -> Iterator[float]:
    """A number rounded to one digit, to two, and so on."""
    return (float(f"{value:.{digits}g}") for digits in range(1, _MOST_DIGITS + 1))


def number(value: float) -> str:
    """A number with the digits that it needs.

    Examples
    --------
    >>> number(2.0), number(0.25), number(1e20)
    ('2', '0.25', '1e+20')
    """
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _name(column: Column) -> str:
    """The name of a column, in quotes if the rule could not be read without."""
    text = str(column.name)
    return repr(text) if _UNCLEAR.search(text) or not text.isprintable() else text


def _level(category: Any) -> str:
    """A category, in quotes if it could be read as several."""
    if isinstance(category, (float, np.floating)):
        return number(float(category))
    text = str(category)
    is_plain = text and text == text.strip() and text.isprintable() and not any(c in text for c in ",{}")
    return text if is_plain else repr(text)


def leaf_text(names: Sequence[str], values: np.ndarray, share: float, is_probability: bool, most: int = 4) -> str:
    """What a leaf predicts, and the share of the rows that it has; of many outputs, the largest."""
    titles = [f"P({name})" if is_probability else str(name) for name in names]
    chosen = np.arange(len(values)) if len(values) <= most else np.argsort(-values, kind="stable")[: most - 1]
    shown = [f"{titles[k]} = {values[k]:.4g}" for k in chosen]
    more = [f"… {len(values) - len(chosen)} more"] if len(chosen) < len(values) else []
    return f"{', '.join([*shown, *more])} ({share:.2%} of rows)"
