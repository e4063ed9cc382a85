"""`tabkd distill`: from a table to student.onnx and report.json."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tabkd._cli import terminal
from tabkd._cli.csv_options import Decimal, Delimiter, Encoding, Thousands
from tabkd._cli.errors import CommandError, clear_errors, named
from tabkd._cli.streams import say

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from tabkd._cli.choices import Choices
    from tabkd.evaluation import Report


class StudentName(StrEnum):
    """What `--student` takes."""

    mlp = "mlp"
    tree = "tree"
    boosted_trees = "boosted_trees"


class TaskName(StrEnum):
    """What `--task` takes."""

    auto = "auto"
    classification = "classification"
    regression = "regression"


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
            help="lightgbm, xgboost, random-forest, extra-trees, hist-gradient-boosting, ensemble (LightGBM "
            "and XGBoost), or the file of a fitted one: XGBoost .json or .ubj, LightGBM .txt, .onnx, .skops.",
            metavar="NAME|FILE",
        ),
    ] = "ensemble",
    trust: Annotated[
        list[str] | None,
        typer.Option(help="A type that a .skops teacher may hold; may be repeated.", metavar="TYPE"),
    ] = None,
    student: Annotated[StudentName, typer.Option(help="What learns from the teacher.")] = StudentName.mlp,
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
    from tabkd.batch._dialect import Dialect

    dialect = Dialect(delimiter, decimal, thousands, encoding)
    choices = Choices(drop or [], numeric or [], categorical or [], dialect)
    console = terminal.console()
    with output_folder(output) as folder:
        split = read_split(train, target, test, test_size, time_column, choices, task, seed)
        for note in split.notes:
            console.print(note, style="dim", soft_wrap=True)
        report = run(split, folder, console, teacher, student, n_synthetic, seed, n_jobs, trust or [])
    print_report(console, report)
    say(f"Wrote {output / 'student.onnx'} and {output / 'report.json'}.")


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to measure on, with what there is to say about how they came to be."""

    task: str
    target: str
    X_train: pd.DataFrame
    y_train: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    notes: list[str]


def read_split(
    train: Path,
    target: str,
    test: Path | None,
    test_size: float,
    time_column: str | None,
    choices: Choices,
    task: str,
    seed: int,
) -> Split:
    """The tables of the command line, checked as far as that is possible before anything is fitted."""
    from tabkd._cli import training_table as columns
    from tabkd._cli.notices import notices, unnamed_row_numbers
    from tabkd._cli.table_files import found_in, read_table

    dialect = choices.dialect
    left_out = [target, *choices.drop, *([time_column] if time_column else [])]
    frame = read_table(train, dialect, left_out)
    columns.check_present(frame, train, {"--target": [target], "--time-column": [time_column], **choices.options()})
    frame, rows_left_out = choices.applied(frame, train)
    y, task, note = columns.read_target(frame[target], task, choices)
    notes = [*found_in(train, dialect, left_out), note, *rows_left_out]
    features = frame.drop(columns=left_out)
    unnamed = unnamed_row_numbers(features)
    notes += [f"{name!r}: left out; row numbers without a name, like an index that to_csv wrote." for name in unnamed]
    notes += notices(features.drop(columns=unnamed), choices.categorical, dialect)
    left_out += unnamed
    if test is not None:
        if time_column is not None:
            raise CommandError("--test and --time-column both say what to measure on; give one of them.")
        later = read_table(test, dialect, [target])
        wanted = {name: columns_ for name, columns_ in choices.options().items() if name != "--drop"}
        columns.check_present(later, test, {"--target": [target], **wanted})
        later, rows_left_out = choices.applied(later, test)
        y_later, _, _ = columns.read_target(later[target], task, choices)
        with named(test):
            notices(later.drop(columns=left_out, errors="ignore"), choices.categorical, dialect)
        notes += [*found_in(test, dialect, [target]), *rows_left_out]
        parts = (frame, y, later, y_later)
        notes.append(f"Measured on the {len(later):,} rows of {test}.")
    else:
        rows, held_out, how = columns.split_rows(frame, y, task, test_size, time_column, seed)
        parts = (frame.iloc[rows], y[rows], frame.iloc[held_out], y[held_out])
        notes.append(how)
    X_train, y_train, X_test, y_test = parts
    X_train = X_train.drop(columns=left_out).reset_index(drop=True)
    X_test = X_test.drop(columns=left_out, errors="ignore").reset_index(drop=True)
    columns.check_features(X_train, X_test)
    if task == "classification":
        columns.check_classes(y_train, y_test, target)
    return Split(task, target, X_train, y_train, X_test, y_test, notes)


def run(split: Split, folder: Path, console, teacher: Any, student, n_synthetic, seed, n_jobs, trusted=()) -> Report:
    """Distil, measure, export and prove, and only then write both files."""
    import dataclasses
    import warnings

    import tabkd
    from tabkd._cli.output_folder import json_bytes
    from tabkd._cli.teachers import ready_teacher
    from tabkd._files import atomic_write_bytes
    from tabkd._tables.surprises import SurpriseWarning
    from tabkd.evaluation import evaluate

    # Of these the notes speak, by all rows and with remedies of the command line.
    warnings.simplefilter("ignore", SurpriseWarning)
    start = time.perf_counter()
    fitted = ready_teacher(
        teacher, split.task, split.X_train, split.y_train, n_jobs=n_jobs, random_state=seed, trusted=trusted
    )
    estimator = tabkd.DistilledClassifier if split.task == "classification" else tabkd.DistilledRegressor
    model = estimator(
        fitted,
        student=str(student),
        n_synthetic="auto" if n_synthetic is None else n_synthetic,
        n_jobs=n_jobs,
        random_state=seed,
        verbose=int(console.is_terminal),
    ).fit(split.X_train, split.y_train)
    seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / "student.onnx"
        # Once to be measured, and once more with what was measured.
        model.to_onnx(draft)
        report = evaluate(
            model,
            split.X_test,
            split.y_test,
            X_train=split.X_train,
            y_train=split.y_train,
            exported=tabkd.load(draft),
        )
        model.to_onnx(draft, report=report)
        content = draft.read_bytes()
    report = dataclasses.replace(report, n_bytes=len(content))
    about = {
        "tabkd": tabkd.__version__,
        "target": split.target,
        "n_train": len(split.y_train),
        "n_features": split.X_train.shape[1],
        "seed": seed,
        "seconds_to_distil": round(seconds, 2),
        "notes": split.notes,
    }
    summary = json_bytes(about | report.to_dict())
    atomic_write_bytes(folder / "student.onnx", content)
    atomic_write_bytes(folder / "report.json", summary)
    return report


def print_report(console, report: Report) -> None:
    """The measures and the headlines as two tables, the warnings, and last the verdict."""
    from rich.table import Table

    console.print(report.to_table())
    headlines = Table(show_header=False, box=None, pad_edge=False)
    for label, value in report.summary():
        headlines.add_row(label, value)
    console.print(headlines)
    for warning in report.warnings:
        console.print(warning, style="yellow", soft_wrap=True)
    console.print(report.advice, style="bold", soft_wrap=True)
