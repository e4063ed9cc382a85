"""`tabkd distill`: from a table to student.onnx and report.json."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tabkd._cli import terminal
from tabkd._cli.csv_options import Decimal, Delimiter, Encoding, Thousands
from tabkd._cli.errors import clear_errors
from tabkd._cli.streams import say
from tabkd._cli.teachers import TEACHERS
from tabkd.students import STUDENTS
from tabkd.students._registry import student_names

if TYPE_CHECKING:
    from rich.console import Console

    from tabkd import DistilledClassifier, DistilledRegressor
    from tabkd._cli.split import Split
    from tabkd.evaluation import Report


class TaskName(StrEnum):
    """What `--task` takes."""

    auto = "auto"
    classification = "classification"
    regression = "regression"


def known_student(name: str) -> str:
    """The name of a student, if there is one of that name.

    Parameters
    ----------
    name : str
        What `--student` was given.

    Raises
    ------
    typer.BadParameter
        With the names that there are.
    """
    if name not in STUDENTS:
        raise typer.BadParameter(f"{name!r} is not a student; choose one of {student_names()}.")
    return name


@clear_errors
def distill(
    train: Annotated[Path, typer.Argument(help="The table to learn from, .parquet or .csv.", metavar="TRAIN")],
    target: Annotated[str, typer.Option(help="The column to predict.", metavar="COL")],
    output: Annotated[Path, typer.Option(help="The folder for student.onnx and report.json.", metavar="DIR")],
    test: Annotated[
        Path | None, typer.Option(help="A table to measure on, instead of a part of TRAIN.", metavar="FILE")
    ] = None,
    test_size: Annotated[float, typer.Option(min=0.01, max=0.9, help="The share of TRAIN to measure on.")] = 0.25,
    time_column: Annotated[
        str | None,
        typer.Option(help="Measure on the latest rows by this column, which is then no feature.", metavar="COL"),
    ] = None,
    teacher: Annotated[
        str,
        typer.Option(
            help=f"{', '.join(TEACHERS)}, or the file of a fitted one: XGBoost .json or .ubj, LightGBM .txt, .onnx, "
            ".skops. ensemble is the mean of LightGBM and XGBoost.",
            metavar="NAME|FILE",
        ),
    ] = "ensemble",
    trust: Annotated[
        list[str] | None,
        typer.Option(help="A type that a .skops teacher may hold; may be repeated.", metavar="TYPE"),
    ] = None,
    student: Annotated[
        str,
        typer.Option(
            help="What learns from the teacher.",
            metavar="|".join(STUDENTS),
            callback=known_student,
            autocompletion=lambda: list(STUDENTS),
        ),
    ] = "mlp",
    task: Annotated[TaskName, typer.Option(help="Found from the target by default.")] = TaskName.auto,
    drop: Annotated[
        list[str] | None, typer.Option(help="A column to leave out; may be repeated.", metavar="COL")
    ] = None,
    numeric: Annotated[
        list[str] | None,
        typer.Option(
            help="A column of text to read as numbers; rows where it is none are left out. May be repeated.",
            metavar="COL",
        ),
    ] = None,
    categorical: Annotated[
        list[str] | None,
        typer.Option(
            help="A column to take as a category, such as text that looks like numbers or dates, or a code in whole "
            "numbers; may be repeated.",
            metavar="COL",
        ),
    ] = None,
    n_synthetic: Annotated[
        int | None,
        typer.Option(min=0, help="Number of synthetic rows to learn from; chosen automatically by default."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same student.")] = 0,
    n_jobs: Annotated[
        int | None, typer.Option(help="Threads; -1 for all cores, which is the default, -2 for all but one.")
    ] = None,
    delimiter: Delimiter = None,
    decimal: Decimal = ".",
    thousands: Thousands = None,
    encoding: Encoding = None,
) -> None:
    """Fit an ensemble on a table, distil it, and write one ONNX file that scores the same."""
    from tabkd._cli.choices import Choices
    from tabkd._cli.output_folder import output_folder
    from tabkd._cli.split import TableOptions, read_split
    from tabkd.batch._dialect import Dialect

    dialect = Dialect(delimiter, decimal, thousands, encoding)
    choices = Choices(drop or [], numeric or [], categorical or [], dialect)
    tables = TableOptions(train, target, test, test_size, time_column, choices, task, seed)
    settings = Settings(teacher, trust or [], student, n_synthetic, seed, n_jobs)
    console = terminal.console()
    with output_folder(output) as folder:
        split = read_split(tables)
        for note in split.notes:
            console.print(note, style="dim", soft_wrap=True)
        report = run(split, settings, folder, console)
    print_report(console, report)
    say(f"Wrote {output / 'student.onnx'} and {output / 'report.json'}.")


@dataclass(frozen=True)
class Settings:
    """How to distil.

    Attributes
    ----------
    teacher : str
        The name of one, or the file of a fitted one.
    trusted : sequence of str
        Types that a .skops teacher may hold.
    student : str
        The name of one.
    n_synthetic : int or None
        Rows to make; None for a number that follows from the table.
    seed : int
        The same seed gives the same student.
    n_jobs : int or None
        Threads; None for all cores.
    """

    teacher: str = "ensemble"
    trusted: Sequence[str] = ()
    student: str = "mlp"
    n_synthetic: int | None = None
    seed: int = 0
    n_jobs: int | None = None


def run(split: Split, settings: Settings, folder: Path, console: Console) -> Report:
    """Distil, export and prove, measure, and only then write both files.

    Parameters
    ----------
    split : Split
        The rows to learn from and to measure on.
    settings : Settings
        How to distil.
    folder : Path
        Where student.onnx and report.json go.
    console : Console
        Where progress is shown.
    """
    from tabkd._export.metadata import noted
    from tabkd.evaluation import evaluate
    from tabkd.scoring import ExportedStudent

    start = time.perf_counter()
    model = fitted(split, settings, show_progress=console.is_terminal)
    seconds = time.perf_counter() - start
    proto = model.to_onnx()
    report = evaluate(
        model,
        split.X_test,
        split.y_test,
        X_train=split.X_train,
        y_train=split.y_train,
        exported=ExportedStudent(proto.SerializeToString()),
    )
    student = noted(proto, report)
    report = dataclasses.replace(report, n_bytes=len(student))
    write(folder, student, about(split, settings.seed, seconds) | report.to_dict())
    return report


def fitted(split: Split, settings: Settings, show_progress: bool) -> DistilledClassifier | DistilledRegressor:
    """The distilled model of the rows to learn from.

    Parameters
    ----------
    split : Split
        With the rows.
    settings : Settings
        How to distil.
    show_progress : bool
        Whether to show a bar.
    """
    import tabkd
    from tabkd._cli.teachers import ready_teacher
    from tabkd._tables.surprises import SurpriseWarning

    X, y = split.X_train, split.y_train
    n_jobs, seed = settings.n_jobs, settings.seed
    teacher = ready_teacher(
        settings.teacher, split.task, X, y, n_jobs=n_jobs, random_state=seed, trusted=settings.trusted
    )
    estimator = tabkd.DistilledClassifier if split.task == "classification" else tabkd.DistilledRegressor
    model = estimator(
        teacher,
        student=settings.student,
        n_synthetic="auto" if settings.n_synthetic is None else settings.n_synthetic,
        n_jobs=n_jobs,
        random_state=seed,
        verbose=int(show_progress),
    )
    with warnings.catch_warnings():
        # Of these the notes speak, by all rows and with remedies of the command line.
        warnings.simplefilter("ignore", SurpriseWarning)
        return model.fit(X, y)


def about(split: Split, seed: int, seconds: float) -> dict[str, Any]:
    """What report.json says besides the report: where it comes from.

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


def write(folder: Path, student: bytes, summary: dict[str, Any]) -> None:
    """Write both files, each whole or not at all.

    Parameters
    ----------
    folder : Path
        Where to.
    student : bytes
        The ONNX model.
    summary : dict
        What report.json holds.
    """
    from tabkd._cli.output_folder import json_bytes
    from tabkd._files import atomic_write_bytes

    content = json_bytes(summary)
    atomic_write_bytes(folder / "student.onnx", student)
    atomic_write_bytes(folder / "report.json", content)


def print_report(console: Console, report: Report) -> None:
    """The measures and the headlines as two tables, the warnings, and last the verdict.

    Parameters
    ----------
    console : Console
        Where to.
    report : Report
        What to print.
    """
    from rich.table import Table

    console.print(report.to_table())
    headlines = Table(show_header=False, box=None, pad_edge=False)
    for label, value in report.summary():
        headlines.add_row(label, value)
    console.print(headlines)
    for warning in report.warnings:
        console.print(warning, style="yellow", soft_wrap=True)
    console.print(report.advice, style="bold", soft_wrap=True)
