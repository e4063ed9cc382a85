"""The Spark session that a job runs in."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

_PYTHON = "PYSPARK_PYTHON"


def session() -> SparkSession:
    """A session with separate settings, which shares the workers of the existing session or of a new one."""
    from pyspark.sql import SparkSession

    with _python_of_workers():
        return SparkSession.builder.getOrCreate().newSession()


@contextlib.contextmanager
def _python_of_workers() -> Iterator[None]:
    """Let workers on this machine run this interpreter, and not the `python3` that is on the PATH.

    `PYSPARK_PYTHON` and `spark.pyspark.python` take precedence. On a cluster nothing is set, because the path of this
    interpreter may not exist there. An existing context already has its interpreter.
    """
    from pyspark import SparkConf

    conf = SparkConf()
    is_local = (conf.get("spark.master") or "local").startswith("local")
    if _PYTHON in os.environ or conf.contains("spark.pyspark.python") or not is_local:
        yield
        return
    os.environ[_PYTHON] = sys.executable
    try:
        yield
    finally:
        del os.environ[_PYTHON]


@contextlib.contextmanager
def cancelled_on_error(context: SparkContext) -> Iterator[None]:
    """Cancel the work that the block has started on the workers if it fails, so that they write nothing afterwards."""
    tag = f"tabkd-{uuid.uuid4().hex}"
    context.addJobTag(tag)
    try:
        yield
    except BaseException:
        context.cancelJobsWithTag(tag)
        raise
    finally:
        context.removeJobTag(tag)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Report Java errors by their messages, and workers without tabkd with the remedy.

    Raises
    ------
    ValueError
        If the block raises such an error.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PythonException

    try:
        yield
    except PythonException as error:
        if "ModuleNotFoundError" not in str(error):
            raise
        missing = str(error).partition("ModuleNotFoundError: ")[2].partition("\n")[0]
        raise ValueError(
            f"the Python of Spark's workers cannot score: {missing}. Install tabkd there, and name that interpreter "
            f"in {_PYTHON} or spark.pyspark.python."
        ) from error
    except Py4JJavaError as error:
        raise ValueError(_causes(error.java_exception)) from error


def _causes(error: Any) -> str:
    """The messages of a Java exception and its causes, in one line."""
    found: list[str] = []
    while error is not None:
        text = str(error.getMessage() or "").split("\n")[0]
        if text not in found:
            found.append(text)
        error = error.getCause()
    return "; ".join(found)
