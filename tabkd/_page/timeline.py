"""Numbers over time as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup, escape

from tabkd._page.svg import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Axis, dot, drawing, number, padded, short, ticks

_HEIGHT = 170
_LABELS = 4


def timeline(
    times: Sequence[datetime],
    values: Sequence[float | None],
    y_label: str,
    *,
    limits: Sequence[float] = (),
    least: float = 0.0,
) -> Markup:
    """A dot for each value, joined in time order; a line ends where a value is not known.

    Parameters
    ----------
    times : sequence of datetime
        In ascending order.
    values : sequence of float or None
        The value at each time.
    y_label : str
        What the values are.
    limits : sequence of float
        Values at which a dashed line is drawn.
    least : float
        The axis reaches up to this value at least.
    """
    seconds = [time.timestamp() for time in times]
    known = [value for value in values if value is not None]
    x = Axis(*padded(seconds[0], seconds[-1]), LEFT + 6, WIDTH - RIGHT - 6)
    y = Axis(*padded(0.0, max([*known, least]) * 1.05), _HEIGHT - BOTTOM, TOP)
    parts = [_frame(times, x, y, y_label)]
    for limit in limits:
        if limit < y.high:
            place = y.place(limit)
            parts.append(f'<polyline class="even" points="{LEFT},{place} {WIDTH - RIGHT},{place}"/>')
    for run in _runs(list(zip(seconds, values, strict=True))):
        points = " ".join(f"{x.place(second)},{y.place(value)}" for second, value in run)
        parts.append(f'<polyline class="new" points="{points}"/>')
        parts += [dot(x.place(second), y.place(value), "new") for second, value in run]
    return drawing(parts, _HEIGHT)


def _runs(points: list[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """The points between those that are not known."""
    runs: list[list[tuple[float, float]]] = [[]]
    for second, value in points:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((second, value))
    return [run for run in runs if run]


def _frame(times: Sequence[datetime], x: Axis, y: Axis, y_label: str) -> str:
    parts = []
    for tick in ticks(y.low, y.high):
        place = y.place(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place}" y2="{place}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 4}" y="{place + 3}" text-anchor="end">{number(tick)}</text>')
    for time in _labelled(times):
        shown = f"{time:%Y-%m-%d}" if times[-1].date() != times[0].date() else f"{time:%H:%M}"
        place, anchor = (WIDTH - 2, "end") if time == times[-1] else (x.place(time.timestamp()), "middle")
        parts.append(f'<text class="tick" x="{place}" y="{_HEIGHT - 20}" text-anchor="{anchor}">{shown}</text>')
    middle = (y.start + y.stop) / 2
    parts.append(
        f'<text class="axis" x="10" y="{middle}" text-anchor="middle" transform="rotate(-90 10 {middle})">'
        f"{escape(short(y_label, 28))}</text>"
    )
    return "".join(parts)


def _labelled(times: Sequence[datetime]) -> list[datetime]:
    """Some times, about evenly spaced: those nearest to the ends of equal parts."""
    start, stop = times[0].timestamp(), times[-1].timestamp()
    wanted = [start + (stop - start) * k / (_LABELS - 1) for k in range(_LABELS)]
    near = [min(times, key=lambda time: abs(time.timestamp() - place)) for place in wanted]
    kept: list[datetime] = []
    for time in near:
        if not kept or time.timestamp() - kept[-1].timestamp() > (stop - start) / (_LABELS + 1):
            kept.append(time)
    return kept
