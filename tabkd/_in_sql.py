"""A distilled estimator as SQL."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tabkd.scoring import ExportedStudent

if TYPE_CHECKING:
    from onnx import ModelProto


class InSql:
    """Writes a student as SQL."""

    @abstractmethod
    def to_onnx(self, *, contributions: bool = False) -> ModelProto:
        """Export the student."""

    def to_sql(
        self,
        dialect: str,
        *,
        table: str = "data",
        keep: Sequence[str] = (),
        column_map: Mapping[str, str] | None = None,
        reasons: int = 0,
    ) -> str:
        """Write the student as one SELECT over the raw columns of a table, and prove it.

        The student is exported first, so that the statement is proved against the file that `to_onnx` writes; see
        `ExportedStudent.to_sql`.

        Parameters
        ----------
        dialect : {"duckdb", "sqlite", "postgres", "spark", "snowflake", "bigquery", "tsql"}
            The dialect of SQL.
        table : str, default="data"
            The table, as a statement in this dialect names it: with its schema, and with quotes if it needs them.
        keep : sequence of str, default=()
            Columns of the table to give next to the scores, such as its key.
        column_map : mapping of str to str, optional
            For a column of the model, its name in the table. Names are quoted, so case matters if the database
            distinguishes it.
        reasons : int, default=0
            Number of reasons to give for each row, of a model with contributions: the columns that pushed its score up
            most, in "reason_1" and so on, and by how much, in "contribution_1" and so on, as `tabkd score` gives them.
            They are NULL where fewer columns pushed it up.

        Returns
        -------
        str
            The statement, with comments at its head and without a semicolon.

        Raises
        ------
        ModuleNotFoundError
            If sqlglot or onnx is not installed.
        ImportError
            If sqlglot is too old.
        NotImplementedError
            If the student cannot be converted to ONNX, or SQL cannot run the graph; the message names the operators.
        RuntimeError
            If ONNX Runtime does not reproduce the student, or the database gives another score, label or reason; the
            message has the row.
        TypeError
            If `keep` is a text.
        ValueError
            For unknown dialects, names that are not a table, unknown columns, names of scores in `keep`, columns of the
            model whose names are the same in the database, and reasons of a model that has none or fewer.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from tabkd import DistilledClassifier
        >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
        >>> teacher = DecisionTreeClassifier(max_depth=3, random_state=0)
        >>> model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0).fit(X, y)
        >>> print(model.to_sql("sqlite", table="patients"))
        -- Classification by a student of tabkd ...
        """
        exported = ExportedStudent(self.to_onnx(contributions=bool(reasons)).SerializeToString())
        return exported.to_sql(dialect, table=table, keep=keep, column_map=column_map, reasons=reasons)
