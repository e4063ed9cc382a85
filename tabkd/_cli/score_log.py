"""The progress of a job: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any, cast

from tabkd._cli.streams import Unbreakable, say
from tabkd._progress import Bar, Silent

# Seconds between two lines.
_EVERY = 10.0


class Lines(Silent):
    """A line on standard error from time to time, as text or as JSON."""

    def __init__(self, as_json: bool):
        self._as_json = as_json
        self._total: float | None = None
        self._before = self._done = 0.0
        self._start = self._last = time.monotonic()

    def stage(self, name: str, total: float | None = None, done: float = 0) -> None:
        """Begin to count to `total` rows, or to an unknown number."""
        self._total, self._before, self._done = total, done, done

    def advance(self, steps: float = 1) -> None:
        """Count rows."""
        self._done += steps
        if time.monotonic() - self._last >= _EVERY:
            self._tell()

    def _tell(self) -> None:
        self._last = time.monotonic()
        pace = (self._done - self._before) / max(self._last - self._start, 1e-9)
        left = None if self._total is None or not pace else round((self._total - self._done) / pace, 1)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        if self._as_json:
            facts = {"time": now, "rows": int(self._done), "of": self._total, "rows_per_second": round(pace)}
            line = json.dumps(facts | {"seconds_left": left})
        else:
            of = "" if self._total is None else f" of {self._total:,}"
            line = f"{now} {int(self._done):,}{of} rows, {pace:,.0f} rows/s" + (f", {left} s left" if left else "")
        say(line, err=True)


@contextlib.contextmanager
def score_log(kind: str) -> Iterator[Silent]:
    """What shows progress: lines for "json" and "plain"; for "auto" a bar if standard error is a terminal."""
    if kind != "auto" or sys.stderr is None or not sys.stderr.isatty():
        yield Lines(kind == "json")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TimeRemainingColumn
    from rich.text import Text

    class Pace(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text("" if task.speed is None else f"{task.speed:,.0f} rows/s")

    columns = (BarColumn(), MofNCompleteColumn(), Pace(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=cast(IO[str], Unbreakable(sys.stderr))), transient=True) as drawn:
        yield Bar(drawn)
