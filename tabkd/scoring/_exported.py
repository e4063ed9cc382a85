"""Scoring with an exported student, which needs only ONNX Runtime and NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd._reasons import CONTRIBUTIONS
from tabkd._tables.containers import as_table
from tabkd._threads import check_n_jobs
from tabkd.scoring._arrow_columns import is_arrow
from tabkd.scoring._contributions import as_explanation
from tabkd.scoring._facts import category_tables, is_matrix, read_facts, scores_name, unreadable
from tabkd.scoring._graph import Graph
from tabkd.scoring._reader import Reader
from tabkd.scoring._rows import are_rows

if TYPE_CHECKING:
    import pyarrow as pa


class ExportedStudent:
    """A distilled student, read from its ONNX file by `tabkd.load`.

    Parameters
    ----------
    content : bytes
        An ONNX model that tabkd wrote.
    n_jobs : int, optional
        Threads that share the rows of a large batch: None and -1 for all cores, -2 for all but one, and so on.
    source : str, default="the model"
        The name of the model in errors.

    Attributes
    ----------
    classes_ : array of shape (K,)
        The labels, in the order of the columns of `predict_proba`; classification only.
    feature_names_in_ : array of shape (d,)
        The names of the columns; x0, x1, … if the table at fit was an array.
    n_features_in_ : int
        The number d of columns.
    content : bytes
        The model.
    n_bytes : int
        Its size.
    further_outputs_ : dict of str to int or tuple of int
        The number of columns of each output that the student has besides its scores, by name, or the shape of a row;
        see `output`.
    metadata : dict
        The metadata of the model: task, columns, teacher, version and so on.

    Raises
    ------
    ValueError
        If the bytes are not an ONNX model that tabkd wrote, or the model is damaged, has weights in other files,
        operators that no student has, or metadata that do not fit the graph.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from tabkd import DistilledClassifier, ExportedStudent
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> teacher = DecisionTreeClassifier(max_depth=3, random_state=0)
    >>> model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0).fit(X, y)
    >>> exported = ExportedStudent(model.to_onnx().SerializeToString())
    >>> exported.predict_proba(X[:5]).shape
    (5, 2)
    """

    def __init__(self, content: bytes, n_jobs: int | None = None, *, source: str = "the model"):
        check_n_jobs(n_jobs)
        self.content, self.n_jobs, self._source = bytes(content), n_jobs, source
        self._open()

    def _open(self) -> None:
        self.metadata = facts = read_facts(self.content, self._source)
        self.n_bytes = len(self.content)
        self.n_features_in_ = len(facts["columns"])
        names = [f"x{c['name']}" if facts["container"] == "numpy" else c["name"] for c in facts["columns"]]
        self.feature_names_in_ = np.array(names, dtype=object)
        self._output = scores_name(facts)
        if facts["task"] == "classification":
            self.classes_ = _classes(facts)
        self._is_single, self._rows_name = is_matrix(facts), facts["rows"].get("name")
        try:
            tables = [] if self._is_single else category_tables(self.content, facts)
            self._reader = Reader(facts, tables)
            self._plain_row = self._reader.plain_row(as_matrix=self._is_single)
            self._graph = Graph(self.content, facts, self._reader)
        except Exception as error:  # the errors of ONNX Runtime have no narrower base class than Exception
            raise unreadable(self._source, error) from error
        for (categories, _), i in zip(tables, facts["rows"]["columns"], strict=True):
            facts["columns"][i]["categories"] = categories
        further = {name: shape for name, shape in self._graph.shapes.items() if name != self._output}
        self.further_outputs_ = {name: shape[0] if len(shape) == 1 else shape for name, shape in further.items()}

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, float64 of shape (n, K).

        Parameters
        ----------
        X : pandas or polars frame, Arrow table or batch, array of shape (n, d), dict or list of dicts
            The columns that the model was fitted on. Named columns may be in any order, and others are ignored; an
            array has exactly these columns, in order. A dict of single values is one row, a dict of lists or arrays of
            equal length holds columns, and a list of dicts holds rows; None is a missing value.

        Returns
        -------
        array of shape (n, K), float64
            The classes are in the order of `classes_`.

        Raises
        ------
        AttributeError
            For a regressor.
        ValueError
            For missing columns, infinite values and wrong types, with the name of the column.
        """
        self._check_has_classes("predict_proba; use predict")
        return self._scores(X)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class, or the value, of each row.

        Parameters
        ----------
        X : pandas or polars frame, Arrow table or batch, array of shape (n, d), dict or list of dicts
            The rows, as for `predict_proba`.

        Returns
        -------
        array of shape (n,) or (n, K)
            Labels, or float64 predictions; (n, K) where there were several targets at fit.

        Raises
        ------
        ValueError
            For missing columns, infinite values and wrong types, with the name of the column.
        """
        scores = self._scores(X)
        if self.metadata["task"] == "classification":
            return self.classes_[scores.argmax(axis=1)]
        return scores[:, 0] if self.metadata["one_dimensional"] else scores

    def predict_proba_one(self, row: Mapping[Any, Any]) -> dict[Any, float]:
        """The probability of each class for one row, by its label.

        This suits a service, which has a row as a dict and answers in JSON. The probabilities are those of
        `predict_proba`, without the array.

        Parameters
        ----------
        row : dict
            Name to value, as for `predict_proba`; one value for each name.

        Returns
        -------
        dict of label to float
            In the order of `classes_`.

        Raises
        ------
        AttributeError
            For a regressor.
        TypeError
            If the row is not a dict.
        ValueError
            For missing columns, infinite values and wrong types, with the name of the column.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from tabkd import DistilledClassifier, ExportedStudent
        >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
        >>> teacher = DecisionTreeClassifier(max_depth=3, random_state=0)
        >>> model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0).fit(X, y)
        >>> exported = ExportedStudent(model.to_onnx().SerializeToString())
        >>> sorted(exported.predict_proba_one(dict(X.iloc[0])))
        [0, 1]
        """
        self._check_has_classes("predict_proba_one; use predict_one")
        return dict(zip(self.classes_.tolist(), self._scores_of_one(row), strict=True))

    def predict_one(self, row: Mapping[Any, Any]) -> Any:
        """The most probable class, or the value, of one row.

        Parameters
        ----------
        row : dict
            Name to value, as for `predict_proba_one`.

        Returns
        -------
        label, float or list of float
            What `predict` gives for the row, as a value of Python; a list where there were several targets at fit.

        Raises
        ------
        TypeError
            If the row is not a dict.
        ValueError
            For missing columns, infinite values and wrong types, with the name of the column.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.tree import DecisionTreeRegressor
        >>> from tabkd import DistilledRegressor, ExportedStudent
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
        >>> teacher = DecisionTreeRegressor(max_depth=3, random_state=0)
        >>> model = DistilledRegressor(teacher, student="tree", n_synthetic=1000, random_state=0).fit(X, y)
        >>> exported = ExportedStudent(model.to_onnx().SerializeToString())
        >>> bool(exported.predict_one(dict(X.iloc[0])) == exported.predict(X[:1])[0])
        True
        """
        scores = self._scores_of_one(row)
        if self.metadata["task"] == "classification":
            return self.classes_.tolist()[scores.index(max(scores))]
        return scores[0] if self.metadata["one_dimensional"] else scores

    def output(self, X: Any, name: str) -> np.ndarray:
        """An output of the student besides its scores, for each row.

        Parameters
        ----------
        X : pandas or polars frame, Arrow table or batch, array of shape (n, d), dict or list of dicts
            The rows, as for `predict_proba`.
        name : str
            One of `further_outputs_`.

        Returns
        -------
        array of shape (n, width) or (n, k, width), float64
            The output of each row.

        Raises
        ------
        ValueError
            If the student has no such output.
        """
        if name not in self.further_outputs_:
            known = list(self.further_outputs_)
            raise ValueError(
                f"name is {name!r}, but the further outputs of {self._source} are {known}; give one of them."
            )
        return self._scores(X, name)

    def contributions(self, X: Any) -> Any:
        """How much each column contributes to the scores of each row.

        They are Shapley values of the student, in log-odds of the second class, for more classes in log-probabilities
        minus their mean over the classes, and for regression in units of the target, or on the scale of the link in the
        metadata. The sum of a row's contributions and its base value is its score. A prediction that is raised to the
        least value in the metadata is above that sum.

        Parameters
        ----------
        X : pandas or polars frame, Arrow table or batch, array of shape (n, d), dict or list of dicts
            The rows, as for `predict_proba`.

        Returns
        -------
        Contributions or shap.Explanation
            With `values` of shape (n, d), `base_values` of shape (n,), `data` and `feature_names`; for more than two
            classes and for several targets `values` of shape (n, d, K) and `base_values` of shape (n, K). It is a
            `shap.Explanation`, which the plots of shap take, if shap is imported.

        Raises
        ------
        ValueError
            If the file has no contributions; for missing columns, infinite values and wrong types.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from tabkd import DistilledClassifier, ExportedStudent
        >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
        >>> teacher = DecisionTreeClassifier(max_depth=3, random_state=0)
        >>> model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0).fit(X, y)
        >>> exported = ExportedStudent(model.to_onnx(contributions=True).SerializeToString())
        >>> exported.contributions(X[:5]).values.shape
        (5, 30)
        """
        if CONTRIBUTIONS not in self.metadata:
            raise ValueError(
                f"{self._source} has no contributions. Write it again with model.to_onnx(path, contributions=True) or "
                "`tabkd distill --contributions`."
            )
        if not (are_rows(X) or is_arrow(X)):
            X = as_table(X)
        values = self.output(X, CONTRIBUTIONS)
        baseline = np.array(self.metadata[CONTRIBUTIONS]["baseline"], dtype=np.float64)
        data = self._reader.data(self._reader.rows(X) if are_rows(X) else X)
        outputs = [str(label) for label in self.classes_] if self.metadata["task"] == "classification" else None
        names = [str(name) for name in self.feature_names_in_]
        return as_explanation(values.reshape(len(values), len(baseline), len(names)), baseline, data, names, outputs)

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

        The statement gives the columns that `tabkd score` writes: `prediction` and, for classification, a
        `probability_…` for each class. NULL and NaN are missing values, and unseen categories are scored as in the
        file. A database computes in doubles what ONNX Runtime computes in float32, so scores agree to about six digits;
        a value close to the threshold of a tree takes the same branch. Infinite numbers, which `predict` refuses, count
        as the largest ones.

        The text is returned only if a database reproduces this student on rows of every kind. DuckDB and SQLite run the
        statement on a table in memory; for the other dialects the text is parsed back, and the same statement is run in
        DuckDB, or in SQLite if DuckDB is not installed. Comments at its head say what was compared.

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
            If SQL cannot run the graph; the message names the operators.
        RuntimeError
            If the database gives another score, label or reason; the message has the row.
        TypeError
            If `keep` is a text.
        ValueError
            For unknown dialects, names that are not a table, unknown columns, names of scores in `keep`, columns of the
            model whose names are the same in the database, and reasons of a model that has none or fewer.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from tabkd import DistilledClassifier, ExportedStudent
        >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
        >>> teacher = DecisionTreeClassifier(max_depth=3, random_state=0)
        >>> model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0).fit(X, y)
        >>> exported = ExportedStudent(model.to_onnx().SerializeToString())
        >>> print(exported.to_sql("sqlite", table="patients"))
        -- Classification by a student of tabkd ...
        """
        from tabkd._sql import written

        tables = [] if self._is_single else category_tables(self.content, self.metadata)
        how = dialect, table, keep, column_map or {}, reasons
        return written(self.content, self.metadata, tables, self._scores, *how)

    def check_column(self, i: int, values: pa.Array | pa.ChunkedArray) -> None:
        """Refuse values that the model's column `i`, counted from 0, cannot have.

        Parameters
        ----------
        i : int
            The position of the column.
        values : pyarrow.Array or ChunkedArray
            Some of its values.

        Raises
        ------
        ValueError, TypeError
            For infinite numbers, values that are not numbers, and categories of another type.
        """
        self._reader.check_column(i, values)

    def _check_has_classes(self, instead: str) -> None:
        if self.metadata["task"] != "classification":
            raise AttributeError(f"{self._source} is a regressor and has no {instead}.")

    def _scores(self, X: Any, output: str | None = None) -> np.ndarray:
        """An output for all rows, float64 of shape (n, width); by default the scores."""
        output = output or self._output
        feeds = self._plain_feeds(X)
        if feeds is None:
            if are_rows(X):
                X = self._reader.rows(X)
            elif not is_arrow(X):
                X = as_table(X)
            if X.shape[0] == 0:
                self._reader.check_names(X)
                return np.empty((0, *self._graph.shapes[output]))
            feeds = self._feeds(X)
        return self._graph.scores(feeds, output, self.n_jobs)

    def _scores_of_one(self, row: Mapping[Any, Any]) -> list[float]:
        """The scores of a row."""
        if not isinstance(row, Mapping):
            raise TypeError(
                f"row is of type {type(row).__name__}, where a dict of name to value was expected. Give several rows, "
                "arrays and frames to predict_proba or predict."
            )
        # In a list, because a dict of sequences alone would be a table.
        feeds = self._plain_feeds(row) or self._feeds(self._reader.rows([row]))
        return self._graph.scores(feeds, self._output, self.n_jobs)[0].tolist()

    def _plain_feeds(self, X: Any) -> dict[str, np.ndarray] | None:
        """The inputs of the graph for a matrix or a dict that need not be read as a table; None for any other."""
        if isinstance(X, dict):
            plain = None if self._graph.uses_nothing else self._plain_row(X)
            return None if plain is None else self._named(*plain)
        if (
            self._is_single
            and type(X) is np.ndarray
            and X.dtype.kind in "fiub"
            and X.ndim == 2
            and len(X) > 0
            and X.shape[1] == self.n_features_in_
        ):
            return {self._graph.numbers: X}
        return None

    def _feeds(self, X: Any) -> dict[str, np.ndarray]:
        """The inputs of the graph for all rows, except that their numbers have yet to be prepared."""
        if self._graph.uses_nothing:
            return self._reader.nothing(self._reader.n_rows(X))
        if self._is_single:
            return {self._graph.numbers: self._reader.matrix(X)}
        return self._named(*self._reader.tensors(X))

    def _named(self, numbers: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {self._graph.numbers: numbers, self._rows_name: rows}

    def __getstate__(self) -> dict[str, Any]:
        return {"content": self.content, "n_jobs": self.n_jobs, "source": self._source}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.content, self.n_jobs, self._source = state["content"], state["n_jobs"], state["source"]
        self._open()

    def __repr__(self) -> str:
        facts = self.metadata
        return f"<ExportedStudent: {facts['task']}, {self.n_features_in_} columns, {self.n_bytes / 1000:.1f} KB>"


def _classes(facts: dict[str, Any]) -> np.ndarray:
    dtypes = {"i": np.int64, "u": np.uint64, "f": np.float64, "b": np.bool_, "O": object}
    # Strings take the width that they need.
    return np.array(facts["classes"], dtype=dtypes.get(facts["classes_dtype"]))
