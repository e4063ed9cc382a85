"""Stopping a job that waits for a database: its statement is cancelled."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

# Seconds between two looks at whether to stop.
_EVERY = 0.1


class StoppedError(RuntimeError):
    """A job was asked to stop before it was done."""


@contextlib.contextmanager
def cancelling(cancel: Callable[[], None], stop: Callable[[], bool], what: str) -> Iterator[None]:
    """Call `cancel` from another thread as soon as `stop` says so, as long as the block runs.

    Parameters
    ----------
    cancel : callable
        Makes what the block waits for fail. It is called again until the block has ended.
    stop : callable
    what : str
        What is stopped, for the error.

    Raises
    ------
    StoppedError
        The block failed after it was cancelled.
    """
    done, cancelled = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(_EVERY):
            if stop():
                cancelled.set()
                with contextlib.suppress(Exception):  # there may be nothing to cancel yet, or no longer
                    cancel()

    thread = threading.Thread(target=watch, name="tabkd-cancelling", daemon=True)
    thread.start()
    try:
        yield
    except Exception as error:
        if cancelled.is_set():
            raise StoppedError(f"stopped during {what}") from error
        raise
    finally:
        done.set()
        thread.join()
