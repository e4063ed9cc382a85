"""Hand tables to a function that pulls its rows itself, such as the writer of another library."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator

import pyarrow as pa

# Most tables that wait.
_WAITING = 2
# Seconds after which a waiting thread wakes up: a signal may not wake it if a driver has changed the signal handling.
_PATIENCE = 0.2


class GivenUpError(RuntimeError):
    """What the reader raises where no more rows will come, because the job has failed."""


class Pulled:
    """A function that reads rows in another thread, while they are added here one table after the other.

    Parameters
    ----------
    work : callable
        Takes a `pyarrow.RecordBatchReader`. Where the rows end before `close`, the reader raises an error.
    schema : pyarrow.Schema
        The schema of the rows.
    """

    def __init__(self, work: Callable[[pa.RecordBatchReader], object], schema: pa.Schema) -> None:
        self._work, self._schema = work, schema
        self._waiting: queue.Queue = queue.Queue(_WAITING)
        self._failed: list[Exception] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tabkd-pulled", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work(pa.RecordBatchReader.from_batches(self._schema, self._batches()))
        except Exception as error:  # raised again by `put` and `close`
            self._failed.append(error)
        except BaseException as error:  # as a library in Rust ends that has a bug
            self._failed.append(RuntimeError(f"{type(error).__name__}: {error}"))
        finally:
            self._ended.set()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        while (item := self._waiting.get()) is not None:
            if isinstance(item, GivenUpError):
                raise item
            yield from item.to_batches()

    def _put(self, item: pa.Table | GivenUpError | None) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(queue.Full):
                self._waiting.put(item, timeout=_PATIENCE)
                return

    def put(self, table: pa.Table) -> None:
        """Add rows; an error of the function is raised here, too."""
        self._put(table)
        if self._ended.is_set():
            raise self._failure()

    def close(self) -> None:
        """End the rows, and wait until the function has returned.

        Raises
        ------
        Exception
            What the function raised.
        """
        self._put(None)
        self._join()
        if self._failed:
            raise self._failure()

    def give_up(self) -> None:
        """End the rows by an error, so that the function fails, and wait until it has."""
        self._put(GivenUpError("the job has failed"))
        self._join()

    def _failure(self) -> Exception:
        return self._failed[0] if self._failed else RuntimeError("rows were left over")

    def _join(self) -> None:
        while self._thread.is_alive():
            self._thread.join(_PATIENCE)
