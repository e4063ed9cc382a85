"""Score what Spark reads into a folder: first every row is looked at, then all are scored and counted again."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from tabkd._options import called_as, called_now, option
from tabkd.batch import _rejects as rejected
from tabkd.batch import _sinks as sinks
from tabkd.batch._addresses import check_form, is_postgres, shown
from tabkd.batch._counts import Counts, Summary
from tabkd.batch._dialect import PLAIN, Dialect
from tabkd.batch._job import as_paths, check_options
from tabkd.batch._outputs import check_rejects, is_within
from tabkd.batch._paths import Local, files, matching
from tabkd.batch._rejects import Reject, TooManyRejectsError, check_number
from tabkd.batch._scored import Columns
from tabkd.scoring import ExportedStudent, load
from tabkd.spark._frames import batch_of, broadcast, exported_of, features, scores

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

# Where a row stands, beside its columns.
_PLACE = ("tabkd: file", "tabkd: row")
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


def score_dataset(
    model: ExportedStudent | str | os.PathLike,
    inputs: Sequence[str],
    output: str,
    *,
    keep: Sequence[str] = (),
    column_map: Mapping[str, str] | None = None,
    threshold: float | None = None,
    rejects: str | None = None,
    max_rejects: int = 0,
    partition_by: Sequence[str] = (),
    delimiter: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    encoding: str | None = None,
) -> Summary:
    """Score files that Spark reads into a folder that Spark writes; the session is the one there is, or a new one.

    Parameters
    ----------
    model, keep, column_map, threshold, max_rejects
        As for `tabkd.batch.score_dataset`.
    inputs : sequence of str
        Paths and URLs that Spark knows: .csv files with a header, or else Parquet.
    output : str
        A folder that is not there yet; its files are CSV where its name ends in .csv, else Parquet.
    rejects : str, optional
        A file of this machine for the rows that cannot be scored. Spark does not say which row of a CSV it is.
    partition_by : sequence of str
        Columns of the input for each of whose values the output has a folder.
    delimiter, decimal, thousands, encoding : str, optional
        How CSV files are written; see `tabkd.batch._dialect.Dialect`. Here, nothing of it is found by itself: without
        them it is commas, points and UTF-8.

    Returns
    -------
    Summary

    Raises
    ------
    ValueError
        A column is missing, formats are mixed, more rows than `max_rejects` cannot be scored (`TooManyRejectsError`),
        or the output has other rows than were scored. There is no output then.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.sql import SparkSession

    exported = model if isinstance(model, ExportedStudent) else load(model)
    inputs, partition_by = as_paths(inputs), list(dict.fromkeys(partition_by))
    dialect = Dialect(delimiter, decimal, thousands, encoding)
    check_options(threshold=threshold, max_rejects=max_rejects)
    for given in (*inputs, output):
        check_form(given)
        if is_postgres(given):
            raise ValueError(f"{shown(given)!r} is a database, which Spark does not score; score it without Spark.")
    columns = Columns(exported, [*keep, *partition_by], column_map or {}, threshold)
    if any(character in output for character in "*?[]{}"):
        raise ValueError(
            f"{option('output', output)} has one of *?[]{{}}, which Spark takes for a pattern; choose another."
        )
    check_rejects(rejects, max_rejects, [*local_paths(inputs), output])
    # With settings of our own, on the workers of the session that there is.
    spark = SparkSession.builder.getOrCreate().newSession()
    try:
        rows, is_csv = _read(spark, inputs, dialect), _is_csv(inputs[0])
        columns.check_names(", ".join(inputs), rows.columns)
        with _whole_or_not_at_all(spark, output):
            counts, found = _looked_at(rows, is_csv, dialect, exported, columns, threshold, max_rejects)
            with nullcontext() if rejects is None else sinks.File(rejects, schema=rejected.SCHEMA) as file:
                if file is not None and found:
                    file.write(rejected.table(found))
                made = scores(rows, exported, columns, threshold, max_rejects, dialect, is_csv)
                writer = made.write.partitionBy(*partition_by).options(header=True, escape='"')
                writer.csv(output) if _is_csv(output) else writer.parquet(output)
                # Folders of partitions without any row are none, and not to be read.
                n_written = _read(spark, [output], PLAIN).count() if counts.written else 0
                if n_written != counts.written:
                    raise ValueError(
                        f"{n_written:,} rows were written to {output!r}, but {counts.written:,} were scored; they are "
                        "removed. Were the inputs changed?"
                    )
    except Py4JJavaError as error:
        raise ValueError(_causes(error.java_exception)) from error
    return Summary.of(counts, columns.drift, threshold)


@contextmanager
def _whole_or_not_at_all(spark: SparkSession, output: str) -> Iterator[None]:
    """Refuse a folder that is there, in whatever store of Hadoop's, and remove it where the block fails."""
    context = spark.sparkContext
    folder = context._jvm.org.apache.hadoop.fs.Path(output)  # type: ignore[union-attr]
    store = folder.getFileSystem(context._jsc.hadoopConfiguration())
    if store.exists(folder):
        raise ValueError(f"{option('output', output)} already exists; choose another.")
    try:
        yield
    except BaseException:
        store.delete(folder, True)
        raise


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


def _is_csv(path: str) -> bool:
    return path.rstrip("/").lower().endswith(".csv")


def _read(spark: SparkSession, paths: Sequence[str], dialect: Dialect) -> DataFrame:
    """The rows of all paths, which must be of one format."""
    if any(map(_is_csv, paths)) and not all(map(_is_csv, paths)):
        raise ValueError("Spark reads inputs of one format; score CSV and Parquet in jobs of their own.")
    # As RFC 4180 has it, and no line that is broken: Spark would fill it up with nulls by default.
    reader = spark.read.options(header=True, multiLine=True, escape='"', mode="FAILFAST")
    # Without a value of its own for null, "" in quotes would be null as well.
    reader = reader.options(nullValue=_NULL, emptyValue="", sep=dialect.delimiter or ",")
    reader = reader.options(encoding=_charset(dialect.encoding))
    # Whatever the cluster is set to: a file that cannot be read is an error, and its rows are not left out.
    spark.conf.set("spark.sql.files.ignoreCorruptFiles", False)
    spark.conf.set("spark.sql.files.ignoreMissingFiles", False)
    # Without it a broken line is not noticed where only some columns are asked for.
    spark.conf.set("spark.sql.csv.parser.columnPruning.enabled", False)
    # What folders say is text, as it is for the jobs of this machine: 01 is not 1.
    spark.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", False)
    return reader.csv(list(paths)) if _is_csv(paths[0]) else reader.parquet(*paths)


def _charset(encoding: str | None) -> str:
    """What Java calls an encoding of Python's."""
    name = codecs.lookup(encoding or "utf-8").name
    return _CHARSETS.get(name, name)


def _looked_at(
    rows: DataFrame,
    is_csv: bool,
    dialect: Dialect,
    exported: ExportedStudent,
    columns: Columns,
    threshold: float | None,
    max_rejects: int,
) -> tuple[Counts, list[Reject]]:
    """The counts of all rows, and those that cannot be scored in the order of their places.

    Raises
    ------
    TooManyRejectsError
    """
    content, n_features = broadcast(rows, exported.content), len(columns.known)
    options = called_now()

    def look_at_part(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with called_as(options):
            yield from _look_at_part(
                exported_of(content.value), n_features, threshold, max_rejects, dialect, is_csv, batches
            )

    placed = features(_placed(rows, is_csv), columns, _PLACE)
    seen = placed.mapInArrow(look_at_part, "counts string, rejects string").collect()
    # One batch after the other: a task that Spark does again counts once.
    counts = sum((Counts.from_json(json.loads(row.counts)) for row in seen), start=Counts(drift=columns.drift.none))
    found = [Reject(*reject) for row in seen for reject in json.loads(row.rejects)]
    found.sort(key=lambda reject: (reject.source, reject.row))
    check_number(counts.rejected - len(found), found, max_rejects)
    return counts, found


def _placed(rows: DataFrame, is_csv: bool) -> DataFrame:
    """The rows with the file of each, and with its position there, which Spark does not know of a CSV."""
    from pyspark.sql.functions import lit

    place = rows.metadataColumn("_metadata")
    position = lit(-1).cast("long") if is_csv else place["row_index"]
    return rows.select("*", place["file_path"].alias(_PLACE[0]), position.alias(_PLACE[1]))


def _look_at_part(
    exported: ExportedStudent,
    n_features: int,
    threshold: float | None,
    max_rejects: int,
    dialect: Dialect,
    is_csv: bool,
    batches: Iterable[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """For each batch its counts and its rejects, as JSON; one reject is enough of a batch that makes the job fail."""
    import pyarrow as pa

    columns = Columns(exported, (), {}, threshold)
    for batch in batches:
        table = pa.Table.from_batches([batch])
        files, places = table.column(n_features), table.column(n_features + 1)

        def placed(reject: Reject, files=files, places=places) -> Reject:
            return reject._replace(source=files[reject.row].as_py(), row=places[reject.row].as_py())

        try:
            scored = columns.scored(batch_of(table, n_features, columns, dialect, is_csv), 0, max_rejects)
            counts, found = Counts.of(scored), scored.rows.rejects
        except TooManyRejectsError as error:
            if error.reject is None:
                raise
            counts, found = Counts(rejected=max_rejects + 1, drift=columns.drift.none), [error.reject]
        told = [[json.dumps(counts.to_json())], [json.dumps([placed(reject) for reject in found])]]
        yield pa.RecordBatch.from_arrays([pa.array(part, pa.string()) for part in told], ["counts", "rejects"])


def _causes(error) -> str:
    """What an exception of Java's and those that it comes of say, in a line."""
    said: list[str] = []
    while error is not None:
        text = str(error.getMessage() or "").split("\n")[0]
        if text not in said:
            said.append(text)
        error = error.getCause()
    return "; ".join(said)
