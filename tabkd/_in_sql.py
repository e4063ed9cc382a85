"""A distilled estimator as SQL."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tabkd.scoring import ExportedStudent

if TYPE_CHECKING:
    from onnx import ModelProto


class InSql:
    """What writes a student as SQL."""

    @abstractmethod
    def to_onnx(self) -> ModelProto:
        """Export the student."""

    def to_sql(
        self,
        dialect: str,
        *,
        table: str = "data",
        keep: Sequence[str] = (),
        column_map: Mapping[str, str] | None = None,
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
            For a column of the model, its name in the table.

        Returns
        -------
        str
            The statement, with comments at its head and without a semicolon.

        Raises
        ------
        ModuleNotFoundError
            If sqlglot is not installed.
        NotImplementedError
            If the student cannot be converted.
        RuntimeError
            If ONNX Runtime or the database does not reproduce the student.
        ValueError
            For unknown dialects, names that are no table, unknown columns, and names of scores in `keep`.

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
        exported = ExportedStudent(self.to_onnx().SerializeToString())
        return exported.to_sql(dialect, table=table, keep=keep, column_map=column_map)
