"""A function of two columns as inline SVG: a map of cells."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup, escape

from tabkd._page.svg import BOTTOM, LEFT, TOP, WIDTH, drawing, short

_HEIGHT = 240
# Characters of the name of a place, and names along an axis.
_NAME, _MOST_NAMES = 9, 6


def grid(points: Mapping[str, Mapping[str, float]], x_label: str, y_label: str) -> Markup:
    """A cell for each place of one column (across) and of another (up); its colour is the sign and size of its points.

    Parameters
    ----------
    points : mapping of str to mapping of str to float
        For each place of the one column, the points of each place of the other.
    x_label, y_label : str
        The names of the columns.
    """
    across, up = list(points), list(next(iter(points.values())))
    most = max(abs(value) for row in points.values() for value in row.values()) or 1.0
    left, bottom = LEFT + 18, _HEIGHT - BOTTOM
    width, height = (WIDTH - 12 - left) / len(across), (bottom - TOP) / len(up)
    parts = []
    for i, one in enumerate(across):
        for j, other in enumerate(up):
            value = points[one][other]
            parts.append(
                f'<rect class="{"up" if value > 0 else "down"}" x="{left + i * width:.1f}" '
                f'y="{bottom - (j + 1) * height:.1f}" width="{width + 0.2:.1f}" height="{height + 0.2:.1f}" '
                f'fill-opacity="{abs(value) / most:.2f}"><title>{escape(f"{one}, {other}: {value:.3g}")}</title></rect>'
            )
    for i in _named(len(across)):
        parts.append(_text(left + (i + 0.5) * width, bottom + 13, across[i], "middle"))
    for j in _named(len(up)):
        parts.append(_text(left - 4, bottom - (j + 0.5) * height + 3, up[j], "end"))
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text class="axis" x="{(left + WIDTH - 12) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{escape(short(x_label, 52))}</text>"
        f'<text class="axis" x="10" y="{middle}" text-anchor="middle" transform="rotate(-90 10 {middle})">'
        f"{escape(short(y_label, 34))}</text>"
    )
    return drawing(parts, _HEIGHT)


def _named(n: int) -> range:
    """Places that are named, evenly spaced."""
    return range(0, n, -(-n // _MOST_NAMES))


def _text(x: float, y: float, text: str, anchor: str) -> str:
    shown = escape(short(text, _NAME))
    return f'<text class="tick" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{shown}</text>'
