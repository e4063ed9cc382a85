"""Scores and soft labels of Spark DataFrames, in Spark's own worker processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd.batch._reasons import ReasonOptions
from tabkd.batch._scored import Columns
from tabkd.batch._scoring_options import Options
from tabkd.batch._sources import check_names
from tabkd.scoring import ExportedStudent, load
from tabkd.spark._worker import Task, exported_of, scored

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


def score(
    df: DataFrame,
    model: ExportedStudent | str | os.PathLike,
    *,
    keep: Sequence[str] = (),
    column_map: Mapping[str, str] | None = None,
    threshold: float | None = None,
    reasons: int = 0,
    reason_codes: str | os.PathLike | None = None,
    reasons_for: str = "higher",
    reason_groups: Mapping[str, Sequence[str]] | None = None,
    max_doubt: float | None = None,
) -> DataFrame:
    """The scores of a DataFrame, with a row for each of its rows.

    Batches reach the workers as Arrow columns (`mapInArrow`). The model is broadcast once, and read once by each worker
    process, which scores with one thread: Spark runs as many of them as it has cores.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
        Text in a column of numbers is read as numbers.
    model : ExportedStudent or path-like
        An exported student, or its path on the driver.
    keep : sequence of str
        Columns to return next to the scores.
    column_map : mapping of str to str, optional
        For a column of the model, its name in `df`.
    threshold : float, optional
        Keep only the rows whose probability of the second class reaches it.
    reasons, reason_codes, reasons_for, reason_groups : optional
        The reasons to return for each row, or with `threshold` for each alert; see `tabkd.batch.score_dataset`.
    max_doubt : float, optional
        Return for each score its "doubt", and whether it is "doubtful"; see `tabkd.batch.score_dataset`.

    Returns
    -------
    pyspark.sql.DataFrame
        The kept columns, `prediction`, for classes `probability_` and the name of each, doubt and reasons.

    Raises
    ------
    ValueError
        A column is missing, or a name occurs twice. A row that cannot be scored fails the job when it runs, and the
        error names its column and value.

    Examples
    --------
    >>> from pyspark.sql import SparkSession  # doctest: +SKIP
    >>> from tabkd.spark import score  # doctest: +SKIP
    >>> spark = SparkSession.builder.getOrCreate()  # doctest: +SKIP
    >>> payments = spark.read.parquet("payments/")  # doctest: +SKIP
    >>> score(payments, "student.onnx", keep=["id"]).columns  # doctest: +SKIP
    ['id', 'prediction', 'probability_False', 'probability_True']
    """
    from pyspark.sql.types import StructType

    exported = model if isinstance(model, ExportedStudent) else load(model)
    why = ReasonOptions.of(reasons, reason_codes, reasons_for, reason_groups)
    columns = Options(keep, column_map or {}, threshold, reasons=why, max_doubt=max_doubt).columns(exported)
    rows = features(df, columns, columns.kept)
    content, task = (
        broadcast(df, exported.content),
        Task(len(columns.known), threshold=threshold, reasons=why, max_doubt=max_doubt),
    )

    def score_part(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return scored(exported_of(content.value), task, batches)

    return rows.mapInArrow(score_part, StructType(fields(df, columns, exported)))


def features(df: DataFrame, columns: Columns, more: Sequence[str]) -> DataFrame:
    """The columns that the model reads, in its order, then others, all of them renamed.

    Spark itself cannot handle some names: those with dots and backticks, and those that differ only in case.

    Raises
    ------
    ValueError
        A column is missing, or a name occurs twice.
    """
    from pyspark.sql.functions import col

    check_names("the DataFrame", df.columns)
    columns.check_names("the DataFrame", df.columns)
    numbered = df.toDF(*(f"c{i}" for i in range(len(df.columns))))
    names = [*columns.known, *more]
    return numbered.select([col(f"c{df.columns.index(name)}").alias(f"f{k}") for k, name in enumerate(names)])


def fields(df: DataFrame, columns: Columns, exported: ExportedStudent) -> list[Any]:
    """The schema, in Spark's terms, of the kept columns of a DataFrame, the scores and the reasons."""
    kept = [df.schema.fields[df.columns.index(name)] for name in columns.kept]
    return [*kept, *_score_fields(exported), *arrow_fields(columns.doubt_schema), *arrow_fields(columns.reason_schema)]


def arrow_fields(schema: pa.Schema) -> list[Any]:
    """Columns of text and numbers, in Spark's terms."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema).fields


def label(df: DataFrame, teacher: Any, columns: Sequence[str] | None = None) -> DataFrame:
    """Add the soft labels of a fitted teacher to a DataFrame of any size.

    Write the result to Parquet files, and a student can learn from them with `tabkd.LabelledParquet`. The workers need
    the teacher's libraries, such as scikit-learn.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
        The rows to label. All of its columns stay.
    teacher : object with `predict_proba` and `classes_`, or with `predict`
        It is pickled to the workers.
    columns : sequence of str, optional
        The columns that the teacher was fitted on; None for its `feature_names_in_`, or for all columns if it has none.

    Returns
    -------
    pyspark.sql.DataFrame
        The columns of `df`, then `probability_` and the name of each class, or `prediction`.

    Raises
    ------
    ValueError
        If the DataFrame lacks a column, has two with the same name, or has one with the name of a label.

    Examples
    --------
    >>> from tabkd.spark import label  # doctest: +SKIP
    >>> labelled = label(payments, teacher, columns=["amount", "shop"])  # doctest: +SKIP
    >>> labelled.write.parquet("labelled/")  # doctest: +SKIP
    """
    from pyspark.sql.types import DoubleType, StructField, StructType

    from tabkd.teachers._answers import label_names, soft_targets

    check_names("the DataFrame", df.columns)
    classes = getattr(teacher, "classes_", None)
    names = label_names(classes)
    if clash := [name for name in names if name in df.columns]:
        raise ValueError(f"The DataFrame already has a column {clash[0]!r}; rename it.")
    present = list(df.columns)
    known = list(getattr(teacher, "feature_names_in_", present) if columns is None else columns)
    if missing := [name for name in known if name not in present]:
        raise ValueError(f"The DataFrame has no column {missing[0]!r}, which the teacher was fitted on.")
    labels = StructType([*df.schema.fields, *(StructField(name, DoubleType(), False) for name in names)])
    sent = broadcast(df, teacher)

    def label_part(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            # Only the teacher's columns become pandas columns; others keep their types, also if values are missing.
            table = pa.Table.from_batches([batch]).rename_columns(present)
            soft = soft_targets(sent.value, table.select(known).to_pandas(), classes)
            for name, values in zip(names, np.asarray(soft).reshape(len(batch), -1).T, strict=True):
                table = table.append_column(name, pa.array(values))
            yield from table.to_batches()

    # By number, as in `score`.
    return df.toDF(*(f"c{i}" for i in range(len(present)))).mapInArrow(label_part, labels)


class _Captured:
    """The replacement of a broadcast in sessions without one: Spark Connect."""

    def __init__(self, value: Any):
        self.value = value


def broadcast(df: DataFrame, value: Any) -> Any:
    """An object whose `value` is the given value, which is sent to the workers once."""
    from pyspark.errors import PySparkAttributeError

    try:
        context = df.sparkSession.sparkContext
    except PySparkAttributeError:
        return _Captured(value)
    return context.broadcast(value)


def _score_fields(exported: ExportedStudent) -> list[Any]:
    from pyspark.sql.types import BooleanType, DoubleType, LongType, StringType, StructField

    if exported.metadata["task"] != "classification":
        n = exported.metadata["n_outputs"]
        one = exported.metadata["one_dimensional"]
        names = ["prediction"] if one else [f"prediction_{k}" for k in range(n)]
        return [StructField(name, DoubleType(), False) for name in names]
    kinds = {"b": BooleanType(), "i": LongType(), "u": LongType(), "f": DoubleType()}
    prediction = StructField("prediction", kinds.get(exported.classes_.dtype.kind, StringType()), False)
    return [prediction, *(StructField(f"probability_{c}", DoubleType(), False) for c in exported.classes_)]
