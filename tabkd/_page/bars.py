"""Rows of bars and of dots as inline SVG, one for each name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from tabkd._page.svg import RIGHT, WIDTH, Axis, drawing, number, padded, short, ticks

_BAR, _THIN, _LABEL = 20, 9, 120


def bars(values: Mapping[str, float]) -> Markup:
    """A bar for each name; those below zero go to the left."""
    low, high = min(0.0, *values.values()), max(0.0, *values.values())
    x = Axis(low, high if high > low else low + 1, _LABEL, WIDTH - 50)
    parts = []
    for k, (name, value) in enumerate(values.items()):
        top, start, stop = k * _BAR, x.place(min(value, 0)), x.place(max(value, 0))
        kind = "down" if value < 0 else "up"
        parts.append(
            f'<text x="{_LABEL - 6}" y="{top + 14}" text-anchor="end">{escape(short(name))}</text>'
            f'<rect class="{kind}" x="{start}" y="{top + 4}" width="{max(stop - start, 0.5):.1f}" height="12"/>'
            f'<text class="value" x="{stop + 4}" y="{top + 14}">{value:.3g}</text>'
        )
    return drawing(parts, max(len(values), 1) * _BAR + 4)


def paired(values: Mapping[str, Mapping[str, float]], text: Mapping[str, str]) -> Markup:
    """Two bars or more for each name, such as the old one and the new one.

    Parameters
    ----------
    values : mapping of str to mapping of str to float
        For each name, a number not below zero for each class of the style sheet.
    text : mapping of str to str
        The text after the bars of a name.
    """
    most = max((value for part in values.values() for value in part.values()), default=0) or 1.0
    x = Axis(0.0, most, _LABEL, WIDTH - 80)
    parts = []
    top = 0.0
    for name, part in values.items():
        middle = top + _THIN * len(part) / 2 + 4
        parts.append(f'<text x="{_LABEL - 6}" y="{middle + 3}" text-anchor="end">{escape(short(name))}</text>')
        for k, (kind, value) in enumerate(part.items()):
            width, y = max(x.place(value) - _LABEL, 0.5), top + 4 + k * _THIN
            parts.append(f'<rect class="{kind}" x="{_LABEL}" y="{y}" width="{width:.1f}" height="{_THIN - 1}"/>')
        end = max(x.place(value) for value in part.values())
        parts.append(f'<text class="value" x="{end + 4}" y="{middle + 3}">{escape(text[name])}</text>')
        top += _THIN * len(part) + 8
    return drawing(parts, max(top, _BAR) + 4)


def swarm(points: Mapping[str, Sequence[Sequence[float | None]]], x_label: str) -> Markup:
    """A row of dots for each name: contributions, coloured by the rank of the value in its column."""
    found = [point[0] or 0.0 for part in points.values() for point in part]
    x = Axis(*padded(min(found), max(found)), _LABEL, WIDTH - RIGHT)
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
        f'<text class="axis" x="{WIDTH / 2 + 40}" y="{height + 26}" text-anchor="middle">{escape(x_label)}</text>'
    )
    return drawing(parts, height + 30)
