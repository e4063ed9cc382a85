"""The results of `tabkd distill`: the files, and the printed part of the report."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from tabkd._cli.split import Split
    from tabkd.evaluation import Report


def about(split: Split, seed: int, seconds: float) -> dict[str, Any]:
    """What report.json holds in addition to the report: where it comes from.

    Parameters
    ----------
    split : Split
        The rows.
    seed : int
        That of the settings.
    seconds : float
        What distilling took.
    """
    import tabkd

    return {
        "tabkd": tabkd.__version__,
        "target": split.target,
        "n_train": len(split.y_train),
        "n_features": split.X_train.shape[1],
        "seed": seed,
        "seconds_to_distil": round(seconds, 2),
        "notes": split.notes,
    }


def again(report: Report, student: bytes, command: str) -> dict[str, Any]:
    """What was done, with the command that repeats it and the hash of the written file.

    Parameters
    ----------
    report : Report
        The report.
    student : bytes
        The file.
    command : str
        The command.
    """
    return {**(report.provenance or {}), "command": command, "model": hashlib.sha256(student).hexdigest()}


def write(folder: Path, student: bytes, summary: dict[str, Any], page: str) -> None:
    """Write the files, each whole or not at all.

    Parameters
    ----------
    folder : Path
        Where to.
    student : bytes
        The ONNX model.
    summary : dict
        What report.json holds.
    page : str
        What report.html holds.
    """
    from tabkd._cli.output_folder import json_bytes
    from tabkd._files import atomic_write_bytes

    content = json_bytes(summary)
    atomic_write_bytes(folder / "student.onnx", student)
    atomic_write_bytes(folder / "report.json", content)
    atomic_write_bytes(folder / "report.html", page.encode("utf-8", "backslashreplace"))


def print_report(console: Console, report: Report) -> None:
    """The measures as a table, the headlines, the warnings, and last the verdict.

    Parameters
    ----------
    console : Console
        Where to.
    report : Report
        What to print.
    """
    console.print(report.to_table())
    headlines = report.summary()
    width = max(len(label) for label, _ in headlines)
    for label, value in headlines:
        console.print(f"{label:<{width}}  {value}", soft_wrap=True)
    for warning in report.warnings:
        console.print(warning, style="yellow", soft_wrap=True)
    console.print(report.advice, style="bold", soft_wrap=True)
