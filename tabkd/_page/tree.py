"""A decision tree as inline SVG: the root on the left, a line for each leaf."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from tabkd._page.svg import short

# The most leaves and consecutive splits that are drawn: the path of most rows.
_MOST_LEAVES, _DEEPEST = 24, 7
_STEP, _LINE, _BAR, _TEXT = 152, 26, 60, 25


class Node(NamedTuple):
    """A node of a tree.

    Attributes
    ----------
    depth : int
        The number of splits above it; nodes are in the order of a walk, each before its children.
    by : str
        The condition of the split above it.
    share : float
        The share of rows that reach it.
    answer : str
        What it predicts.
    value : float
        The same as a number between 0 and 1, for its colour.
    """

    depth: int
    by: str
    share: float
    answer: str
    value: float


def tree(nodes: Sequence[Node], answer: str) -> Markup:
    """The upper part of a tree, as far as most rows go.

    Parameters
    ----------
    nodes : sequence of Node
        All nodes.
    answer : str
        What they predict.
    """
    children = _children(nodes)
    shown = _opened(nodes, children)
    lines = _lines(0, shown, children)
    width = _STEP * (max(nodes[k].depth for k in lines) + 1) + _BAR + 70
    height = _LINE * sum(k not in shown for k in lines) + 20
    parts = [f'<text class="axis" x="4" y="12">{escape(f"Answers: {answer}")}</text>']
    for k, y in lines.items():
        node, x = nodes[k], _STEP * nodes[k].depth
        if k in shown:
            ends = [lines[child] for child in children[k]]
            parts.append(f'<path class="branch" d="M{x + _STEP},{min(ends):.1f}V{max(ends):.1f}"/>')
        parts.append(f'<path class="branch" d="M{x},{y:.1f}H{x + _STEP}"/>')
        parts.append(_texts(node, x, y, k in shown, bool(children[k])))
    size = f'viewBox="0 0 {width} {height}" style="min-width:{width * 0.75:.0f}px"'
    return Markup(f'<div class="wide tree"><svg {size} role="img">{"".join(parts)}</svg></div>')


def _texts(node: Node, x: float, y: float, is_open: bool, has_more: bool) -> str:
    """The text of a node above its line, its share as a bar below, and its answer if nothing more is drawn."""
    said = escape(short(node.by or "all rows", _TEXT))
    bar = max((_STEP - 12) * node.share, 1.0)
    text = (
        f"<g><title>{escape(f'{node.by}: {node.answer}, {node.share:.1%} of the rows')}</title>"
        f'<text x="{x + 5}" y="{y - 4:.1f}">{said}</text>'
        f'<rect class="share" x="{x + 5}" y="{y + 2:.1f}" width="{bar:.1f}" height="3"/></g>'
    )
    if is_open:
        return text
    more = " …" if has_more else ""
    return text + (
        f'<rect class="cell" x="{x + _STEP + 4}" y="{y - 6:.1f}" width="{max(_BAR * node.value, 1):.1f}" height="10"/>'
        f'<text x="{x + _STEP + _BAR + 8}" y="{y + 3:.1f}">{escape(node.answer + more)}</text>'
    )


def _children(nodes: Sequence[Node]) -> list[list[int]]:
    """The positions of the children of each node."""
    found: list[list[int]] = [[] for _ in nodes]
    above: list[int] = []
    for k, node in enumerate(nodes):
        del above[node.depth :]
        if above:
            found[above[-1]].append(k)
        above.append(k)
    return found


def _opened(nodes: Sequence[Node], children: Sequence[list[int]]) -> set[int]:
    """The splits that are drawn: from the root, those that most rows reach."""
    opened: set[int] = set()
    waiting = [0]
    while len(opened) < _MOST_LEAVES - 1:
        able = [k for k in waiting if children[k] and nodes[k].depth < _DEEPEST]
        if not able:
            break
        best = max(able, key=lambda k: nodes[k].share)
        waiting.remove(best)
        waiting += children[best]
        opened.add(best)
    return opened


def _lines(root: int, opened: set[int], children: Sequence[list[int]]) -> dict[int, float]:
    """The height of each drawn node: a line for each leaf, and the middle of its children for a split."""
    placed: dict[int, float] = {}
    lines = iter(range(len(children)))

    def place(k: int) -> float:
        placed[k] = 0.0  # keeps the order of a walk
        if k in opened:
            placed[k] = sum(place(child) for child in children[k]) / len(children[k])
        else:
            placed[k] = 34.0 + _LINE * next(lines)
        return placed[k]

    place(root)
    return placed
