"""`tabkd distill`: from a table to student.onnx, report.json and report.html."""

from __future__ import annotations

import dataclasses
import shlex
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabkd._cli import terminal
from tabkd._cli.budget import BYTES, MICROSECONDS, OPTIONS
from tabkd._cli.command import Argument, Command
from tabkd._cli.csv_options import csv_options
from tabkd._cli.distilled_files import about, again, print_report, write
from tabkd._cli.errors import CommandError
from tabkd._cli.flips import check_enough, check_flips, check_given
from tabkd._cli.fraction import Fraction
from tabkd._cli.streams import say
from tabkd._cli.teachers import TEACHERS
from tabkd._options import called_as, called_now

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem
    from rich.console import Console

    from tabkd import Budget, DistilledClassifier, DistilledRegressor
    from tabkd._cli.split import Split
    from tabkd.evaluation import Report


class StudentName(click.ParamType):
    """The name of a student of the library, which is imported only when the names are needed."""

    name = "student"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """All names."""
        from tabkd.students import STUDENTS

        return "|".join(STUDENTS)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, if there is a student of that name."""
        from tabkd.students import STUDENTS
        from tabkd.students._registry import student_names

        if value not in STUDENTS:
            self.fail(f"{value!r} is not a student; choose one of {student_names()}.", param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that begin with the incomplete word."""
        from click.shell_completion import CompletionItem

        from tabkd.students import STUDENTS

        return [CompletionItem(name) for name in STUDENTS if name.startswith(incomplete)]


@click.command(cls=Command)
@click.argument(
    "train",
    cls=Argument,
    type=click.Path(path_type=Path),
    metavar="TRAIN",
    help="The table to learn from, .parquet or .csv.",
)
@click.option("--target", required=True, metavar="COL", help="The column to predict.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder for student.onnx, report.json and report.html.",
)
@click.option(
    "--test",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A table to measure on, instead of a part of TRAIN.",
)
@click.option("--test-size", type=Fraction(0.01, 0.9), default=0.25, help="The share of TRAIN to measure on.")
@click.option(
    "--time-column", metavar="COL", help="Measure on the latest rows by this column, which is then not a feature."
)
@click.option(
    "--teacher",
    default="ensemble",
    metavar="NAME|FILE",
    help=f"{', '.join(TEACHERS)}, or the file of a fitted teacher: XGBoost .json or .ubj, LightGBM .txt, .onnx, "
    ".skops. ensemble is the mean of LightGBM and XGBoost.",
)
@click.option("--trust", multiple=True, metavar="TYPE", help="A type that a .skops teacher may hold; may be repeated.")
@click.option(
    "--student",
    type=StudentName(),
    help="The student that learns from the teacher; by default mlp, or with --max-bytes, --max-latency or --keep "
    "the best one within these limits.",
)
@click.option(
    "--max-bytes",
    type=BYTES,
    metavar="SIZE",
    help="Look for the best student whose file has at most this size, such as 20k.",
)
@click.option(
    "--max-latency",
    type=MICROSECONDS,
    metavar="TIME",
    help="Look for the best student that scores one row on this machine in at most this time, such as 20us.",
)
@click.option(
    "--keep",
    type=Fraction(0, 1, min_open=True),
    metavar="SHARE",
    help="Look for the smallest student that keeps this share of the teacher's skill on rows held out of TRAIN.",
)
@click.option(
    "--task",
    type=click.Choice(["auto", "classification", "regression"]),
    default="auto",
    help="By default detected from the target.",
)
@click.option("--drop", multiple=True, metavar="COL", help="A column to leave out; may be repeated.")
@click.option(
    "--numeric",
    multiple=True,
    metavar="COL",
    help="A column of text to read as numbers; rows with other values are left out. May be repeated.",
)
@click.option(
    "--categorical",
    multiple=True,
    metavar="COL",
    help="A column to read as a category, such as text that looks like numbers or dates, or codes that are whole "
    "numbers; may be repeated.",
)
@click.option(
    "--increasing",
    multiple=True,
    metavar="COL",
    help="A column with which the prediction (for two classes, the probability of the second) may only rise. The "
    "student obeys this on every row, and the file states it; a boosted teacher chosen by name is fitted with it too. "
    "May be repeated.",
)
@click.option("--decreasing", multiple=True, metavar="COL", help="Likewise, a column with which it may only fall.")
@click.option(
    "--n-synthetic",
    type=click.IntRange(min=0),
    help="Number of synthetic rows to learn from; chosen automatically by default.",
)
@click.option(
    "--max-label-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    metavar="SECONDS",
    help="About how long the teacher may take to label synthetic rows; a slow teacher labels fewer. Their number then "
    "depends on the speed of the machine; report.json records it. No limit applies with --n-synthetic.",
)
@click.option(
    "--contributions",
    is_flag=True,
    help="Add the contribution of each column to the outputs of the file; `tabkd score --reasons` needs them.",
)
@click.option(
    "--review",
    type=Fraction(0, 1, min_open=True, max_open=True),
    multiple=True,
    metavar="SHARE",
    help="The share of rows with the highest scores that are reviewed: the report says which alerts change. "
    "May be repeated; by default 0.001, 0.005, 0.01 and 0.05.",
)
@click.option(
    "--max-flips",
    type=Fraction(0, 1),
    metavar="SHARE",
    help="Do not write a student that changes more than this share of the teacher's alerts on the test rows, at any "
    "--review.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="The same seed gives the same student.")
@click.option("--n-jobs", type=int, help="Number of threads; -1, the default, for all cores, -2 for all but one.")
@csv_options
def distill(
    train: Path,
    target: str,
    output: Path,
    test: Path | None,
    test_size: float,
    time_column: str | None,
    teacher: str,
    trust: Sequence[str],
    student: str | None,
    max_bytes: float | None,
    max_latency: float | None,
    keep: float | None,
    task: str,
    drop: Sequence[str],
    numeric: Sequence[str],
    categorical: Sequence[str],
    increasing: Sequence[str],
    decreasing: Sequence[str],
    n_synthetic: int | None,
    max_label_seconds: float,
    contributions: bool,
    review: Sequence[float],
    max_flips: float | None,
    seed: int,
    n_jobs: int | None,
    **csv: Any,
) -> None:
    """Fit an ensemble on a table, distil it, and write one ONNX file that scores the same."""
    from tabkd._cli.choices import Choices
    from tabkd._cli.output_folder import output_folder
    from tabkd._cli.split import TableOptions, read_split
    from tabkd._search.budget import Budget
    from tabkd.batch._dialect import Dialect

    choices = Choices(drop, numeric, categorical, Dialect(**csv))
    directions = _directions(increasing, decreasing)
    constrained = {"--increasing": increasing, "--decreasing": decreasing}
    tables = TableOptions(train, target, test, test_size, time_column, choices, task, seed, constrained)
    budget = None if max_bytes is None else int(max_bytes), max_latency, keep
    settings = Settings(
        teacher,
        trust,
        student,
        n_synthetic,
        max_label_seconds,
        seed,
        n_jobs,
        directions,
        contributions,
        review,
        max_flips,
        None if budget == (None, None, None) else Budget(*budget),
    )
    check_given(max_flips, review)
    console = terminal.console()
    used = " or ".join(option for option, names in constrained.items() if names or not directions)
    with output_folder(output) as folder, called_as({**called_now(), **OPTIONS, "monotonic_cst": used}):
        split = read_split(tables)
        for note in split.notes:
            console.print(note, style="dim", soft_wrap=True)
        check_enough(max_flips, review, split)
        report = run(split, settings, folder, console, shlex.join(["tabkd", *sys.argv[1:]]))
    print_report(console, report)
    say(f"Wrote {output / 'student.onnx'}, {output / 'report.json'} and {output / 'report.html'}.")


def _directions(increasing: Sequence[str], decreasing: Sequence[str]) -> dict[str, int]:
    if both := sorted(set(increasing) & set(decreasing)):
        raise CommandError(f"--increasing and --decreasing both name {both[0]!r}; give one of them.")
    return dict.fromkeys(increasing, 1) | dict.fromkeys(decreasing, -1)


@dataclass(frozen=True)
class Settings:
    """How to distil.

    Attributes
    ----------
    teacher : str
        The name of one, or the file of a fitted one.
    trusted : sequence of str
        Types that a .skops teacher may hold.
    student : str or None
        The name of one; None for an MLP, or any that meets the budget.
    n_synthetic : int or None
        Rows to make; None for a number that follows from the table.
    max_label_seconds : float
        How long the teacher may label rows if their number follows from the table.
    seed : int
        The same seed gives the same student.
    n_jobs : int or None
        Threads; None for all cores.
    directions : dict of str to int
        1 for each column with which the prediction may only rise, -1 for one with which it may only fall. If empty, the
        student has the constraints of a teacher's file.
    contributions : bool
        Whether the file gives the contributions of columns.
    review : sequence of float
        Shares of the rows that are reviewed; without any, those of `evaluate`.
    max_flips : float or None
        The share of the teacher's alerts that may change at most.
    budget : Budget or None
        What the student may cost and has to keep; None for no search.
    """

    teacher: str = "ensemble"
    trusted: Sequence[str] = ()
    student: str | None = None
    n_synthetic: int | None = None
    max_label_seconds: float = 600.0
    seed: int = 0
    n_jobs: int | None = None
    directions: dict[str, int] = dataclasses.field(default_factory=dict)
    contributions: bool = False
    review: Sequence[float] = ()
    max_flips: float | None = None
    budget: Budget | None = None


def run(split: Split, settings: Settings, folder: Path, console: Console, command: str) -> Report:
    """Distil, export and prove, measure, and only then write the files.

    Parameters
    ----------
    split : Split
        The rows to learn from and to measure on.
    settings : Settings
        How to distil.
    folder : Path
        Where student.onnx, report.json and report.html go.
    console : Console
        Where progress is shown.
    command : str
        The command that the page shows, to repeat the same.
    """
    from tabkd._export.metadata import noted
    from tabkd._review import BUDGETS
    from tabkd.evaluation import evaluate
    from tabkd.scoring import ExportedStudent

    start = time.perf_counter()
    model, front = fitted(split, settings, show_progress=console.is_terminal)
    seconds = time.perf_counter() - start
    proto = model.to_onnx(contributions=settings.contributions)
    report = evaluate(
        model,
        split.X_test,
        split.y_test,
        X_train=split.X_train,
        y_train=split.y_train,
        exported=ExportedStudent(proto.SerializeToString()),
        review=settings.review or BUDGETS,
    )
    check_flips(settings.max_flips, report.review)
    report = dataclasses.replace(report, warnings=[*_may_have_seen(split, settings), *report.warnings])
    student = noted(proto, report)
    _check_size(student, settings)
    report = dataclasses.replace(report, n_bytes=len(student), provenance=again(report, student, command), front=front)
    write(folder, student, about(split, settings.seed, seconds) | report.to_dict(), report.to_html())
    return report


def _may_have_seen(split: Split, settings: Settings) -> list[str]:
    """Warn that a teacher from a file may have been fitted on the rows that it is measured on."""
    if settings.teacher in TEACHERS or split.is_own_test:
        return []
    return [
        f"The teacher {settings.teacher} may have been fitted on the test rows, which come from the same table. Then "
        "its skill is too high here, and that of the student too; give --test FILE with rows that it was not fitted on."
    ]


def _check_size(student: bytes, settings: Settings) -> None:
    """Refuse a file that is larger than the budget of the search: contributions add to it."""
    limit = None if settings.budget is None else settings.budget.max_bytes
    if limit is not None and len(student) > limit:
        why = " with --contributions" if settings.contributions else ""
        raise CommandError(
            f"the file of the chosen student has {len(student):,} bytes{why}, more than --max-bytes {limit}; "
            "nothing was written. Allow more bytes."
        )


def fitted(
    split: Split, settings: Settings, show_progress: bool
) -> tuple[DistilledClassifier | DistilledRegressor, list[dict[str, Any]]]:
    """The distilled model of the rows to learn from, and the front of the search for it, if there was one.

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
        settings.teacher,
        split.task,
        X,
        y,
        n_jobs=n_jobs,
        random_state=seed,
        trusted=settings.trusted,
        monotonic_cst=settings.directions,
    )
    estimator = tabkd.DistilledClassifier if split.task == "classification" else tabkd.DistilledRegressor
    model = estimator(
        teacher,
        student=settings.student or "mlp",
        n_synthetic="auto" if settings.n_synthetic is None else settings.n_synthetic,
        max_label_seconds=settings.max_label_seconds,
        monotonic_cst=settings.directions or "teacher",
        n_jobs=n_jobs,
        random_state=seed,
        verbose=int(show_progress),
    )
    with warnings.catch_warnings():
        # The notes already report these, for all rows and with the remedies of the command line.
        warnings.simplefilter("ignore", SurpriseWarning)
        if settings.budget is None:
            return model.fit(X, y), []
        search = tabkd.DistillationSearch(
            model,
            budget=settings.budget,
            students="all" if settings.student is None else [settings.student],
            random_state=seed,
            verbose=int(show_progress),
        ).fit(X, y)
        return search.best_estimator_, search.front_
