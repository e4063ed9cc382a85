"""A progress bar with the stage, on a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Silent:
    """No bar at all."""

    def stage(self, name: str, total: float | None = None, done: float = 0) -> None:
        """Begin a stage of `total` steps, or of unknown length, some of which were done before."""

    def advance(self, steps: float = 1) -> None:
        """Count steps of the stage."""


class Bar(Silent):
    """A bar drawn by rich."""

    def __init__(self, progress):
        self._progress = progress
        self._task = None

    def stage(self, name: str, total: float | None = None, done: float = 0) -> None:
        """Begin a stage; the one before counts as done."""
        self._finish()
        self._task = self._progress.add_task(name, total=total, completed=done)

    def advance(self, steps: float = 1) -> None:
        """Count steps of the stage."""
        self._progress.advance(self._task, steps)

    def _finish(self) -> None:
        if self._task is not None:
            task = self._progress.tasks[self._task]
            total = task.total if task.total is not None else max(task.completed, 1)
            self._progress.update(self._task, total=total, completed=total)


@contextmanager
def progress(verbose: int) -> Iterator[Silent]:
    """The bar of one `fit`: silent where `verbose` is 0."""
    if not verbose:
        yield Silent()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as drawn:
        bar = Bar(drawn)
        yield bar
        bar._finish()
