"""Stopping a job that waits for a database: its statement is cancelled."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

# Seconds between two looks at whether to stop.
_EVERY = 0.1


class StoppedError(RuntimeError):
    """A job was asked to stop before it was done."""


def apart(call: Callable[[], T]) -> T:
    """What a call returns that may wait for long, made by another thread: this one goes on to notice signals."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        called = pool.submit(call)
        while not called.done():
            concurrent.futures.wait([called], timeout=_EVERY)
        return called.result()


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
