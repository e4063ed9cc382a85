"""Charts as inline SVG, whose colours are those of the page: light, dark and on paper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 340, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 10, 36
_BAR, _LABEL = 20, 120
Curve = Mapping[str, Sequence[float]]


class _Axis(NamedTuple):
    """Maps values to places on the chart."""

    low: float
    high: float
    start: float
    stop: float

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + min(max(share, 0.0), 1.0) * (self.stop - self.start), 1)


def ticks(low: float, high: float, n: int = 4) -> list[float]:
    """Some round numbers between two others.

    Examples
    --------
    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    raw = (high - low) / n
    base = 10.0 ** math.floor(math.log10(raw))
    step = next(m * base for m in (1, 2, 5, 10) if m * base >= raw * 0.8)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """A number as an axis shows it.

    Examples
    --------
    >>> number(0.25), number(12000.0), number(3.0)
    ('0.25', '12k', '3')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 10 or (abs(value) >= size and value % size == 0):
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def lines(
    curves: Mapping[str, Curve],
    x_label: str,
    y_label: str,
    *,
    diagonal: bool = False,
    marks: Mapping[str, tuple[float, float]] | None = None,
    dots: bool = False,
) -> Markup:
    """A line for each curve; `marks` are dots that belong to the curves of their names.

    Parameters
    ----------
    curves : dict of str to {"x": …, "y": …}
        By name, which is also their class in the style sheet.
    x_label, y_label : str
        The names of the axes.
    diagonal : bool
        Whether to draw where both axes are equal.
    marks : dict of str to (x, y), optional
        A mark on each curve.
    dots : bool
        Whether each point has a dot.
    """
    x, y = _axes([v for c in curves.values() for v in c["x"]], [v for c in curves.values() for v in c["y"]], diagonal)
    parts = [_frame(x, y, x_label, y_label)]
    if diagonal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        parts.append(_path([low, high], [low, high], x, y, "even"))
    for name, curve in curves.items():
        parts.append(_path(curve["x"], curve["y"], x, y, name))
        if dots:
            parts += [_dot(x.place(a), y.place(b), name) for a, b in zip(curve["x"], curve["y"], strict=True)]
    for name, (a, b) in (marks or {}).items():
        parts.append(_dot(x.place(a), y.place(b), f"{name} mark", 4))
    return _svg(parts)


def points(found: Sequence[tuple[float, float, bool]], x_label: str, y_label: str) -> Markup:
    """A dot for each student, joined in their order; those that are true are marked.

    Parameters
    ----------
    found : sequence of (x, y, marked)
        Where they are.
    x_label, y_label : str
        The names of the axes.
    """
    xs, ys = [a for a, _, _ in found], [b for _, b, _ in found]
    x, y = _axes(xs, ys, False)
    parts = [_frame(x, y, x_label, y_label), _path(xs, ys, x, y, "student")]
    for a, b, marked in found:
        parts.append(_dot(x.place(a), y.place(b), "student mark" if marked else "student", 5 if marked else 2.5))
    return _svg(parts)


def steps(edges: Sequence[float], shares: Mapping[str, Sequence[float]], x_label: str) -> Markup:
    """A distribution of each name over common bins."""
    x, y = _axes(edges, [0.0, *(v for part in shares.values() for v in part)], False)
    parts = [_frame(x, y, x_label, "share of rows")]
    for name, part in shares.items():
        xs = [edge for pair in pairwise(edges) for edge in pair]
        parts.append(_path(xs, [v for v in part for _ in range(2)], x, y, name))
    return _svg(parts)


def heat(edges: Sequence[float], shares: Sequence[Sequence[float]], x_label: str, y_label: str) -> Markup:
    """The shares of rows in cells of two scores; darker cells have more."""
    x, y = _axes(edges, edges, False)
    largest = max(max(row) for row in shares) or 1.0
    parts = [_frame(x, y, x_label, y_label), _path([edges[0], edges[-1]], [edges[0], edges[-1]], x, y, "even")]
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            if share:
                left, right = x.place(edges[i]), x.place(edges[i + 1])
                top, bottom = y.place(edges[j + 1]), y.place(edges[j])
                depth = 0.15 + 0.85 * (share / largest) ** 0.35
                parts.append(
                    f'<rect class="cell" x="{left}" y="{top}" width="{right - left + 0.2:.1f}" '
                    f'height="{bottom - top + 0.2:.1f}" fill-opacity="{depth:.2f}"/>'
                )
    return _svg(parts)


def bars(values: Mapping[str, float]) -> Markup:
    """A bar for each name; those below zero go to the left."""
    low, high = min(0.0, *values.values()), max(0.0, *values.values())
    x = _Axis(low, high if high > low else low + 1, _LABEL, _WIDTH - 50)
    parts = []
    for k, (name, value) in enumerate(values.items()):
        top, start, stop = k * _BAR, x.place(min(value, 0)), x.place(max(value, 0))
        kind = "down" if value < 0 else "up"
        parts.append(
            f'<text x="{_LABEL - 6}" y="{top + 14}" text-anchor="end">{escape(short(name))}</text>'
            f'<rect class="{kind}" x="{start}" y="{top + 4}" width="{max(stop - start, 0.5):.1f}" height="12"/>'
            f'<text class="value" x="{stop + 4}" y="{top + 14}">{value:.3g}</text>'
        )
    return _svg(parts, max(len(values), 1) * _BAR + 4)


def swarm(points: Mapping[str, Sequence[Sequence[float | None]]], x_label: str) -> Markup:
    """A row of dots for each name: contributions, coloured by where the value stands among those of its column."""
    found = [point[0] or 0.0 for part in points.values() for point in part]
    x = _Axis(*_padded(min(found), max(found)), _LABEL, _WIDTH - _RIGHT)
    zero = x.place(0)
    height = len(points) * _BAR
    parts = [f'<line class="grid" x1="{zero}" x2="{zero}" y1="0" y2="{height}"/>']
    for k, (name, part) in enumerate(points.items()):
        middle = k * _BAR + _BAR / 2
        parts.append(f'<text x="{_LABEL - 6}" y="{middle + 4}" text-anchor="end">{escape(short(name))}</text>')
        seen: dict[int, int] = {}
        for value, rank in part:
            place = x.place(value or 0.0)
            n = seen[int(place // 3)] = seen.get(int(place // 3), -1) + 1
            offset = min((n + 1) // 2, 4) * 1.8 * (1 if n % 2 else -1)
            kind = "dot" if rank is None else f"dot r{min(int(rank * 5), 4)}"
            parts.append(f'<circle class="{kind}" cx="{place}" cy="{middle + offset:.1f}" r="1.7"/>')
    for tick in ticks(x.low, x.high, 3):
        parts.append(
            f'<text class="tick" x="{x.place(tick)}" y="{height + 12}" text-anchor="middle">{number(tick)}</text>'
        )
    parts.append(
        f'<text class="axis" x="{_WIDTH / 2 + 40}" y="{height + 26}" text-anchor="middle">{escape(x_label)}</text>'
    )
    return _svg(parts, height + 30)


def short(text: str, most: int = 20) -> str:
    """A text of at most `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _padded(low: float, high: float) -> tuple[float, float]:
    if not high > low:
        size = abs(low) or 1.0
        return low - size / 2, high + size / 2
    return low, high


def _axes(xs: Sequence[float], ys: Sequence[float], same: bool) -> tuple[_Axis, _Axis]:
    x_range, y_range = _padded(min(xs), max(xs)), _padded(min(ys), max(ys))
    if same:
        x_range = y_range = (min(x_range[0], y_range[0]), max(x_range[1], y_range[1]))
    return _Axis(*x_range, _LEFT, _WIDTH - _RIGHT), _Axis(*y_range, _HEIGHT - _BOTTOM, _TOP)


def _frame(x: _Axis, y: _Axis, x_label: str, y_label: str) -> str:
    parts = []
    for tick in ticks(x.low, x.high):
        place = x.place(tick)
        parts.append(f'<line class="grid" x1="{place}" x2="{place}" y1="{y.start}" y2="{y.stop}"/>')
        parts.append(f'<text class="tick" x="{place}" y="{y.start + 13}" text-anchor="middle">{number(tick)}</text>')
    for tick in ticks(y.low, y.high):
        place = y.place(tick)
        parts.append(f'<line class="grid" x1="{x.start}" x2="{x.stop}" y1="{place}" y2="{place}"/>')
        parts.append(f'<text class="tick" x="{x.start - 4}" y="{place + 3}" text-anchor="end">{number(tick)}</text>')
    middle = (y.start + y.stop) / 2
    parts.append(
        f'<text class="axis" x="{(x.start + x.stop) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{escape(short(x_label, 52))}</text>"
        f'<text class="axis" x="10" y="{middle}" text-anchor="middle" transform="rotate(-90 10 {middle})">'
        f"{escape(short(y_label, 34))}</text>"
    )
    return "".join(parts)


def _path(xs: Sequence[float], ys: Sequence[float], x: _Axis, y: _Axis, kind: str) -> str:
    points = " ".join(f"{x.place(a)},{y.place(b)}" for a, b in zip(xs, ys, strict=True))
    return f'<polyline class="{escape(kind)}" points="{points}"/>'


def _dot(x: float, y: float, kind: str, radius: float = 2.5) -> str:
    return f'<circle class="{escape(kind)}" cx="{x}" cy="{y}" r="{radius}"/>'


def _svg(parts: Sequence[str], height: float = _HEIGHT) -> Markup:
    return Markup(f'<svg viewBox="0 0 {_WIDTH} {height}" role="img">{"".join(parts)}</svg>')
