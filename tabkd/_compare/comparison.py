"""The comparison of two models: what was found, and the ways to look at it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from tabkd._files import atomic_write_bytes
from tabkd._page.document import check_installed, core, is_installed, page

# The flat items of an entry of `review`.
_FLAT = ("budget", "alerts", "old_threshold", "new_threshold", "same", "come", "go", "changed")


@dataclass(frozen=True, repr=False)
class ScoreComparison:
    """What changes when a model replaces another one, made by :func:`tabkd.compare`.

    Attributes
    ----------
    task : {"classification", "regression"}
        What both predict.
    old, new : str
        What they are called.
    n_rows, n_rejected : int
        Numbers of rows with scores of both, and of rows without.
    review : list of dict
        For each review budget ``budget``, the share of the rows that alert, those with the highest scores, and
        ``alerts``, their number; ``old_threshold`` and ``new_threshold``, from which each model gives as many;
        ``old_ties`` and ``new_ties``: how many of the ``alerts`` only the order of equal scores decides, and how many
        ``rows`` have this score; the alerts that are the ``same``, that ``come`` and that ``go``; ``changed``, the
        share that goes; ``places``, at most ten levels or ranges of columns where more of the alerts come or go than
        elsewhere: ``column``, ``values``, ``direction``, ``rows``, the ``alerts`` of either model there, and ``lift``.
    psi : float or None
        The population stability index of the new scores against the old ones, by tenths of the old ones. If most scores
        are nearly equal, the tenths are so close together that small differences make it large; see `differences`.
    distribution : dict or None
        ``edges`` between tenths of the old scores, and the shares of the rows between them by the ``old`` and the
        ``new`` scores, from which the index follows.
    differences : dict or None
        ``shift``, the mean of new minus old; the ``mean`` distance, and the points that 50, 90 and 99 % of the rows do
        not exceed.
    segments : dict of str to list of dict
        For each segment column its levels, with ``level``, ``rows``, ``psi``, and for each budget the alerts of the
        ``old`` model, of the ``new`` one, and the ``same``.
    speed : dict or None
        For old and new rows_per_second of a batch of ``batch_size``, batch_ms, one_row_p50_us and one_row_p99_us; old
        is absent if it is a column of scores.
    reasons : dict of str to str
        Why a value is None.
    """

    task: Literal["classification", "regression"]
    old: str
    new: str
    n_rows: int
    n_rejected: int
    review: list[dict[str, Any]]
    psi: float | None
    distribution: dict[str, list[float]] | None
    differences: dict[str, float] | None
    segments: dict[str, list[dict[str, Any]]]
    speed: dict[str, Any] | None
    reasons: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The attributes by name, as plain types for JSON.

        Returns
        -------
        dict
            Plain types.
        """
        return asdict(self)

    def to_frame(self) -> Any:
        """The budgets as a pandas frame.

        Returns
        -------
        pandas.DataFrame
            A row for each budget.
        """
        return pa.Table.from_pylist([{name: entry[name] for name in _FLAT} for entry in self.review]).to_pandas()

    def summary(self) -> list[tuple[str, str]]:
        """The headlines besides the alerts.

        Returns
        -------
        list of tuple of str
            Each headline with its value.
        """
        rejected = f", {self.n_rejected:,} without scores" if self.n_rejected else ""
        lines = [("rows", f"{self.n_rows:,}{rejected}")]
        if self.psi is None or self.differences is None:
            lines.append(("scores", f"– ({self.reasons['psi']})"))
        else:
            apart = self.differences
            points = ", ".join(f"{apart[name]:.3g} ({name})" for name in ("50%", "90%", "99%"))
            lines.append(("PSI of scores", f"{self.psi:.4f}"))
            lines.append(("distance", f"{apart['mean']:.3g} on average, {points}; shift {apart['shift']:+.3g}"))
        for name in ("old", "new"):
            if (of := (self.speed or {}).get(name)) is not None:
                pace = f"{of['rows_per_second']:,.0f} rows/s, one row {of['one_row_p50_us']:,.0f} µs"
                lines.append((f"speed of {name}", pace))
        return lines

    def table(self) -> tuple[list[str], list[list[str]]]:
        """The alerts of each budget as text.

        Returns
        -------
        tuple of list
            The headings, and a row for each budget.
        """
        headings = [
            "budget",
            "alerts",
            "same",
            "come and go",
            "changed",
            "threshold of old",
            "of new",
            "old by ties",
            "new by ties",
        ]
        return headings, [
            [
                f"{entry['budget']:.4g}",
                f"{entry['alerts']:,.0f}",
                f"{entry['same']:,.0f}",
                f"{entry['go']:,.0f}",
                f"{entry['changed']:.1%}",
                f"{entry['old_threshold']:.6g}",
                f"{entry['new_threshold']:.6g}",
                f"{entry['old_ties']['alerts']:,.0f}",
                f"{entry['new_ties']['alerts']:,.0f}",
            ]
            for entry in self.review
        ]

    def __repr__(self) -> str:
        headings, rows = self.table()
        widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
        lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in (headings, *rows)]
        told = [f"{name}: {value}" for name, value in self.summary()]
        return "\n".join([f"{self.new} in place of {self.old}", *lines, *told])

    def to_html(self, path: str | os.PathLike | None = None) -> str:
        """The comparison as one file that a browser opens without a network.

        Parameters
        ----------
        path : str or path, optional
            Where to write it.

        Returns
        -------
        str
            The HTML.

        Raises
        ------
        ImportError
            If Jinja2 is not installed.
        OSError
            If the file cannot be written.
        """
        check_installed()
        from tabkd._compare.page import document

        content = page(document(self))
        if path is not None:
            atomic_write_bytes(Path(path), content.encode("utf-8", "backslashreplace"))
        return content

    def _repr_html_(self) -> str | None:
        if not is_installed():
            return None  # a notebook then shows the text
        from tabkd._compare.page import document

        return core(document(self))
