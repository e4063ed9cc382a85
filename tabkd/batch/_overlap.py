"""Read ahead and write behind, so that both continue while a batch is scored; only a few batches wait."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

# Most batches that wait between two threads.
_WAITING = 2
_END = object()
# Seconds after which a waiting thread wakes up: a signal may not wake it if a driver has changed the signal handling.
_PATIENCE = 0.2


def ahead(items: Iterable[T]) -> Generator[T, None, None]:
    """The items in their order, each produced in another thread before it is requested.

    An error of that thread is raised in place of the item. The thread ends when the iterator is closed.
    """
    waiting: queue.Queue = queue.Queue(_WAITING)
    closed = threading.Event()

    def put(entry: Any) -> None:
        while not closed.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(entry, timeout=0.1)
                return

    def make() -> None:
        try:
            for item in items:
                put((item, None))
                if closed.is_set():
                    return
            put((_END, None))
        except BaseException as error:  # raised again in place of the item
            put((_END, error))

    thread = threading.Thread(target=make, name="tabkd-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = _next(waiting)
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        closed.set()
        _join(thread)


def _next(waiting: queue.Queue) -> Any:
    while True:
        with contextlib.suppress(queue.Empty):
            return waiting.get(timeout=_PATIENCE)


def _put(waiting: queue.Queue, item: Any) -> None:
    while True:
        with contextlib.suppress(queue.Full):
            return waiting.put(item, timeout=_PATIENCE)


def _join(thread: threading.Thread) -> None:
    while thread.is_alive():
        thread.join(_PATIENCE)


@contextlib.contextmanager
def behind(write: Callable[[Any], None]) -> Iterator[Callable[[Any], None]]:
    """Yield a function that passes its argument to `write` in another thread, in order.

    An error of `write` is raised by the next call or at the end of the block, which waits until everything is written.
    If the block fails, waiting items are not written.
    """
    waiting: queue.Queue = queue.Queue(_WAITING)
    failed: list[BaseException] = []

    def work() -> None:
        while (item := waiting.get()) is not _END:
            if failed:
                continue
            try:
                write(item)
            except BaseException as error:  # raised again by `hand_over`
                failed.append(error)

    def hand_over(item: Any) -> None:
        if failed:
            raise failed[0]
        _put(waiting, item)

    thread = threading.Thread(target=work, name="tabkd-behind", daemon=True)
    thread.start()
    try:
        yield hand_over
    except BaseException as error:
        if not failed:
            failed.append(error)
        raise
    finally:
        _put(waiting, _END)
        _join(thread)
    if failed:
        raise failed[0]
