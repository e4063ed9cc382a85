"""Drawings of the functions of an additive student with matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabkd.students._additive.scorecard import Axis, Functions

# Axes in a row of the figure, and the inches of each.
_WIDTH, _SIZE = 4, (3.4, 2.6)


def plot_functions(functions: Functions, columns: list[int], pairs: np.ndarray, output: int) -> np.ndarray:
    """Draw a line or bars for each column, and a map for each pair; the axes are returned in this order.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plot draws with matplotlib, which is not installed: pip install matplotlib.") from error

    n = len(columns) + len(pairs)
    n_rows, n_wide = -(-max(n, 1) // _WIDTH), min(_WIDTH, max(n, 1))
    figure, grid = pyplot.subplots(
        n_rows, n_wide, figsize=(_SIZE[0] * n_wide, _SIZE[1] * n_rows), squeeze=False, layout="constrained"
    )
    axes = grid.ravel()
    for unused in axes[n:]:
        unused.remove()
    for ax, column in zip(axes, columns, strict=False):
        _draw_column(ax, functions, column, output)
    for ax, (a, b) in zip(axes[len(columns) :], pairs, strict=False):
        _draw_pair(ax, figure, functions, int(a), int(b), output)
    return axes[:n]


def _draw_column(ax: Any, functions: Functions, column: int, output: int) -> None:
    axis = functions.axis(column, functions.explanation.columns == column)
    points = functions.main(column, axis)[:, output]
    if functions.schema.columns[column].kind == "categorical":
        ax.barh(range(len(points)), points)
        ax.set_yticks(range(len(points)), _labels(axis))
    else:
        ax.plot(axis.codes[:-1], points[:-1])
        ax.axhline(points[-1], linestyle=":", linewidth=1, label="missing")
        ax.legend(fontsize="small")
    ax.set_title(functions.schema.titles[column], fontsize="medium")


def _draw_pair(ax: Any, figure: Any, functions: Functions, a: int, b: int, output: int) -> None:
    first, second = functions.pair_axis(a), functions.pair_axis(b)
    points = functions.pair(a, b, first, second)[:, :, output]
    largest = max(float(np.abs(points).max()), 1e-12)
    drawn = ax.pcolormesh(points.T, cmap="RdBu_r", vmin=-largest, vmax=largest)
    ax.set_xticks(np.arange(len(points)) + 0.5, _labels(first), rotation=90, fontsize="x-small")
    ax.set_yticks(np.arange(points.shape[1]) + 0.5, _labels(second), fontsize="x-small")
    ax.set_title(f"{functions.schema.titles[a]} × {functions.schema.titles[b]}", fontsize="medium")
    figure.colorbar(drawn, ax=ax)


def _labels(axis: Axis) -> list[str]:
    """The name of each place on an axis: its level, its number, or "missing"."""
    levels = {cell.start: str(cell.kind if cell.level is None else cell.level) for cell in axis.cells}
    return [levels[k] if levels[k] != "range" else f"{code:.3g}" for k, code in enumerate(axis.codes)]
