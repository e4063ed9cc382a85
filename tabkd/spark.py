"""Scores and soft labels of Spark DataFrames, in Spark's own worker processes: `pip install 'tabkd[spark]'`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd.scoring import Scorer, load

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


def score(
    df: DataFrame,
    model: Scorer | str | os.PathLike,
    *,
    keep: Sequence[str] = (),
    column_map: Mapping[str, str] | None = None,
    threshold: float | None = None,
) -> DataFrame:
    """The scores of a DataFrame, a row for each of its rows.

    Batches reach the workers as Arrow's columns (`mapInArrow`). The model is broadcast once, and read once by each
    worker process, which scores with one thread: Spark runs as many of them as it has cores.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
        Text in a column of numbers is read as numbers.
    model : Scorer or path-like
        What `tabkd.load` returns, or takes, on the driver.
    keep : sequence of str
        Columns that stand beside the scores.
    column_map : mapping of str to str, optional
        For a column of the model, what it is called in `df`.
    threshold : float, optional
        Keep only the rows whose probability of the second class reaches it.

    Returns
    -------
    pyspark.sql.DataFrame
        The kept columns, "prediction", and for classes "probability_" and the name of each.

    Raises
    ------
    ValueError
        A column is missing, or a name occurs twice. A row that cannot be scored fails the job when it runs, and the
        error names its column and value.
    """
    from pyspark.sql.functions import col
    from pyspark.sql.types import StructType

    from tabkd.batch.columns import Columns
    from tabkd.batch.sources import check_names

    scorer = model if isinstance(model, Scorer) else load(model)
    columns = Columns(scorer, keep, column_map or {}, threshold)
    check_names("the DataFrame", df.columns)
    columns.check_names("the DataFrame", df.columns)
    # By number: Spark itself trips over names with dots and backticks, and over those that differ in case alone.
    numbered = df.toDF(*(f"c{i}" for i in range(len(df.columns))))
    features = [col(f"c{df.columns.index(name)}").alias(f"f{k}") for k, name in enumerate(columns.known)]
    kept = [col(f"c{df.columns.index(name)}").alias(f"k{k}") for k, name in enumerate(columns.kept)]
    fields = [df.schema.fields[df.columns.index(name)] for name in columns.kept]
    content, n_features = _broadcast(df, scorer.content), len(features)

    def score_part(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return _score_part(_scorer(content.value), n_features, threshold, batches)

    return numbered.select(features + kept).mapInArrow(score_part, StructType([*fields, *_score_fields(scorer)]))


def label(df: DataFrame, teacher, columns: Sequence[str] | None = None) -> DataFrame:
    """The soft labels of a fitted teacher, beside the columns of a DataFrame of any size.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
    teacher : object with `predict_proba` and `classes_`, or with `predict`
        It is pickled to the workers.
    columns : sequence of str, optional
        What the teacher was fitted on; None for its `feature_names_in_`, or all columns where it has none.

    Returns
    -------
    pyspark.sql.DataFrame
        The columns of `df`, then "probability_" and the name of each class, or "prediction".
    """
    from pyspark.sql.types import DoubleType, StructField, StructType

    from tabkd.batch.sources import check_names
    from tabkd.teacher import soft_targets

    check_names("the DataFrame", df.columns)
    classes = getattr(teacher, "classes_", None)
    names = ["prediction"] if classes is None else [f"probability_{c}" for c in classes]
    if clash := [name for name in names if name in df.columns]:
        raise ValueError(f"The DataFrame has a column {clash[0]!r} already; rename it.")
    present = list(df.columns)
    known = list(getattr(teacher, "feature_names_in_", present) if columns is None else columns)
    if missing := [name for name in known if name not in present]:
        raise ValueError(f"The DataFrame has no column {missing[0]!r}, which the teacher was fitted on.")
    labels = StructType([*df.schema.fields, *(StructField(name, DoubleType(), False) for name in names)])
    sent = _broadcast(df, teacher)

    def label_part(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            # The teacher's columns alone become pandas': the others keep their types, whatever is missing in them.
            table = pa.Table.from_batches([batch]).rename_columns(present)
            soft = soft_targets(sent.value, table.select(known).to_pandas(), classes)
            for name, values in zip(names, np.asarray(soft).reshape(len(batch), -1).T, strict=True):
                table = table.append_column(name, pa.array(values))
            yield from table.to_batches()

    # By number, as in `score`.
    return df.toDF(*(f"c{i}" for i in range(len(present)))).mapInArrow(label_part, labels)


def score_dataset(
    model: Scorer | str | os.PathLike,
    inputs: Sequence[str],
    output: str,
    *,
    keep: Sequence[str] = (),
    column_map: Mapping[str, str] | None = None,
    threshold: float | None = None,
    partition_by: Sequence[str] = (),
) -> tuple[int, int]:
    """Score files by Spark's readers into a folder by its writers; the session is the one there is, or a new one.

    Parameters
    ----------
    model, keep, column_map, threshold
        As for `score`.
    inputs : sequence of str
        Paths and URLs that Spark knows: .csv files with a header, or else Parquet.
    output : str
        A folder that is not there yet; its files are CSV where its name ends in .csv, else Parquet.
    partition_by : sequence of str
        Columns of the input for each of whose values the output has a folder.

    Returns
    -------
    n_read, n_written : int

    Raises
    ------
    ValueError
        A column is missing, formats are mixed, or the output has other rows than were scored.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    kinds = {"csv" if path.rstrip("/").lower().endswith(".csv") else "parquet" for path in inputs}
    if len(kinds) > 1:
        raise ValueError("Spark reads inputs of one format; score CSV and Parquet in jobs of their own.")
    # As RFC 4180 has it, and no line that is broken: Spark would fill it up with nulls by default.
    reader = spark.read.options(header=True, multiLine=True, escape='"', mode="FAILFAST")
    # Without it a broken line is not noticed where only some columns are asked for.
    spark.conf.set("spark.sql.csv.parser.columnPruning.enabled", False)
    rows = reader.csv(list(inputs)) if kinds == {"csv"} else reader.parquet(*inputs)
    scores = score(rows, model, keep=[*keep, *partition_by], column_map=column_map, threshold=threshold)
    writer = scores.write.partitionBy(*partition_by).options(header=True, escape='"')
    is_csv = output.rstrip("/").lower().endswith(".csv")
    try:
        writer.csv(output) if is_csv else writer.parquet(output)
    except Py4JJavaError as error:
        raise ValueError(_causes(error.java_exception)) from error
    written = reader.csv(output) if is_csv else reader.parquet(output)
    n_read, n_written = rows.count(), written.count()
    if threshold is None and n_read != n_written:
        raise ValueError(f"{n_read:,} rows in, but {n_written:,} rows in {output!r}, which is not to be trusted.")
    return n_read, n_written


def _causes(error) -> str:
    """What an exception of Java's and those that it comes of say, in a line."""
    said: list[str] = []
    while error is not None:
        text = str(error.getMessage() or "").split("\n")[0]
        if text not in said:
            said.append(text)
        error = error.getCause()
    return "; ".join(said)


class _Captured:
    """What stands for a broadcast where a session has none: Spark Connect."""

    def __init__(self, value):
        self.value = value


def _broadcast(df: DataFrame, value):
    from pyspark.errors import PySparkAttributeError

    try:
        context = df.sparkSession.sparkContext
    except PySparkAttributeError:
        return _Captured(value)
    return context.broadcast(value)


@lru_cache(maxsize=4)
def _scorer(content: bytes) -> Scorer:
    """The one scorer of a model in a worker process, which Spark uses again for other parts."""
    return Scorer(content, n_threads=1)


def _score_part(
    scorer: Scorer, n_features: int, threshold: float | None, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.compute as pc

    from tabkd.batch.columns import Columns
    from tabkd.batch.rejects import TooManyRejectsError
    from tabkd.batch.sources import in_batches

    columns = Columns(scorer, (), {}, drift=False)
    names = list(columns.known)
    tables = (pa.Table.from_batches([batch]) for batch in batches)
    for table in tables:
        X = table.select(range(n_features)).rename_columns(names)
        (batch,) = in_batches([X], columns.known, "a part of the DataFrame")
        try:
            scores = columns.scored(batch, 0, 0).rows.table
        except TooManyRejectsError as error:
            raise ValueError(f"{error.reject}.") from error
        kept = table.select(range(n_features, table.num_columns))
        out = pa.table([*kept.columns, *scores.columns], names=[*kept.schema.names, *scores.schema.names])
        if threshold is not None:
            out = out.filter(pc.greater_equal(scores.column(columns.second_class), threshold))
        yield from out.to_batches()


def _score_fields(scorer: Scorer) -> list[Any]:
    from pyspark.sql.types import BooleanType, DoubleType, LongType, StringType, StructField

    if scorer.metadata["task"] != "classification":
        n = scorer.metadata["n_outputs"]
        one = scorer.metadata["one_dimensional"]
        names = ["prediction"] if one else [f"prediction_{k}" for k in range(n)]
        return [StructField(name, DoubleType(), False) for name in names]
    kinds = {"b": BooleanType(), "i": LongType(), "u": LongType(), "f": DoubleType()}
    prediction = StructField("prediction", kinds.get(scorer.classes_.dtype.kind, StringType()), False)
    return [prediction, *(StructField(f"probability_{c}", DoubleType(), False) for c in scorer.classes_)]
