"""The tables and the plot of the fidelity benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from benchmarks.fidelity import (
    AUTOGLUON,
    CONTESTANTS,
    ON_LABELS,
    ON_THE_LABELS,
    STUDENT,
    STUDENTS,
    TEACHER,
)
from benchmarks.runs import Runs, markdown

# A teacher that saves less than this share of the prior's loss has next to no skill that could be kept.
LEAST_SKILL = 0.05
_RARE = 0.15
_RIVALS = (ON_LABELS[STUDENT], *ON_THE_LABELS, *list(AUTOGLUON)[:2])


def write(runs: Runs) -> str:
    """Write every table beside the records, and return them as one Markdown text."""
    frame = pd.DataFrame(runs.records)
    apart = weak_teachers(frame)
    strong = frame[~frame["table"].isin(apart)]
    parts = {
        "": by_table(strong),
        "-summary": summary(strong),
        "-rivals": rivals(strong),
        "-rare": rare_positives(frame),
        "-headline": headline(strong),
        "-apart": by_table(frame[frame["table"].isin(apart)]),
    }
    if runs.path is not None:
        plot(strong, runs.path.with_suffix(".png"))
    return "\n".join(runs.write_table(lines, suffix) for suffix, lines in parts.items())


def weak_teachers(frame: pd.DataFrame) -> list[str]:
    """The tables whose teacher saves too little of the prior's loss, on the mean of the splits."""
    teacher = frame[frame.contestant == TEACHER].groupby("table")[["loss", "prior_loss"]].mean()
    return list(teacher.index[teacher.loss > (1 - LEAST_SKILL) * teacher.prior_loss])


def kept(frame: pd.DataFrame) -> pd.DataFrame:
    """Skill kept, of the sums over the splits: a row for each table, a column for each contestant.

    A contestant is measured against its teacher on the splits that it has.
    """
    teacher = frame[frame.contestant == TEACHER].set_index(["table", "seed"])
    teacher = teacher[["loss", "prior_loss"]].set_axis(["least", "most"], axis=1)
    gains = frame[["table", "seed", "contestant", "loss"]].join(teacher, on=["table", "seed"])
    gains = gains.assign(own=gains["most"] - gains["loss"], teacher=gains["most"] - gains["least"])
    sums = gains.groupby(["table", "contestant"], sort=False)[["own", "teacher"]].sum()
    shares = (sums["own"] / sums["teacher"]).unstack()
    return shares.loc[frame["table"].unique(), [name for name in CONTESTANTS if name in shares]]


def common(frame: pd.DataFrame, names) -> pd.DataFrame:
    """The runs of the splits that all of these contestants have, on the tables where there is one."""
    among = frame[frame["contestant"].isin(names)]
    n_found = among.groupby(["table", "seed"])["contestant"].transform("nunique")
    return among[n_found == len(list(names))]


def by_table(frame: pd.DataFrame) -> list[str]:
    """Skill kept by every contestant on every table, and the bytes of the student."""
    if frame.empty:
        return ["None."]
    shares = kept(frame)
    student = frame[frame.contestant == STUDENT].groupby("table")
    bounds = _bounds(frame).reindex(shares.index)
    n_bytes = student["n_bytes"].mean().reindex(shares.index)
    rows = []
    for table, share in shares.drop(columns=TEACHER).iterrows():
        low, high = bounds.loc[table]
        between = f" ({low:.1%} – {high:.1%})" if np.isfinite([low, high]).all() else ""
        cells = [f"{value:.1%}" + (between if name == STUDENT else "") for name, value in share.items()]
        rows.append([str(table), *(cell.replace("nan%", "–") for cell in cells), f"{n_bytes[table] / 1000:.0f} KB"])
    return markdown(["table", *shares.columns.drop(TEACHER), "file of the MLP"], rows)


def _bounds(frame: pd.DataFrame) -> pd.DataFrame:
    """The ends of the student's interval: means over the splits, each with the weight that it has in `kept`."""
    index = ["table", "seed"]
    teacher = frame[frame.contestant == TEACHER].set_index(index)
    ends = frame[frame.contestant == STUDENT].set_index(index)[["kept_low", "kept_high"]]
    gain = (teacher.prior_loss - teacher.loss).reindex(ends.index)
    weighted = ends.mul(gain, axis=0)
    # None where a split has none: there the teacher has no skill.
    whole = weighted.notna().groupby("table").all()
    return weighted.groupby("table").sum().div(gain.groupby("table").sum(), axis=0).where(whole)


def headline(frame: pd.DataFrame) -> list[str]:
    """Skill kept by our students and by what else is small, for who reads one table only."""
    shares, n_bytes = kept(frame), frame.groupby("contestant")["n_bytes"].median()
    rows = [
        [
            f"**{name}**" if name == STUDENT else name,
            f"{shares[name].median():.1%}",
            f"{shares[name].min():.1%}",
            f"{shares[name].count()}",
            f"{n_bytes[name] / 1000:,.0f} KB",
        ]
        for name in (*STUDENTS, *_RIVALS)
        if name in shares
    ]
    return markdown(["model", "kept in the median", "kept at least", "tables", "median size"], rows)


def summary(frame: pd.DataFrame) -> list[str]:
    """Over all tables: rank, skill kept and bytes of each contestant."""
    shares = kept(frame)
    ranks = kept(common(frame, shares.columns)).rank(axis=1, ascending=False).mean()
    n_bytes = frame.groupby("contestant")["n_bytes"].median()
    rows = [
        [
            name,
            f"{ranks[name]:.2f}",
            f"{share.median():.1%}",
            f"{share.min():.1%}",
            f"{(share >= 1).sum()} of {share.count()}",
            "–" if np.isnan(n_bytes[name]) else f"{n_bytes[name] / 1000:,.0f} KB",
        ]
        for name, share in shares.items()
    ]
    return markdown(["contestant", "mean rank", "median kept", "least kept", "100 % or more", "median size"], rows)


def rivals(frame: pd.DataFrame) -> list[str]:
    """The default student against each rival: on how many tables it is better, and Wilcoxon's test over them.

    Both on the splits that the rival has.
    """
    rows = []
    for name in (rival for rival in _RIVALS if rival in frame["contestant"].unique()):
        shares = kept(common(frame, (TEACHER, STUDENT, name)))
        lead = shares[STUDENT] - shares[name]
        p = wilcoxon(lead, alternative="greater").pvalue if len(lead) > 1 else float("nan")
        rows.append([name, f"{(lead > 0).sum()} of {len(lead)}", f"{lead.median():+.1%}", f"{p:.4f}"])
    return markdown([f"{STUDENT} against", "better on", "median lead in skill kept", "Wilcoxon p, one-sided"], rows)


def rare_positives(frame: pd.DataFrame) -> list[str]:
    """Ranking and calibration where one class of two is rare."""
    names = {"average_precision": "average precision", "recall_at_0.005": "recall in the top 0.5 %", "ece": "ECE"}
    ends = [f"{lead}_{end}" for lead in ("recall_lead", "ece_lead") for end in ("low", "high")]
    if not {*names, *ends} <= set(frame):
        return ["None."]
    means = frame.groupby(["table", "contestant"], sort=False)[[*names, *ends, "positive_rate"]].mean()
    whom = [name for name in (TEACHER, *STUDENTS) if name in frame["contestant"].unique()]
    rows = []
    for table in frame["table"].unique():
        rate = means.loc[(table, TEACHER), "positive_rate"]
        if not rate <= _RARE:
            continue
        cells = [f"{means.loc[(table, name), m]:.4f}" for m in names for name in whom]
        low_recall, high_recall, low_ece, high_ece = means.loc[(table, STUDENT), ends]
        leads = [f"{low_recall:+.4f} – {high_recall:+.4f}", f"{low_ece:+.4f} – {high_ece:+.4f}"]
        rows.append([str(table), f"{rate:.1%}", *cells, *leads])
    header = [f"{name}: {who}" for name in names.values() for who in whom]
    leads = [f"{name}: {STUDENT} over its teacher" for name in (names["recall_at_0.005"], names["ece"])]
    return markdown(["table", "positives", *header, *leads], rows)


def plot(frame: pd.DataFrame, path: Path) -> None:
    """A row for each table, a dot for each contestant at its skill kept; without matplotlib, nothing."""
    try:
        from matplotlib import pyplot
    except ImportError:
        return
    if frame.empty:
        return
    shares = kept(frame)[[STUDENT, *(name for name in _RIVALS if name in kept(frame))]].iloc[::-1]
    figure, axes = pyplot.subplots(figsize=(8, 0.4 * len(shares) + 1.5), layout="constrained")
    for name, values in shares.items():
        size = 70 if name == STUDENT else 25
        axes.scatter(100 * values.clip(0.8, 1.1), shares.index, s=size, label=name, zorder=3 if name == STUDENT else 2)
    axes.axvline(100, color="0.6", linewidth=1)
    axes.set_xlabel("skill kept, % of the teacher's (held to 80 – 110)")
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
