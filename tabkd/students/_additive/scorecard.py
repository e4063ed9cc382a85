"""The functions of an additive student as a table of points."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from tabkd._options import option
from tabkd._tables.schema import TableSchema
from tabkd.students._additive.grids import features
from tabkd.students._additive.terms import Explanation
from tabkd.students._encoding.encoder import TableEncoder
from tabkd.students._encoding.knots import CLOSEST, spaced


class Scale(NamedTuple):
    """How raw scores become points: ``offset + factor * score``."""

    factor: float = 1.0
    offset: float = 0.0

    @classmethod
    def of(cls, pdo: float | None, base_points: float | None, base_odds: float | None, is_binary: bool) -> Self:
        """The scale on which `pdo` points double the odds, and `base_odds` have `base_points`.

        Raises
        ------
        ValueError
            If a number is not valid, is given without `pdo`, or there are not two classes.
        """
        if pdo is None:
            for name, value in (("base_points", base_points), ("base_odds", base_odds)):
                if value is not None:
                    raise ValueError(
                        f"{option(name)} is {value!r}, but without {option('pdo')} points are raw scores. Also give "
                        f"{option('pdo')}: the points that double the odds."
                    )
            return cls()
        if not is_binary:
            raise ValueError(
                f"{option('pdo')} is {pdo!r}, but only two classes have odds. Leave it out: then points are raw scores."
            )
        factor = _number("pdo", pdo, "a number other than 0, the points that double the odds") / np.log(2)
        points = 0.0 if base_points is None else _number("base_points", base_points, "a number of points")
        above_zero = "odds above 0, p / (1 - p)"
        odds = 1.0 if base_odds is None else _number("base_odds", base_odds, above_zero)
        if not factor:
            raise ValueError(f"{option('pdo')} is {pdo!r}; expected a number other than 0.")
        if odds <= 0:
            raise ValueError(f"{option('base_odds')} is {base_odds!r}; expected {above_zero}.")
        return cls(factor, points - factor * np.log(odds))


def _number(name: str, value: Any, expected: str) -> float:
    """A parameter that has to be a finite number."""
    if not isinstance(value, Real) or isinstance(value, bool) or not np.isfinite(float(value)):
        raise ValueError(f"{option(name)} is {value!r:.80}; expected {expected}.")
    return float(value)


class Cell(NamedTuple):
    """A part of a column: its kind, its level or range, and the positions of its ends among the places of an axis."""

    kind: str
    level: Any
    low: float
    high: float
    start: int
    stop: int


class Axis(NamedTuple):
    """The places of a column where its function is known, as codes, and the cells between them."""

    codes: np.ndarray
    cells: list[Cell]

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The positions of the ends of each cell."""
        return np.array([cell.start for cell in self.cells]), np.array([cell.stop for cell in self.cells])


@dataclass(frozen=True)
class Functions:
    """The functions of an additive model, times `factor`, evaluated where their pieces end."""

    schema: TableSchema
    encoder: TableEncoder
    explanation: Explanation
    background: np.ndarray
    factor: float = 1.0
    offset: np.ndarray | float = 0.0

    @property
    def base(self) -> np.ndarray:
        """The scores of a row where every function is zero, (M,)."""
        return self.factor * self.explanation.base + self.offset

    def axis(self, column: int, within: np.ndarray) -> Axis:
        """The pieces of a column by the features `within`, a mask."""
        described = self.schema.columns[column]
        if described.kind == "categorical":
            n = len(described.categories)
            cells = [Cell("category", level, np.nan, np.nan, k, k) for k, level in enumerate(described.categories)]
            cells += [Cell(kind, None, np.nan, np.nan, k, k) for k, kind in ((n, "unseen"), (n + 1, "missing"))]
            return Axis(np.array([*range(n + 1), np.nan]), cells)
        places = self._breaks(column, within)
        n = len(places)
        ends = [-np.inf, *places, np.inf]
        cells = [Cell("range", None, ends[k], ends[k + 1], max(k - 1, 0), min(k, n - 1)) for k in range(n + 1)]
        return Axis(np.array([*places, np.nan]), [*cells, Cell("missing", None, np.nan, np.nan, n, n)])

    def _breaks(self, column: int, within: np.ndarray) -> np.ndarray:
        """Where the units of a numeric column begin and end."""
        encoder = self.encoder
        numbers = np.flatnonzero(encoder.numeric_ == column)
        units = np.flatnonzero(within[: len(encoder.unit_column_)] & np.isin(encoder.unit_column_, numbers))
        if not len(units):
            return np.zeros(1)
        scale, bias = encoder.unit_scale_[units].astype(np.float64), encoder.unit_bias_[units].astype(np.float64)
        ends = np.sort(np.concatenate([-bias / scale, (1 - bias) / scale]))
        return spaced(ends, CLOSEST / 10 * (ends[-1] - ends[0])) + encoder.center_[numbers[0]]

    def features(self, column: int, codes: np.ndarray) -> np.ndarray:
        """The centred features of one column at some places; the others are zero."""
        rows = np.tile(self.background[:1], (len(codes), 1))
        rows[:, column] = codes
        z = features(self.encoder, rows).astype(np.float64) - self.explanation.means
        return np.where(self.explanation.columns == column, z, 0)

    def main(self, column: int, axis: Axis) -> np.ndarray:
        """The function of a column at the places of an axis, (k, M)."""
        return self.factor * (self.features(column, axis.codes) @ self.explanation.terms.weights)

    def pair(self, a: int, b: int, first: Axis, second: Axis) -> np.ndarray:
        """The function of two columns at the places of both axes, (k, l, M); its mean over the background is zero."""
        one, other = self.features(a, first.codes), self.features(b, second.codes)
        seen = [self.features(column, self.background[:, column]) for column in (a, b)]
        terms = self.explanation.terms
        values = np.zeros((len(one), len(other), len(terms.intercept)))
        mean = np.zeros(len(terms.intercept))
        for form in (terms, terms.mirrored()):
            values += np.einsum("kl,lrm,jr->kjm", one[:, form.left], form.products, other[:, form.right])
            mean += np.einsum(
                "nl,lrm,nr->m", seen[0][:, form.left], form.products, seen[1][:, form.right], optimize=True
            )
        return self.factor * (values - mean / len(self.background))

    def pair_axis(self, column: int) -> Axis:
        """The pieces of a column in its pairs; values without a separate feature form one piece, "other values"."""
        within = np.zeros(len(self.explanation.columns), bool)
        within[self.explanation.terms.left] = within[self.explanation.terms.right] = True
        axis = self.axis(column, within & (self.explanation.columns == column))
        if self.schema.columns[column].kind != "categorical":
            return axis
        z = self.features(column, axis.codes)[:, within]
        _, first, group, counts = np.unique(z, axis=0, return_index=True, return_inverse=True, return_counts=True)
        largest = counts.argmax()
        if counts[largest] == 1:
            return axis
        kept = [cell for cell, own in zip(axis.cells, group.ravel(), strict=True) if own != largest]
        kept.append(Cell("other values", None, np.nan, np.nan, int(first[largest]), 0))
        codes = axis.codes[[cell.start for cell in kept]]
        return Axis(codes, [cell._replace(start=k, stop=k) for k, cell in enumerate(kept)])

    def nodes(self, axis: Axis, column: int) -> Axis:
        """An axis with a cell for each of its places; without missing numbers if there were none at fit."""
        numbers = [cell for cell in axis.cells if cell.kind == "range"][1:]
        others = [cell for cell in axis.cells if cell.kind != "range"]
        if numbers and not self.schema.columns[column].has_missing:
            others = []
        return axis._replace(
            cells=[cell._replace(kind="at", high=np.nan, stop=cell.start) for cell in numbers] + others
        )


#: The column name of the first row.
BASE = "(base)"
#: Most rows of a scorecard in the metadata of a file.
MOST_ROWS = 3000
#: The columns of a scorecard; "output" is left out if there is one score.
_COLUMNS = [
    *("column", "kind", "level", "from", "to"),
    *("column_2", "kind_2", "level_2", "from_2", "to_2"),
    *("points", "points_to", "points_2", "points_to_2", "output"),
]


def scorecard(functions: Functions, pairs: np.ndarray, scale: Scale, *, by_nodes: bool = False) -> pd.DataFrame:
    """The base points, and the points of each part of a column and each cell of a pair, or where parts meet."""
    base = scale.offset + scale.factor * functions.base
    parts = [pd.DataFrame({"column": BASE, "kind": "base", "points": base, "output": np.arange(len(base))})]
    of_column, of_pair = (_column_nodes, _pair_nodes) if by_nodes else (_of_column, _of_pair)
    parts += [of_column(functions, int(i), scale.factor) for i in np.unique(functions.explanation.columns)]
    parts += [of_pair(functions, int(a), int(b), scale.factor) for a, b in pairs]
    # Each part lacks some columns, which pandas would warn of in a concatenation.
    card = pd.concat([part.reindex(columns=_COLUMNS).astype(_DTYPES) for part in parts], ignore_index=True)
    return card if len(base) > 1 else card.drop(columns="output")


def readable(functions: Functions, pairs: np.ndarray, spread: float) -> pd.DataFrame | None:
    """The scorecard in raw scores where its parts meet; None if it is too long for a person to read.

    Points are rounded to less than 1e-5 of `spread`.
    """
    sizes = {int(column): len(functions.pair_axis(int(column)).cells) for column in np.unique(pairs)}
    if sum(sizes[int(a)] * sizes[int(b)] for a, b in pairs) > 2 * MOST_ROWS:  # at most twice as many cells as nodes
        return None
    card = scorecard(functions, pairs, Scale(), by_nodes=True)
    if len(card) > MOST_ROWS:
        return None
    digits = 5 - int(np.floor(np.log10(spread))) if spread > 0 else 5
    card["points"] = card["points"].round(digits)
    return card.dropna(axis="columns", how="all")


_DTYPES = {name: np.float64 for name in _COLUMNS if name.startswith(("from", "to", "points"))} | {
    name: object for name in _COLUMNS if name.startswith(("column", "kind", "level"))
}


def _of_column(functions: Functions, column: int, factor: float) -> pd.DataFrame:
    axis = functions.axis(column, functions.explanation.columns == column)
    points = factor * functions.main(column, axis)
    starts, stops = axis.ends
    return _filled(
        {"column": functions.schema.titles[column]} | _described(axis.cells),
        {"points": points[starts], "points_to": points[stops]},
    )


def _of_pair(functions: Functions, a: int, b: int, factor: float) -> pd.DataFrame:
    first, second = functions.pair_axis(a), functions.pair_axis(b)
    points = factor * functions.pair(a, b, first, second)
    (left, right), (low, high) = first.ends, second.ends

    def corner(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return points[np.ix_(one, other)].reshape(len(one) * len(other), -1)

    return _filled(
        _crossed(functions, a, b, first, second),
        {
            "points": corner(left, low),
            "points_to": corner(right, low),
            "points_2": corner(left, high),
            "points_to_2": corner(right, high),
        },
    )


def _column_nodes(functions: Functions, column: int, factor: float) -> pd.DataFrame:
    axis = functions.nodes(functions.axis(column, functions.explanation.columns == column), column)
    points = factor * functions.main(column, axis)[axis.ends[0]]
    return _filled({"column": functions.schema.titles[column]} | _described(axis.cells), {"points": points})


def _pair_nodes(functions: Functions, a: int, b: int, factor: float) -> pd.DataFrame:
    first, second = (functions.nodes(functions.pair_axis(column), column) for column in (a, b))
    points = factor * functions.pair(a, b, first, second)[np.ix_(first.ends[0], second.ends[0])]
    return _filled(_crossed(functions, a, b, first, second), {"points": points.reshape(-1, points.shape[2])})


def _crossed(functions: Functions, a: int, b: int, first: Axis, second: Axis) -> dict[str, Any]:
    """The descriptions of all combinations of the cells of two columns."""
    rows = [cell for cell in first.cells for _ in second.cells]
    names = {"column": functions.schema.titles[a], "column_2": functions.schema.titles[b]}
    return names | _described(rows) | _described(second.cells * len(first.cells), "_2")


def _described(cells: list[Cell], suffix: str = "") -> dict[str, Any]:
    kind, level, low, high, *_ = zip(*cells, strict=True)
    # Levels as they are: pandas would turn whole numbers among None into fractions.
    named: dict[str, Any] = {"kind": kind, "level": pd.Series(level, dtype=object), "from": low, "to": high}
    return {name + suffix: values for name, values in named.items()}


def _filled(described: dict[str, Any], points: dict[str, np.ndarray]) -> pd.DataFrame:
    """A row for each cell, for one score after the other."""
    n_scores = points["points"].shape[1]
    parts = [
        pd.DataFrame(described | {name: values[:, k] for name, values in points.items()} | {"output": k})
        for k in range(n_scores)
    ]
    return pd.concat(parts)
