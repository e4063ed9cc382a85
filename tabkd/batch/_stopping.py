"""Stop a job that waits for a database by cancelling its statement."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

# Seconds between two checks whether to stop.
_EVERY = 0.1


class StoppedError(RuntimeError):
    """A job was stopped before it finished."""


def apart(call: Callable[[], T]) -> T:
    """Run a possibly long call in another thread, so that this one can handle signals, and return its result."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        called = pool.submit(call)
        while not called.done():
            concurrent.futures.wait([called], timeout=_EVERY)
        return called.result()


@contextlib.contextmanager
def cancelling(cancel: Callable[[], None], stop: Callable[[], bool], what: str) -> Iterator[None]:
    """While the block runs, call `cancel` from another thread as soon as `stop` returns True.

    Parameters
    ----------
    cancel : callable
        Cancels what the block waits for, which then fails. It is called repeatedly until the block has ended.
    stop : callable
        Returns whether to stop.
    what : str
        What is stopped, for the error message.

    Raises
    ------
    StoppedError
        If the block failed after it was cancelled.
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
