"""From the columns of an input to the columns of scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabkd._options import option
from tabkd.batch._csv_header import DELIMITERS
from tabkd.batch._doubtful import Doubt
from tabkd.batch._drift import Drift
from tabkd.batch._kept import as_kept, common_type
from tabkd.batch._reasons import Reasons
from tabkd.batch._rejects import Reject, check_number, failures, failures_by_value, failures_of_type, shown
from tabkd.batch._segments import SegmentCounts, segment_counts
from tabkd.batch._sources import Batch
from tabkd.scoring import ExportedStudent
from tabkd.scoring._arrow_columns import decoded, is_text, plain_type

if TYPE_CHECKING:
    from tabkd._typing import TableLike


class Unexplained(NamedTuple):
    """Some rows of a table of scores that may get reasons.

    Attributes
    ----------
    positions : ndarray of int64
        Their positions in the table, in ascending order.
    X : pyarrow.Table
        The columns of the model for these rows.
    """

    positions: np.ndarray
    X: pa.Table

    def filtered(self, chosen: np.ndarray) -> Unexplained:
        """The rows that are left when only the chosen rows of the table are.

        Parameters
        ----------
        chosen : ndarray of bool
            Whether a row of the table is chosen.
        """
        mine = chosen[self.positions]
        return Unexplained(np.cumsum(chosen)[self.positions[mine]] - 1, self.X.filter(pa.array(mine)))


class Rows(NamedTuple):
    """The output of a batch.

    Attributes
    ----------
    table : pyarrow.Table
        The scores.
    rejects : list of Reject
        The rows that have none.
    unexplained : Unexplained or None
        Rows that may get reasons; None if no reasons are wanted, or they are in the table.
    """

    table: pa.Table
    rejects: list[Reject]
    unexplained: Unexplained | None = None

    def filtered(self, chosen: np.ndarray) -> Rows:
        """Only some rows of the table, by a mask of shape (n,)."""
        left = None if self.unexplained is None else self.unexplained.filtered(chosen)
        return self._replace(table=self.table.filter(pa.array(chosen)), unexplained=left)


class Scored(NamedTuple):
    """The result of a batch.

    Attributes
    ----------
    rows : Rows
        The scores and the rejects.
    n_read : int
        Number of rows of the input, including rejected ones.
    drift : array of int64
        The counts from `Drift.counts`.
    segments : dict
        The same by segment; see `tabkd.batch._segments`.
    """

    rows: Rows
    n_read: int
    drift: np.ndarray
    segments: SegmentCounts


class Columns:
    """The columns of an input that a model and its user need.

    Parameters
    ----------
    exported : ExportedStudent
        The model.
    keep : sequence of str
        Columns of the input to write next to the scores.
    column_map : mapping of str to str
        For a column of the model, its name in the input.
    threshold : float or None
        Write only the rows whose probability of the second class reaches it.
    drift : bool
        Whether to count drift.
    reasons : Reasons, optional
        What explains the scores.
    doubt : Doubt, optional
        Finds the doubtful scores.
    segment : sequence of str
        Columns of the input for each level of which drift is counted, too.

    Raises
    ------
    ValueError
        If the model has no such columns, or no such class.
    """

    def __init__(
        self,
        exported: ExportedStudent,
        keep: Sequence[str],
        column_map: Mapping[str, str],
        threshold: float | None = None,
        drift: bool = True,
        reasons: Reasons | None = None,
        doubt: Doubt | None = None,
        segment: Sequence[str] = (),
    ):
        self._scorer, self._threshold, self._reasons, self._doubt = exported, threshold, reasons, doubt
        self.drift = Drift(exported)
        self._counts_drift, self._segments = drift, list(dict.fromkeys(segment))
        #: The columns of the input that are written next to the scores.
        self.kept = list(dict.fromkeys(keep))
        names = [str(name) for name in exported.feature_names_in_]
        known_names = set(names)
        if unknown := [name for name in column_map if name not in known_names]:
            raise ValueError(
                f"{option('column_map', unknown[0])} is not a column of the model; `tabkd inspect` shows them."
            )
        # The name of each column in the input, and in the model.
        self._features = {column_map.get(name, name): name for name in names}
        called = Counter(column_map.get(name, name) for name in names)
        if twice := [name for name in self._features if called[name] > 1]:
            raise ValueError(
                f"{option('column_map')} maps {twice[0]!r} of the input to more than one column of the model: "
                f"{', '.join(n for n in names if column_map.get(n, n) == twice[0])}. Give each a different column."
            )
        self._is_classifier = exported.metadata["task"] == "classification"
        if threshold is not None:
            self.check_two_classes("threshold", threshold)
        check_kept(exported, self.kept, [*self.doubt_schema.names, *self.reason_schema.names])
        #: The model's metadata of each of its columns, by the name of the column in the input.
        self.known = dict(zip(self._features, exported.metadata["columns"], strict=True))
        # Columns of text without a category "": in a CSV it then means a missing value, as in files that quote every
        # value.
        self._without_empty = {
            name
            for name, column in self.known.items()
            if column["type"] == "STRING" and "" not in column.get("categories", ())
        }
        #: The columns that are read.
        self.wanted = list(dict.fromkeys([*self._features, *self.kept, *self._segments]))

    @property
    def second_class(self) -> str:
        """The name of the column with the probabilities of the second class."""
        return f"probability_{self._scorer.classes_[1]}"

    def check_two_classes(self, name: str, value: float) -> None:
        """Refuse a parameter that ranks rows by the second of two classes if the model does not have two classes."""
        if not (self._is_classifier and len(self._scorer.classes_) == 2):
            kind = f"{len(self._scorer.classes_)} classes" if self._is_classifier else "regression"
            raise ValueError(f"{option(name, value)} is for models of two classes, not of {kind}; leave it out.")

    def check(self, sources: Mapping[str, Mapping[str, pa.DataType]]) -> None:
        """Refuse inputs that lack needed columns, before any row is read.

        Parameters
        ----------
        sources : mapping of str to mapping of str to pyarrow.DataType
            The columns of each input.
        """
        for source, present in sources.items():
            self.check_names(source, list(present))
        kinds = {name: [types[name] for types in sources.values()] for name in self.kept}
        #: The type that each kept column has in the output.
        self.kept_types = {name: common_type(name, found) for name, found in kinds.items()}
        # Columns that are floats in some inputs and have another type in others.
        self._exact = {
            name
            for name, found in kinds.items()
            if len({pa.types.is_floating(kind) for kind in found if not pa.types.is_null(kind)}) > 1
        }

    @property
    def schema(self) -> pa.Schema:
        """The columns that are written; they are known after `check`."""
        scores = score_columns(self._scorer, self.model_schema.empty_table())
        written = [*self.kept_types.items(), *((name, values.type) for name, values in scores.items())]
        return pa.schema([*written, *self.doubt_schema, *self.reason_schema])

    @property
    def model_schema(self) -> pa.Schema:
        """The columns of the model, with types that hold all that it reads."""
        names = self._features.values()
        kinds = (pa.string() if known["type"] == "STRING" else pa.float64() for known in self.known.values())
        return pa.schema(list(zip(names, kinds, strict=True)))

    @property
    def doubt_schema(self) -> pa.Schema:
        """The columns of doubt."""
        return pa.schema([]) if self._doubt is None else self._doubt.schema

    @property
    def reason_schema(self) -> pa.Schema:
        """The columns of the reasons."""
        return pa.schema([]) if self._reasons is None else self._reasons.schema

    def check_names(self, source: str, present: Sequence[str]) -> None:
        """Refuse an input that lacks needed columns.

        Raises
        ------
        ValueError
            If a column is missing.
        """
        there = set(present)
        if missing := [name for name in self._features if name not in there]:
            raise ValueError(
                f"{source!r} has no column {', '.join(map(repr, missing[:5]))}, which the model needs; it has "
                f"{_first(present)}. Give a table with the columns that `tabkd inspect` shows, or map other names "
                f"with {option('column_map')}{_otherwise_delimited(present, missing)}."
            )
        check_present("keep", self.kept, source, present)
        check_present("segment", self._segments, source, present)

    def scored(self, batch: Batch, n_rejected: int, max_rejects: int) -> Scored:
        """The scores of a batch, still without reasons, and the rows that have none.

        Parameters
        ----------
        batch : Batch
            Rows of an input.
        n_rejected : int
            Number of rejects in earlier batches.
        max_rejects : int
            Maximum number of rejects of the whole job.

        Raises
        ------
        TooManyRejectsError
            If this batch exceeds the maximum.
        """
        table, rejects = batch.table, batch.rejects
        n_read = table.num_rows + len(rejects)
        check_number(n_rejected, rejects, max_rejects)
        try:
            X, scores, drift = self._scores(table, batch.is_csv)
        except Exception as error:  # unusual types and values may raise any error
            good, wrong = self._faults(batch, max_rejects - n_rejected)
            if not wrong:
                raise ValueError(f"{batch.source!r} cannot be scored: {error}") from error
            rejects = sorted([*rejects, *wrong], key=lambda reject: reject.row)
            check_number(n_rejected, rejects, max_rejects)
            table = table.filter(pa.array(good))
            batch = batch._replace(table=table, positions=batch.positions[good])
            X, scores, drift = self._scores(table, batch.is_csv)
        segments = segment_counts(self.drift, self._segments, table, X, scores)
        if self._doubt is not None:
            scores |= self._doubt.columns(as_matrix(scores))
        kept = [self._kept(batch, name) for name in self.kept]
        out = pa.Table.from_arrays([*kept, *scores.values()], names=[*self.kept, *scores])
        rows = Rows(out, rejects, None if self._reasons is None else Unexplained(np.arange(len(X)), X))
        if self._threshold is not None:
            rows = rows.filtered(scores[self.second_class].to_numpy() >= self._threshold)
        return Scored(rows, n_read, drift, segments)

    def explained(self, rows: Rows) -> Rows:
        """The rows with their reasons, if these are wanted.

        Raises
        ------
        ValueError
            If a row of the table is not among those that may get reasons.
        """
        if self._reasons is None or rows.unexplained is None:
            return rows
        if len(rows.unexplained.positions) != rows.table.num_rows:
            raise ValueError(
                f"{rows.table.num_rows:,} rows need reasons, but only {len(rows.unexplained.positions):,} of them can "
                "be explained; nothing was written."
            )
        table = rows.table
        for name, values in self._reasons.columns(rows.unexplained.X, table).items():
            table = table.append_column(name, values)
        return Rows(table, rows.rejects)

    def _kept(self, batch: Batch, name: str) -> pa.ChunkedArray:
        """A column of the input that is written next to the scores."""
        kind, exact, values = self.kept_types[name], name in self._exact, batch.table.column(name)
        try:
            return as_kept(values, kind, exact)
        except pa.ArrowException as error:
            wrong = next(failures(lambda part: as_kept(part, kind, exact), values), None)
            if wrong is None:
                raise
            row, reason = wrong
            raise ValueError(
                f"{batch.source}, row {batch.positions[row]:,}: column {name!r} is {shown(values[row].as_py())!r}, "
                f"which is not of type {kind} as in other inputs ({' '.join(str(reason).split())}). Store it with the "
                f"same type in all inputs, or leave {option('keep')} out for it."
            ) from error

    def _scores(self, table: pa.Table, is_csv: bool) -> tuple[pa.Table, dict[str, pa.Array], np.ndarray]:
        """The columns of the model, the scores and the counts of drift."""
        columns = []
        for name in self._features:
            column = table.column(name)
            if is_text(column.type):  # so that each of its values is looked at once, here and by the exported
                column = column.combine_chunks().dictionary_encode()
                if is_csv and name in self._without_empty:
                    column = _empty_as_missing(column)
            columns.append(column)
        X = pa.Table.from_arrays(columns, names=list(self._features.values()))
        scores = score_columns(self._scorer, X)
        return X, scores, self.drift.counts(X, scores) if self._counts_drift else self.drift.none

    def _faults(self, batch: Batch, most: int) -> tuple[np.ndarray, list[Reject]]:
        """Which rows of a batch can be scored, and the others, each with its first invalid value."""
        good, wrong = np.ones(batch.table.num_rows, bool), []
        for i, (name, column) in enumerate(self.known.items()):
            values = batch.table.column(name)
            find = failures_by_value if _may_fit(column, plain_type(values.type)) else failures_of_type
            found = find(lambda part, i=i: self._scorer.check_column(i, part), values, most + 1)
            for row, error in found:
                if good[row]:
                    value = shown(values[row].as_py())
                    reason = _reason(column, value, error)
                    wrong.append(Reject(batch.source, int(batch.positions[row]), name, value, reason))
                good[row] = False
            if len(wrong) > most:
                break
        return good, wrong


def stored(X: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of a model as they are stored: the types of `Columns.model_schema`, the same in all batches.

    Parameters
    ----------
    X : pyarrow.Table
        Columns of a batch that could be scored.
    schema : pyarrow.Schema
        Those of the model.
    """
    columns = zip(map(decoded, X.columns), schema.types, strict=True)
    return pa.Table.from_arrays([column.cast(kind, safe=False) for column, kind in columns], schema=schema)


def check_kept(exported: ExportedStudent, kept: Sequence[str], further: Sequence[str] = ()) -> None:
    """Refuse to keep columns that have the names of scores, or of further columns that are added.

    Raises
    ------
    ValueError
        If a kept column has such a name.
    """
    outputs = exported.metadata["n_outputs"]
    scores = {"prediction", *(f"prediction_{k}" for k in range(outputs))}
    scores |= {*(f"probability_{c}" for c in getattr(exported, "classes_", ())), *further}
    if clash := [name for name in kept if name in scores]:
        raise ValueError(f"{option('keep', clash[0])} has the name of a column of scores; rename it in the table.")


def score_columns(exported: ExportedStudent, X: TableLike | pa.Table | pa.RecordBatch) -> dict[str, pa.Array]:
    """The scores of a table as columns: the prediction and, for classes, the probability of each.

    Parameters
    ----------
    exported : ExportedStudent
        The model.
    X : table
        The rows, in any form that `ExportedStudent.predict` takes.
    """
    if exported.metadata["task"] != "classification":
        values = exported.predict(X)
        if values.ndim == 1:
            return {"prediction": _as_arrow(values)}
        return {f"prediction_{k}": _as_arrow(column) for k, column in enumerate(values.T)}
    P = exported.predict_proba(X)
    labels = pa.array(exported.classes_.tolist()).take(_as_arrow(P.argmax(axis=1)))
    return {"prediction": labels} | {f"probability_{c}": _as_arrow(P[:, k]) for k, c in enumerate(exported.classes_)}


def as_matrix(scores: Mapping[str, pa.Array]) -> np.ndarray:
    """The numbers among the columns of scores, shape (n, K): probabilities, or predictions."""
    names = [name for name in scores if name.startswith("probability_")] or list(scores)
    return np.column_stack([scores[name].to_numpy() for name in names])


def _as_arrow(numbers: np.ndarray) -> pa.Array:
    """Numbers as an Arrow array; `pa.array` would first import NumPy's masked arrays."""
    values = np.ascontiguousarray(numbers)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def _may_fit(column: Mapping, kind: pa.DataType) -> bool:
    """Whether values of a type may be right for a column of the model; text was converted by then, see `read_as`."""
    if column["type"] == "STRING":
        return is_text(kind) or pa.types.is_null(kind)
    return (pa.types.is_primitive(kind) and not pa.types.is_temporal(kind)) or pa.types.is_decimal(kind)


def _reason(column: Mapping, value: str, error: Exception) -> str:
    if column["kind"] != "numeric":
        return " ".join(str(error).split()).removesuffix(".")
    return "infinite" if value.lstrip("-") in ("inf", "Infinity") else "not a number"


def _empty_as_missing(column: pa.DictionaryArray) -> pa.DictionaryArray:
    values = column.dictionary
    values = pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)
    return pa.DictionaryArray.from_arrays(column.indices, values)


def check_present(parameter: str, names: Sequence[str], source: str, present: Sequence[str]) -> None:
    """Refuse names of a parameter that are not columns of an input.

    Raises
    ------
    ValueError
        With the first of them, and columns that the input has.
    """
    if unknown := [name for name in names if name not in set(present)]:
        raise ValueError(f"{option(parameter, unknown[0])} is not a column of {source!r}; it has {_first(present)}.")


def _first(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def _otherwise_delimited(names: Sequence[str], missing: Sequence[str]) -> str:
    """A hint at the delimiter, if the missing names are in a present name, separated by another delimiter."""
    for delimiter in DELIMITERS:
        if set(missing).issubset(part for name in names for part in name.split(delimiter)):
            return f"; is the delimiter {delimiter!r}? Then add {option('delimiter')}"
    return ""
