"""Score files into one output: every row once, nothing half written."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tabkd.batch import sinks
from tabkd.batch.overlap import ahead, behind
from tabkd.batch.sources import File, find_files
from tabkd.scoring import Scorer


@dataclass(frozen=True)
class Counts:
    """Rows that were read and scored, and those of them that were written: all, or those over a threshold."""

    scored: int
    written: int


def score_files(
    scorer: Scorer,
    inputs: Sequence[str],
    output: str,
    *,
    keep: Sequence[str] = (),
    column_map: Mapping[str, str] | None = None,
    threshold: float | None = None,
    batch_size: int = 65_536,
) -> Counts:
    """Score the rows of files into one output, which appears whole or not at all.

    Parameters
    ----------
    scorer : Scorer
    inputs : sequence of str
        Files, folders, globs or URLs; see `tabkd.batch.sources`.
    output : str
        A .parquet, .csv or .arrow file, or "-" for CSV on standard output.
    keep : sequence of str
        Columns of the input that stand beside the scores.
    column_map : mapping of str to str, optional
        For a column of the model, what it is called in the input.
    threshold : float, optional
        Write only the rows whose probability of the second class reaches it.
    batch_size : int, default=65536
        About how many rows are in memory at a time.

    Returns
    -------
    Counts

    Raises
    ------
    ValueError
        A column is missing, there are no rows, a row cannot be scored, or rows would get lost. Nothing is written then.
    """
    columns = _Columns(scorer, keep, column_map or {}, threshold)
    files = find_files(inputs)
    sinks.check_output(output, [file.path for file in files])
    for file in files:
        columns.check(file)
    with contextlib.closing(ahead(columns.read(files, batch_size))) as tables:
        parts = map(columns.scored, tables)
        first = next(parts, None)
        if first is None:
            raise ValueError(f"{', '.join(map(repr, inputs))} is empty: 0 rows to score.")
        scored = written = 0
        schema = first[1].schema
        with sinks.opened(output, schema) as write_now:
            with behind(write_now) as write:
                for n_rows, part in itertools.chain([first], parts):
                    write(part.cast(schema))
                    scored, written = scored + n_rows, written + part.num_rows
            _check_count(files, scored)
    return Counts(scored, written)


class _Columns:
    """From the columns of a file to the columns of scores."""

    def __init__(self, scorer: Scorer, keep, column_map: Mapping[str, str], threshold: float | None):
        self._scorer, self._keep, self._threshold = scorer, list(dict.fromkeys(keep)), threshold
        names = [str(name) for name in scorer.feature_names_in_]
        if unknown := [name for name in column_map if name not in names]:
            raise ValueError(f"--column-map {unknown[0]!r} is no column of the model; `tabkd inspect` shows them.")
        # As it is called in the input, and in the model.
        self._features = {column_map.get(name, name): name for name in names}
        called = [column_map.get(name, name) for name in names]
        if twice := [name for name in self._features if called.count(name) > 1]:
            raise ValueError(
                f"--column-map makes {twice[0]!r} of the input stand for more than one column of the model: "
                f"{', '.join(n for n in names if column_map.get(n, n) == twice[0])}. Give each a column of its own."
            )
        self._known = dict(zip(self._features, scorer.metadata["columns"], strict=True))
        self._is_classifier = scorer.metadata["task"] == "classification"
        if threshold is not None and not (self._is_classifier and len(scorer.classes_) == 2):
            kind = f"{len(scorer.classes_)} classes" if self._is_classifier else "regression"
            raise ValueError(f"--threshold {threshold} is for models of two classes, not of {kind}; leave it out.")

    def check(self, file: File) -> None:
        """Refuse a file without the columns that are needed, before any row is read."""
        present = file.names()
        if missing := [name for name in self._features if name not in present]:
            raise ValueError(
                f"{file.path!r} has no column {', '.join(map(repr, missing[:5]))}, which the model needs. Give a table "
                "with the columns that `tabkd inspect` shows, or say what they are called there by --column-map."
            )
        if strange := [name for name in self._keep if name not in present]:
            raise ValueError(f"--keep {strange[0]!r} is not a column of {file.path!r}.")

    def read(self, files: Sequence[File], batch_size: int) -> Iterator[pa.Table]:
        """The columns that are needed of the files, batch by batch."""
        wanted = list(dict.fromkeys([*self._features, *self._keep]))
        for file in files:
            yield from (table for table in file.batches(wanted, self._known, batch_size) if table.num_rows)

    def scored(self, table: pa.Table) -> tuple[int, pa.Table]:
        """How many rows were scored, and what of them is written."""
        X = table.select(list(self._features)).rename_columns(list(self._features.values()))
        scores, chosen = self._scores(X)
        if clash := next((name for name in self._keep if name in scores), None):
            raise ValueError(f"--keep {clash!r} has the name of a column of scores; rename it in the table.")
        kept = [_decoded(table.column(name)) for name in self._keep]
        out = pa.Table.from_arrays([*kept, *scores.values()], names=[*self._keep, *scores])
        return table.num_rows, out if chosen is None else out.filter(pa.array(chosen))

    def _scores(self, X: pa.Table) -> tuple[dict[str, pa.Array], np.ndarray | None]:
        scorer = self._scorer
        if not self._is_classifier:
            values = scorer.predict(X)
            if values.ndim == 1:
                return {"prediction": pa.array(values)}, None
            return {f"prediction_{k}": pa.array(column) for k, column in enumerate(values.T)}, None
        P = scorer.predict_proba(X)
        labels = pa.array(scorer.classes_.tolist()).take(pa.array(P.argmax(axis=1)))
        columns = {"prediction": labels}
        columns |= {f"probability_{c}": pa.array(P[:, k]) for k, c in enumerate(scorer.classes_)}
        return columns, None if self._threshold is None else P[:, 1] >= self._threshold


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without a dictionary, which batches need not share and CSV does not have."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _check_count(files: Sequence[File], scored: int) -> None:
    """Refuse to finish with other rows than the files say that they have."""
    expected = [file.n_rows() for file in files]
    if None not in expected and sum(expected) != scored:  # type: ignore[arg-type]
        raise ValueError(f"{sum(expected):,} rows in, but {scored:,} rows scored; nothing was written.")  # type: ignore[arg-type]
