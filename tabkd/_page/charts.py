"""Charts with two axes as inline SVG: curves, points, distributions, and maps of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from tabkd._page.svg import axes, dot, drawing, frame, path

Curve = Mapping[str, Sequence[float]]


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
        Whether to draw the line where both axes are equal.
    marks : dict of str to (x, y), optional
        A mark on each curve.
    dots : bool
        Whether each point has a dot.
    """
    x, y = axes([v for c in curves.values() for v in c["x"]], [v for c in curves.values() for v in c["y"]], diagonal)
    parts = [frame(x, y, x_label, y_label)]
    if diagonal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        parts.append(path([low, high], [low, high], x, y, "even"))
    for name, curve in curves.items():
        parts.append(path(curve["x"], curve["y"], x, y, name))
        if dots:
            parts += [dot(x.place(a), y.place(b), name) for a, b in zip(curve["x"], curve["y"], strict=True)]
    for name, (a, b) in (marks or {}).items():
        parts.append(dot(x.place(a), y.place(b), f"{name} mark", 4))
    return drawing(parts)


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
    x, y = axes(xs, ys, False)
    parts = [frame(x, y, x_label, y_label), path(xs, ys, x, y, "student")]
    for a, b, marked in found:
        parts.append(dot(x.place(a), y.place(b), "student mark" if marked else "student", 5 if marked else 2.5))
    return drawing(parts)


def steps(edges: Sequence[float], shares: Mapping[str, Sequence[float]], x_label: str) -> Markup:
    """A distribution of each name over common bins."""
    x, y = axes(edges, [0.0, *(v for part in shares.values() for v in part)], False)
    parts = [frame(x, y, x_label, "share of rows")]
    for name, part in shares.items():
        xs = [edge for pair in pairwise(edges) for edge in pair]
        parts.append(path(xs, [v for v in part for _ in range(2)], x, y, name))
    return drawing(parts)


def heat(edges: Sequence[float], shares: Sequence[Sequence[float]], x_label: str, y_label: str) -> Markup:
    """The shares of rows in cells of two scores; darker cells have more."""
    x, y = axes(edges, edges, False)
    largest = max(max(row) for row in shares) or 1.0
    parts = [frame(x, y, x_label, y_label), path([edges[0], edges[-1]], [edges[0], edges[-1]], x, y, "even")]
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
    return drawing(parts)
