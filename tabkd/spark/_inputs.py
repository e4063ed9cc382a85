"""The rows that Spark reads, and their files."""

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

# A text that does not occur in a CSV.
_NULL = "\0tabkd: null\0"
# Java's names of encodings whose Python names it does not know.
_CHARSETS = {
    "utf-8-sig": "UTF-8",
    "iso8859-1": "ISO-8859-1",
    "cp1252": "windows-1252",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
}
# Settings of the session of a job, which override those of the cluster.
_SETTINGS: dict[str, bool | str] = {
    # A file that cannot be read is an error, and is never skipped.
    "spark.sql.files.ignoreCorruptFiles": False,
    "spark.sql.files.ignoreMissingFiles": False,
    # Without this option a broken line is not noticed if only some columns are selected.
    "spark.sql.csv.parser.columnPruning.enabled": False,
    # Values in the names of folders are text, like in the local engine: 01 is not 1.
    "spark.sql.sources.partitionColumnTypeInference.enabled": False,
    # Like the local engine: `id` is not `ID`.
    "spark.sql.caseSensitive": True,
    # Other readers take Spark's default for nanoseconds, which cannot represent the year 9999.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
#: The columns that `with_places` appends.
PLACE = ("tabkd: file", "tabkd: row")


class InputFile(NamedTuple):
    """A file that Spark reads.

    Attributes
    ----------
    url : str
        Its address in Spark's metadata of a row.
    path : str
        Its name in messages.
    state : dict
        What identifies the file and its version, as JSON values.
    """

    url: str
    path: str
    state: dict[str, Any]


def read(spark: SparkSession, paths: Sequence[str], dialect: Dialect, as_csv: bool) -> DataFrame:
    """The rows of all paths, of CSV or of Parquet files."""
    # RFC 4180, and broken lines are errors: by default Spark would fill them with nulls.
    reader = spark.read.options(header=True, multiLine=True, escape='"', mode="FAILFAST")
    # A special text for null: otherwise "" in quotes would be null as well.
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
        If Spark would skip a file.
    """
    # By the address in the metadata of rows, where a local path has one slash, and by that of the store.
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
    java: Any = spark.sparkContext._jvm
    footers = java.org.apache.parquet.hadoop
    settings = spark.sparkContext._jsc.hadoopConfiguration()

    def columns(file: InputFile) -> list[str]:
        path = java.org.apache.hadoop.fs.Path(file.state["path"])
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
    """The error for a file that Spark does not read."""
    return (
        f"Spark leaves out {path!r}: in a folder it reads either the files, or those in subfolders such as "
        "'month=2026-10'. Give the others as separate inputs, or score them in a separate job; nothing was written."
    )


def _in_order(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(states, key=lambda state: PurePosixPath(state["path"]).parts)


def _shown(path: str) -> str:
    return path.removeprefix("file:")


def with_places(rows: DataFrame, *, positions: bool) -> DataFrame:
    """The rows, each with its file and its position there, or -1 for a CSV, whose positions Spark does not know."""
    from pyspark.sql.functions import lit

    place = rows.metadataColumn("_metadata")
    position = place["row_index"] if positions else lit(-1).cast("long")
    return rows.select("*", place["file_path"].alias(PLACE[0]), position.alias(PLACE[1]))


def of_files(rows: DataFrame, urls: Sequence[str], *, others: bool = False) -> DataFrame:
    """The rows of some files, or of all others; Spark reads only these files."""
    condition = rows.metadataColumn("_metadata")["file_path"].isin(list(urls))
    return rows.where(~condition if others else condition)


def local_paths(inputs: Sequence[str]) -> list[str]:
    """The files and folders of this machine that Spark's inputs refer to; URLs of other places stay as they are.

    Raises
    ------
    OSError, ValueError
        If a file is given twice, because its rows would be scored twice, or if a match cannot be read, because Spark
        would skip it; see `tabkd.batch._paths.files`.
    """
    plain = [re.sub("^file:(//)?/", "/", given) for given in inputs]
    paths = [path for given in plain for path in (_here(given) or [given])]
    for i, path in enumerate(paths):
        if is_within(path, paths[:i] + paths[i + 1 :]):
            raise ValueError(f"{path!r} is given twice; its rows would be scored twice.")
    return paths


def is_csv(path: str) -> bool:
    """Whether a file or a folder contains CSV, by its name; otherwise it contains Parquet."""
    return path.rstrip("/").lower().endswith(".csv")


def _here(given: str) -> list[str]:
    """The local paths that a path or a Hadoop pattern refers to; none for a URL of another place."""
    if "://" in given:
        return []
    if alternatives := re.search(r"\{([^{}]*)\}", given):
        before, after = given[: alternatives.start()], given[alternatives.end() :]
        return [path for part in alternatives[1].split(",") for path in _here(f"{before}{part}{after}")]
    matched = matching(Local(), given)
    for path in matched:
        files(Local(), path, lambda name: True)  # Spark reads files with any suffix
    return matched


def _charset(encoding: str | None) -> str:
    """Java's name of a Python encoding."""
    name = codecs.lookup(encoding or "utf-8").name
    return _CHARSETS.get(name, name)
