"""Scores and soft labels of Spark DataFrames, in Spark's own worker processes: `pip install 'tabkd[spark]'`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd.scoring import Scorer, load

if TYPE_CHECKING:
    import pandas as pd
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
        Text in a column of numbers is cast, by the rules that the session has for it.
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
    from pyspark.sql.types import StringType, StructType

    from tabkd.batch.columns import Columns
    from tabkd.batch.sources import check_names

    scorer = model if isinstance(model, Scorer) else load(model)
    columns = Columns(scorer, keep, column_map or {}, threshold)
    columns.check_names("the DataFrame", df.columns)
    fields = {field.name: field for field in df.schema.fields}
    check_names("the DataFrame", df.columns)
    wanted = []
    for i, name in enumerate(columns.wanted):
        column = col(f"`{name.replace('`', '``')}`")
        is_number = columns.known.get(name, {}).get("kind") == "numeric"
        is_text = fields[name].dataType == StringType()
        # By number: Spark itself trips over names with dots and backticks on the way to the workers.
        wanted.append((column.cast("double") if is_number and is_text else column).alias(f"c{i}"))
    scores = StructType([*(fields[name] for name in columns.kept), *_score_fields(scorer)])
    options = (tuple(columns.kept), dict(column_map or {}), threshold)
    content = _broadcast(df, scorer.content)

    def score_part(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return _score_part(content.value, options, batches)

    return df.select(wanted).mapInArrow(score_part, scores)


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

    from tabkd.teacher import soft_targets

    classes = getattr(teacher, "classes_", None)
    names = ["prediction"] if classes is None else [f"probability_{c}" for c in classes]
    if clash := [name for name in names if name in df.columns]:
        raise ValueError(f"The DataFrame has a column {clash[0]!r} already; rename it.")
    known = list(getattr(teacher, "feature_names_in_", df.columns) if columns is None else columns)
    if missing := [name for name in known if name not in df.columns]:
        raise ValueError(f"The DataFrame has no column {missing[0]!r}, which the teacher was fitted on.")
    labels = StructType([*df.schema.fields, *(StructField(name, DoubleType(), False) for name in names)])
    sent = _broadcast(df, teacher)

    present = list(df.columns)

    def label_part(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for numbered in frames:
            frame = numbered.set_axis(present, axis=1)
            soft = np.asarray(soft_targets(sent.value, frame[known], classes)).reshape(len(frame), -1)
            yield frame.assign(**dict(zip(names, soft.T, strict=True)))

    # By number: Spark itself trips over names with dots and backticks on the way to the workers.
    return df.toDF(*(f"c{i}" for i in range(len(present)))).mapInPandas(label_part, labels)


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
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    kinds = {"csv" if path.rstrip("/").lower().endswith(".csv") else "parquet" for path in inputs}
    if len(kinds) > 1:
        raise ValueError("Spark reads inputs of one format; score CSV and Parquet in jobs of their own.")
    reader = spark.read.option("header", True)
    rows = reader.csv(list(inputs)) if kinds == {"csv"} else reader.parquet(*inputs)
    scores = score(rows, model, keep=[*keep, *partition_by], column_map=column_map, threshold=threshold)
    writer = scores.write.partitionBy(*partition_by).option("header", True)
    is_csv = output.rstrip("/").lower().endswith(".csv")
    writer.csv(output) if is_csv else writer.parquet(output)
    written = reader.csv(output) if is_csv else reader.parquet(output)
    n_read, n_written = rows.count(), written.count()
    if threshold is None and n_read != n_written:
        raise ValueError(f"{n_read:,} rows in, but {n_written:,} rows in {output!r}, which is not to be trusted.")
    return n_read, n_written


class _Captured:
    """What stands for a broadcast where a session has none: Spark Connect."""

    def __init__(self, value):
        self.value = value


def _broadcast(df: DataFrame, value):
    try:
        context = df.sparkSession.sparkContext
    except Exception:  # what Spark Connect raises is a class of its own, in a module that need not be there
        return _Captured(value)
    return context.broadcast(value)


@lru_cache(maxsize=4)
def _scorer(content: bytes) -> Scorer:
    """The one scorer of a model in a worker process, which Spark uses again for other parts."""
    return Scorer(content, n_threads=1)


def _score_part(content: bytes, options: tuple, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    from tabkd.batch.columns import Columns
    from tabkd.batch.sources import Batch

    columns, n_rows = Columns(_scorer(content), *options), 0
    for batch in batches:
        table = pa.Table.from_batches([batch]).rename_columns(columns.wanted)
        columns.check({"the DataFrame": dict(zip(table.schema.names, table.schema.types, strict=True))})
        positions = np.arange(n_rows, n_rows + table.num_rows)
        n_rows += table.num_rows
        yield from columns.scored(Batch(table, "a part of the DataFrame", positions, []), 0, 0).table.to_batches()


def _score_fields(scorer: Scorer) -> list[Any]:
    from pyspark.sql.types import BooleanType, DoubleType, LongType, StringType, StructField

    if scorer.metadata["task"] != "classification":
        n = scorer.metadata["n_outputs"]
        one = scorer.metadata["one_dimensional"]
        names = ["prediction"] if one else [f"prediction_{k}" for k in range(n)]
        return [StructField(name, DoubleType(), False) for name in names]
    kinds = {"b": BooleanType(), "i": LongType(), "u": LongType(), "f": DoubleType()}
    prediction = StructField("prediction", kinds.get(scorer.classes_.dtype.kind, StringType()))
    return [prediction, *(StructField(f"probability_{c}", DoubleType()) for c in scorer.classes_)]
