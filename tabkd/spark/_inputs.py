"""The rows that Spark reads, and the files that they are in."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from tabkd.batch._dialect import Dialect
from tabkd.batch._outputs import is_within
from tabkd.batch._paths import Local, files, matching
from tabkd.spark._store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# What no text of a CSV is.
_NULL = "\0tabkd: null\0"
# Where Java does not know the name that Python has for it.
_CHARSETS = {
    "utf-8-sig": "UTF-8",
    "iso8859-1": "ISO-8859-1",
    "cp1252": "windows-1252",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
}
# Of the session of a job, whatever the cluster is set to.
_SETTINGS = {
    # A file that cannot be read is an error, and its rows are not left out.
    "spark.sql.files.ignoreCorruptFiles": False,
    "spark.sql.files.ignoreMissingFiles": False,
    # Without it a broken line is not noticed where only some columns are asked for.
    "spark.sql.csv.parser.columnPruning.enabled": False,
    # Values in the names of folders are text, as for the local engine: 01 is not 1.
    "spark.sql.sources.partitionColumnTypeInference.enabled": False,
    # Like the local engine: `id` is not `ID`.
    "spark.sql.caseSensitive": True,
    # What Spark writes by default, other readers take for nanoseconds, which know no year 9999.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
#: The columns behind others that `with_places` adds.
PLACE = ("tabkd: file", "tabkd: row")


class InputFile(NamedTuple):
    """A file that Spark reads.

    Attributes
    ----------
    url : str
        As Spark has it in the metadata of a row.
    path : str
        As messages have it.
    state : dict
        What it is known again by, as JSON has it.
    """

    url: str
    path: str
    state: dict[str, Any]


def read(spark: SparkSession, paths: Sequence[str], dialect: Dialect, as_csv: bool) -> DataFrame:
    """The rows of all paths, of CSV or of Parquet files."""
    # Like RFC 4180, and no broken line: Spark would fill it up with nulls by default.
    reader = spark.read.options(header=True, multiLine=True, escape='"', mode="FAILFAST")
    # Without a value of its own for null, "" in quotes would be null as well.
    reader = reader.options(nullValue=_NULL, emptyValue="", sep=dialect.delimiter or ",")
    reader = reader.options(encoding=_charset(dialect.encoding))
    # Spark reads columns by their position: a file with another header is an error.
    reader = reader.options(enforceSchema=False)
    for name, value in _SETTINGS.items():
        spark.conf.set(name, value)
    return reader.csv(list(paths)) if as_csv else reader.parquet(*paths)


def find_files(spark: SparkSession, rows: DataFrame, inputs: Sequence[str]) -> list[InputFile]:
    """The files of rows, in the order in which the local engine reads them.

    Raises
    ------
    ValueError
        Spark leaves out one of them.
    """
    # As in the metadata of rows, where a path of a disk has one slash; and as a store has it.
    urls = {unquote(url): url for url in (re.sub("^file:/+", "file:/", url) for url in rows.inputFiles())}
    states = [state for given in inputs for state in _in_order(Store(spark, given).files(given))]
    for state in states:
        if state["path"] not in urls:
            raise ValueError(left_out(_shown(state["path"])))
    return [InputFile(urls[state["path"]], _shown(state["path"]), state) for state in states]


def parquet_columns(spark: SparkSession, files: Sequence[InputFile]) -> list[list[str]]:
    """The columns of each Parquet file, with those in the names of its folders.

    Spark takes the columns of one file for those of all, and nulls for what another file does not have.
    """
    found: dict[str, list[str]] = {}
    footers = spark.sparkContext._jvm.org.apache.parquet.hadoop
    settings = spark.sparkContext._jsc.hadoopConfiguration()

    def columns(file: InputFile) -> list[str]:
        path = spark.sparkContext._jvm.org.apache.hadoop.fs.Path(file.state["path"])
        reader = footers.ParquetFileReader.open(footers.util.HadoopInputFile.fromPath(path, settings))
        try:
            schema = reader.getFileMetaData().getSchema()
        finally:
            reader.close()
        text = schema.toString()
        if text not in found:
            found[text] = [schema.getFieldName(i) for i in range(schema.getFieldCount())]
        folders = (part.partition("=") for part in file.state["path"].split("/")[:-1])
        return [*found[text], *(unquote(name) for name, is_value, _ in folders if is_value)]

    with ThreadPoolExecutor() as pool:
        return list(pool.map(columns, files))


def left_out(path: str) -> str:
    """What to say of a file that Spark does not read."""
    return (
        f"Spark leaves out {path!r}: of a folder it reads either the files in it, or those in folders such as "
        "'month=2026-10'. Give the others as inputs of their own, or in a job of their own; nothing was written."
    )


def _in_order(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(states, key=lambda state: PurePosixPath(state["path"]).parts)


def _shown(path: str) -> str:
    return path.removeprefix("file:")


def with_places(rows: DataFrame, *, positions: bool) -> DataFrame:
    """The rows with the file of each and its position there, or -1: Spark does not know positions in a CSV."""
    from pyspark.sql.functions import lit

    place = rows.metadataColumn("_metadata")
    position = place["row_index"] if positions else lit(-1).cast("long")
    return rows.select("*", place["file_path"].alias(PLACE[0]), position.alias(PLACE[1]))


def of_files(rows: DataFrame, urls: Sequence[str], *, others: bool = False) -> DataFrame:
    """The rows of some files, or of all others; Spark reads only these files."""
    condition = rows.metadataColumn("_metadata")["file_path"].isin(list(urls))
    return rows.where(~condition if others else condition)


def local_paths(inputs: Sequence[str]) -> list[str]:
    """The files and folders of this machine that inputs of Spark mean; URLs of other places as they are.

    Raises
    ------
    OSError, ValueError
        One of them is meant twice: its rows would be scored twice. Or something that matches cannot be read, which
        Spark would leave out; see `tabkd.batch._paths.files`.
    """
    plain = [re.sub("^file:(//)?/", "/", given) for given in inputs]
    paths = [path for given in plain for path in (_here(given) or [given])]
    for i, path in enumerate(paths):
        if is_within(path, paths[:i] + paths[i + 1 :]):
            raise ValueError(f"{path!r} is given twice; its rows would be scored twice.")
    return paths


def is_csv(path: str) -> bool:
    """Whether the name of a file or a folder says that there is CSV; else there is Parquet."""
    return path.rstrip("/").lower().endswith(".csv")


def _here(given: str) -> list[str]:
    """What a path or a pattern of Hadoop's means on this machine; nothing where it is a URL of another place."""
    if "://" in given:
        return []
    if alternatives := re.search(r"\{([^{}]*)\}", given):
        before, after = given[: alternatives.start()], given[alternatives.end() :]
        return [path for part in alternatives[1].split(",") for path in _here(f"{before}{part}{after}")]
    matched = matching(Local(), given)
    for path in matched:
        files(Local(), path, lambda name: True)  # Spark reads files of whatever suffix
    return matched


def _charset(encoding: str | None) -> str:
    """What Java calls an encoding of Python's."""
    name = codecs.lookup(encoding or "utf-8").name
    return _CHARSETS.get(name, name)
