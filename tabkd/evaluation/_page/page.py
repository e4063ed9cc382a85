"""The page of a report, and its core for a notebook."""

from __future__ import annotations

from tabkd._page import document
from tabkd._page.section import Document, Verdict
from tabkd.evaluation._findings import Findings
from tabkd.evaluation._page.alerts import same_alerts
from tabkd.evaluation._page.contest import contest
from tabkd.evaluation._page.form import LARGEST, Form
from tabkd.evaluation._page.headlines import headlines
from tabkd.evaluation._page.model import contributions, model
from tabkd.evaluation._page.origin import done, drift
from tabkd.evaluation._page.proofs import doubt, monotone
from tabkd.evaluation._page.rows import classes, row_by_row, segments
from tabkd.evaluation._page.search import search

_SECTIONS = (
    row_by_row, same_alerts, classes, segments, search, model, contributions, monotone, doubt, drift, done,
)  # fmt: skip
_VERDICTS = {
    "distil": ("good", "Ship it."),
    "do not distil": ("bad", "Do not distil."),
    "cannot tell": ("care", "Cannot tell."),
}


def page(findings: Findings) -> str:
    """One file of HTML with everything in it: style, figures, and the student itself if it was exported.

    Parameters
    ----------
    findings : Findings
        What to show.
    """
    shown = _document(findings)
    if findings.exhibits is None or findings.exhibits.form is None:
        return document.page(shown)
    form = Form(findings.exhibits.form, LARGEST - len(document.page(shown).encode()))
    shown.sections.insert(1, form.section)
    shown.scripts = form.scripts
    return document.page(shown)


def core(findings: Findings) -> str:
    """The same without the student, as a part of another page.

    Parameters
    ----------
    findings : Findings
        What to show.
    """
    return document.core(_document(findings))


def _document(findings: Findings) -> Document:
    made = [contest(findings), *(make(findings) for make in _SECTIONS)]
    return Document(
        title=f"{findings.student} from {findings.teacher}",
        subtitle=f"{findings.task}, {findings.n_test:,} test rows",
        verdict=verdict(findings),
        cards=headlines(findings),
        sections=[section for section in made if section is not None],
    )


def verdict(findings: Findings) -> Verdict:
    """Whether to ship the student, in one sentence that agrees with `Report.verdict`, and why.

    Parameters
    ----------
    findings : Findings
        The findings.
    """
    kind, title = _VERDICTS[findings.verdict]
    if findings.verdict == "distil" and findings.warnings:
        kind, title = "care", "Ship it with care."
    return Verdict(kind, title, [findings.why[:1].upper() + findings.why[1:], *findings.warnings])
