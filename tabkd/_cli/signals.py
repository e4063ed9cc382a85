"""Signals that ask a command to stop: noted while it works, and too late once its output is about to appear."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Stopping:
    """Whether a signal has asked to stop in time; a call returns it.

    Parameters
    ----------
    at_once : bool
        Raise `Stopped` at the first signal, for work that does not ask.

    Attributes
    ----------
    number : int or None
        The signal that came first.
    """

    def __init__(self, at_once: bool):
        self.number: int | None = None
        self._at_once, self._is_late = at_once, False
        self._before: dict[int, Callable | int | None] = {}

    def __call__(self) -> bool:
        return self.number is not None and not self._is_late

    def hold(self) -> None:
        """From now on the output appears: signals change nothing any more."""
        self._is_late = True
        for number in self._before:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: Any) -> None:
        if self._is_late:
            return
        self.number = self.number or number
        signal.signal(number, self._before[number])  # a second one does not wait
        if self._at_once:
            raise Stopped(number)

    def _install(self) -> None:
        for name in _NAMES:
            number = getattr(signal, name, None)
            # nohup lets a process continue when its terminal is closed.
            if number is None or (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):
                continue
            with contextlib.suppress(ValueError):  # in a thread that is not the main one
                self._before[number] = signal.signal(number, self._note)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class Stopped(BaseException):
    """A signal has come.

    Parameters
    ----------
    number : int
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def stopping(at_once: bool = False) -> Iterator[Stopping]:
    """Note signals as long as the block runs."""
    noted = Stopping(at_once)
    noted._install()
    try:
        yield noted
    finally:
        noted._restore()


def ignore_signals() -> None:
    """Ignore signals in the last moments of a process that is done, so that its exit code is right."""
    for name in _NAMES:
        if hasattr(signal, name):
            with contextlib.suppress(ValueError):
                signal.signal(getattr(signal, name), signal.SIG_IGN)
