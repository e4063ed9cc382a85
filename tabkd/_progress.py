"""A progress bar with the stage, on a terminal and in a notebook; lines of text if the notebook cannot draw one."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

# Seconds between two lines of one stage.
_SECONDS = 10


class Silent:
    """No progress bar."""

    def stage(self, name: str, total: float | None = None, done: int = 0) -> None:
        """Begin a stage of `total` steps, or of unknown length; `done` steps were completed before."""

    def advance(self, steps: float = 1) -> None:
        """Count completed steps of the stage."""

    def note(self, text: str) -> None:
        """Report in one line what was decided within the stage."""


class Bar(Silent):
    """A bar drawn by rich."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: Any = None

    def stage(self, name: str, total: float | None = None, done: int = 0) -> None:
        """Begin a stage; the one before counts as done."""
        self._finish()
        self._task = self._progress.add_task(name, total=total, completed=done)

    def advance(self, steps: float = 1) -> None:
        """Count steps of the stage."""
        self._progress.advance(self._task, steps)

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, highlight=False, markup=False)

    def _finish(self) -> None:
        if self._task is not None:
            task = self._progress.tasks[self._task]
            total = task.total if task.total is not None else max(task.completed, 1)
            self._progress.update(self._task, total=total, completed=total)


class TextLines(Silent):
    """A line of text at the start and at the end of each stage, and one every ten seconds during a long one."""

    def __init__(self) -> None:
        self._name = ""
        self._total: float | None = None
        self._done = 0.0
        self._start = self._said = 0.0

    def stage(self, name: str, total: float | None = None, done: int = 0) -> None:
        """Begin a stage; the one before counts as done."""
        self._finish()
        self._name, self._total, self._done = name, total, done
        self._start = self._said = time.monotonic()
        print(f"{name} …", flush=True)

    def advance(self, steps: float = 1) -> None:
        """Count steps of the stage."""
        self._done += steps
        if time.monotonic() - self._said >= _SECONDS:
            self._said = time.monotonic()
            print(self._line(), flush=True)

    def note(self, text: str) -> None:
        """Print the line."""
        print(text, flush=True)

    def _finish(self) -> None:
        if self._name:
            self._done = self._total if self._total is not None else self._done
            print(self._line(), flush=True)
            self._name = ""

    def _line(self) -> str:
        steps = f" {self._done:,.0f}/{self._total:,.0f}" if self._total is not None else ""
        return f"{self._name}{steps} ({time.monotonic() - self._start:.0f} s)"


@contextmanager
def progress(verbose: int) -> Iterator[Silent]:
    """The progress bar of one `fit`; none if `verbose` is 0."""
    if not verbose:
        yield Silent()
        return
    import rich

    if rich.get_console().is_jupyter and not _has_widgets():
        print("Progress as text; a bar needs ipywidgets: pip install ipywidgets", flush=True)
        lines = TextLines()
        yield lines
        lines._finish()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as drawn:
        bar = Bar(drawn)
        yield bar
        bar._finish()


def _has_widgets() -> bool:
    """Whether rich can draw a bar in a notebook; without ipywidgets it warns at every refresh."""
    try:
        return importlib.util.find_spec("ipywidgets") is not None
    except (ImportError, ValueError):  # a module that is blocked
        return False
