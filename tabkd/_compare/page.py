"""A comparison as a page: the alerts, where they come and go, the scores, the segments and the speed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tabkd._page import bars
from tabkd._page.section import Document, Section, Verdict, percent, table
from tabkd._page.stability import cell, moved

if TYPE_CHECKING:
    from tabkd._compare.comparison import ScoreComparison

_BOTH = ("old", "new")


def document(found: ScoreComparison) -> Document:
    """All of a comparison.

    Parameters
    ----------
    found : ScoreComparison
        What to show.
    """
    rejected = f", {found.n_rejected:,} more without scores" if found.n_rejected else ""
    made = [_alerts(found), _places(found), _scores(found), *_segments(found), _speed(found)]
    return Document(
        title=f"{found.new} in place of {found.old}",
        subtitle=f"{found.task}, {found.n_rows:,} rows{rejected}",
        verdict=_verdict(found),
        cards=_cards(found),
        sections=[section for section in made if section is not None],
    )


def _verdict(found: ScoreComparison) -> Verdict:
    """The largest budget in words: what stays, and the threshold that keeps the volume."""
    entry = found.review[-1]
    notes = [
        f"Of {entry['alerts']:,.0f} alerts, {entry['same']:,.0f} stay, {entry['go']:,.0f} go, and {entry['come']:,.0f} "
        "come in their place.",
        f"A threshold of {entry['new_threshold']:.6g} on the new model gives as many alerts as "
        f"{entry['old_threshold']:.6g} on the old one.",
    ]
    if "psi" in found.reasons:
        notes.append(f"Scores are not compared: {found.reasons['psi']}.")
    return Verdict(
        "", f"{1 - entry['changed']:.1%} of the alerts are the same at a budget of {entry['budget']:.4g}.", notes
    )


def _cards(found: ScoreComparison) -> list[tuple[str, str, str]]:
    cards = [
        (f"same alerts at {entry['budget']:.4g}", percent(1 - entry["changed"]), f"of {entry['alerts']:,.0f}")
        for entry in found.review
    ]
    if found.psi is not None and found.differences is not None:
        cards.append(("PSI of scores", f"{found.psi:.3f}", moved(found.psi)))
        apart = found.differences
        cards.append(("mean distance of scores", f"{apart['mean']:.3g}", f"mean shift {apart['shift']:+.2g}"))
    return cards


def _alerts(found: ScoreComparison) -> Section:
    """What stays and changes at each budget."""
    shares = {
        f"{entry['budget']:.4g}": {"same": 1 - entry["changed"], "changed": entry["changed"]} for entry in found.review
    }
    text = {f"{entry['budget']:.4g}": f"{percent(1 - entry['changed'])} same" for entry in found.review}
    heads = [
        "share of rows",
        "alerts",
        "same",
        "come",
        "go",
        "changed",
        "threshold of old",
        "of new",
        "ties of old",
        "of new",
    ]
    rows = [
        [f"{entry['budget']:.4g}"]
        + [f"{entry[name]:,.0f}" for name in ("alerts", "same", "come", "go")]
        + [percent(entry["changed"]), *(f"{entry[f'{name}_threshold']:.6g}" for name in _BOTH)]
        + [f"{entry[f'{name}_ties']['alerts']:,.0f}" for name in _BOTH]
        for entry in found.review
    ]
    return Section(
        "The same alerts",
        "For each share of the rows, those with the highest scores: the threshold of each model that gives as many "
        "alerts, and which of these are the same. Ties are alerts that only the order of equal scores decides.",
        figures=[("Alerts that stay", bars.paired(shares, text), "")],
        tables=[table(heads, rows)],
        key={"same": "same", "changed": "changed"},
    )


def _places(found: ScoreComparison) -> Section | None:
    """The columns and values with more comers and goers than elsewhere."""
    named = [entry for entry in found.review if entry["places"]]
    if not named:
        return None
    heads = ["column", "values", "alerts that", "rows", "of alerts there", "lift"]
    tables = [
        table(heads, map(_place, entry["places"]), f"At {entry['budget']:.4g} of the rows", entry is named[-1])
        for entry in named
    ]
    return Section(
        "Who enters and leaves",
        "Values and ranges in which more alerts come or go than chance explains. Lift says how many times as often "
        "they do so there as among all alerts.",
        tables=tables,
    )


def _place(place: dict[str, Any]) -> list[str]:
    told = [place["column"], place["values"], place["direction"]]
    return [*told, f"{place['rows']:,.0f}", f"{place['alerts']:,.0f}", f"{place['lift']:.2f} ×"]


def _scores(found: ScoreComparison) -> Section | None:
    """The distribution of both scores, and their distances."""
    spread, apart = found.distribution, found.differences
    if spread is None or apart is None:
        return None
    both = zip(_ranges(spread["edges"]), spread["old"], spread["new"], strict=True)
    shares = {name: {"old": old, "new": new} for name, old, new in both}
    text = {name: f"{part['new']:.1%}" for name, part in shares.items()}
    return Section(
        "The scores",
        f"PSI {found.psi:.4f}: {moved(found.psi or 0)}. Half of the scores move by at most {apart['50%']:.3g}, 90 % by "
        f"at most {apart['90%']:.3g}, and 99 % by at most {apart['99%']:.3g}.",
        figures=[("Share of rows by score", bars.paired(shares, text), "The ranges are tenths of the old scores.")],
        key={"old": "old", "new": "new"},
    )


def _ranges(edges: list[float]) -> list[str]:
    if not edges:
        return ["all"]
    inner = [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]:.3g}", *inner, f"over {edges[-1]:.3g}"]


def _segments(found: ScoreComparison) -> list[Section]:
    """The levels of each segment column."""
    return [_segment(column, levels) for column, levels in found.segments.items()]


def _segment(column: str, levels: list[dict[str, Any]]) -> Section:
    budgets = [entry["budget"] for entry in levels[0]["review"]]
    last = {level["level"]: level["review"][-1] for level in levels}
    shown = {name: {kind: entry[kind] for kind in _BOTH} for name, entry in last.items()}
    text = {name: f"{entry['old']:,.0f} → {entry['new']:,.0f}" for name, entry in last.items()}
    figures = [(f"Alerts at {budgets[-1]:.4g}", bars.paired(shown, text), "")]
    heads = [column, "rows", "PSI", *(f"at {budget:.4g}: old, new, same" for budget in budgets)]
    rows = [
        [level["level"], f"{level['rows']:,}", cell(level["psi"])]
        + [f"{entry['old']:,.0f}, {entry['new']:,.0f}, {entry['same']:,.0f}" for entry in level["review"]]
        for level in levels
    ]
    return Section(f"By {column}", figures=figures, tables=[table(heads, rows)], key={"old": "old", "new": "new"})


def _speed(found: ScoreComparison) -> Section | None:
    """Throughput and latency of both."""
    if found.speed is None:
        return None
    timed = [name for name in _BOTH if name in found.speed]
    measures = {
        f"rows/s in batches of {found.speed['batch_size']:,}": "rows_per_second",
        "one row, median µs": "one_row_p50_us",
        "one row, 99th percentile µs": "one_row_p99_us",
    }
    rows = [[label, *(f"{found.speed[name][key]:,.0f}" for name in timed)] for label, key in measures.items()]
    text = "" if len(timed) == 2 else f"{found.old} has its scores already, so only the new model is timed."
    return Section("Speed", text, tables=[table(["measure", *timed], rows)])
