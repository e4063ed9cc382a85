"""Parts of inline SVG: axes, frames, lines and dots, whose colours are those of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

#: The size of a drawing, and the margins around its axes.
WIDTH, HEIGHT = 340, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 36


class Axis(NamedTuple):
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


def short(text: str, most: int = 20) -> str:
    """A text of at most `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def padded(low: float, high: float) -> tuple[float, float]:
    if not high > low:
        size = abs(low) or 1.0
        return low - size / 2, high + size / 2
    return low, high


def axes(xs: Sequence[float], ys: Sequence[float], same: bool) -> tuple[Axis, Axis]:
    x_range, y_range = padded(min(xs), max(xs)), padded(min(ys), max(ys))
    if same:
        x_range = y_range = (min(x_range[0], y_range[0]), max(x_range[1], y_range[1]))
    return Axis(*x_range, LEFT, WIDTH - RIGHT), Axis(*y_range, HEIGHT - BOTTOM, TOP)


def frame(x: Axis, y: Axis, x_label: str, y_label: str) -> str:
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
        f'<text class="axis" x="{(x.start + x.stop) / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(short(x_label, 52))}</text>"
        f'<text class="axis" x="10" y="{middle}" text-anchor="middle" transform="rotate(-90 10 {middle})">'
        f"{escape(short(y_label, 34))}</text>"
    )
    return "".join(parts)


def path(xs: Sequence[float], ys: Sequence[float], x: Axis, y: Axis, kind: str) -> str:
    points = " ".join(f"{x.place(a)},{y.place(b)}" for a, b in zip(xs, ys, strict=True))
    return f'<polyline class="{escape(kind)}" points="{points}"/>'


def dot(x: float, y: float, kind: str, radius: float = 2.5) -> str:
    return f'<circle class="{escape(kind)}" cx="{x}" cy="{y}" r="{radius}"/>'


def drawing(parts: Sequence[str], height: float = HEIGHT) -> Markup:
    return Markup(f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(parts)}</svg>')
