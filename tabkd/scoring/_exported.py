"""Scoring with an exported student: ONNX Runtime and NumPy are all it needs."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd._tables.containers import as_table
from tabkd._threads import check_n_jobs, n_threads
from tabkd.scoring import _wire as wire
from tabkd.scoring._arrow_columns import is_arrow
from tabkd.scoring._contributions import CONTRIBUTIONS, as_explanation
from tabkd.scoring._facts import category_tables, further_shapes, is_matrix, read_facts, scores_name, unreadable
from tabkd.scoring._numbers import Numbers
from tabkd.scoring._reader import Reader
from tabkd.scoring._rows import are_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from onnxruntime import InferenceSession

# Rows of a network at a time: few enough that the values between its layers stay in a core's own cache, which makes it
# two to three times as fast as all rows at once; many enough that calls of ONNX Runtime cost little in comparison.
_NETWORK_ROWS = 512
# Trees have no layers, and score so fast that more calls would be noticeable.
_TREE_ROWS = 8192
# Numbers of an output that takes many for each row, which bound its blocks: they stay in a core's own cache.
_BLOCK_VALUES = 1 << 17
# Fewest blocks of a thread: starting a thread takes about as long as scoring them.
_LEAST_BLOCKS = 4
_FLOAT, _INT64 = 1, 7
# ONNX is stored as a Protocol Buffers message, which cannot be larger.
_MOST_BYTES = 2**31


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
        The names of the columns; x0, x1, … where the table at fit was an array.
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
        further = further_shapes(self.content, facts)
        self.further_outputs_ = {name: shape[0] if len(shape) == 1 else shape for name, shape in further.items()}
        self._shapes = {self._output: (facts["n_outputs"],), **further}
        self._single = is_matrix(facts)
        try:
            self._prepare()
            graph = self._graph(self._output)
            self._sessions = {self._output: _session(graph)}
            trees = any(node.type == "TreeEnsembleRegressor" for node in wire.nodes(graph))
            self._block_rows = dict.fromkeys(self._shapes, _TREE_ROWS if trees else _NETWORK_ROWS)
            if CONTRIBUTIONS in facts:
                rows = _BLOCK_VALUES // facts[CONTRIBUTIONS]["values_per_row"]
                self._block_rows[CONTRIBUTIONS] = min(max(1, rows), self._block_rows[self._output])
            self._try()
        except Exception as error:  # the errors of ONNX Runtime have no narrower base class than Exception
            raise unreadable(self._source, error) from error

    def _prepare(self) -> None:
        """Find the tables of the categories, and cut the graph after them and after missing numbers are filled."""
        facts = self.metadata
        tables = [] if self._single else category_tables(self.content, facts)
        self._reader = Reader(facts, tables)
        for (categories, _), i in zip(tables, facts["rows"]["columns"], strict=True):
            facts["columns"][i]["categories"] = categories
        self._numbers_name, self._numbers, width = self._entry()
        inputs = {}
        if not self._single or facts["filled"]:
            inputs[self._numbers_name] = (_FLOAT, width)
        if not self._single:
            inputs[facts["rows"]["name"]] = (_INT64, len(tables))
        inputs = {name: entry for name, entry in inputs.items() if entry[1]}
        self._inputs = ["X"] if self._single and not inputs else list(inputs)
        # A graph that uses none of its columns still counts their rows.
        self._says_nothing = not self._inputs
        self._cut_at = inputs

    def _graph(self, output: str) -> bytes:
        """The model, reduced to the nodes that lead to one output."""
        return self.content if self._says_nothing else wire.cut(self.content, self._cut_at, output)

    def _try(self) -> None:
        """Score two rows, with the first and the last row of each table: a graph that cannot be run fails here."""
        if self._says_nothing:
            feeds = self._reader.nothing(2)
        else:
            width = self.n_features_in_ if self._single else len(self.metadata["values"]["columns"])
            rows = self._reader.extreme_rows()
            numbers = np.zeros((2, width), np.float32)
            feeds = self._block({name: rows if name != self._numbers_name else numbers for name in self._inputs}, 0, 2)
        scores = self._run(feeds, self._output)
        if scores.shape != (2, self.metadata["n_outputs"]) or scores.dtype.kind != "f":
            raise ValueError(f"it gives {scores.shape[1:]} scores a row, not the {self.metadata['n_outputs']} expected")

    def _entry(self) -> tuple[str, Numbers, int]:
        """Where numbers enter the graph, how they are prepared for it, and how many columns they have there."""
        facts, filled = self.metadata, self.metadata["filled"]
        names, positions = [column["name"] for column in facts["columns"]], facts["values"]["columns"]
        width = len(positions) + (len(filled["indicators"]) if filled else 0)
        if not self._single:
            numbers = Numbers([names[i] for i in positions], None, self._reader.centers, filled)
            return (filled or facts["values"])["name"], numbers, width
        if not filled:
            kind = np.float64 if facts["columns"][0]["type"] == "DOUBLE" else np.float32
            return "X", Numbers(names, dtype=kind), len(names)
        some = None if len(positions) == len(names) else positions
        return filled["name"], Numbers(names, some, self._reader.centers, filled), width

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
        if self.metadata["task"] != "classification":
            raise AttributeError(f"{self._source} is a regressor and has no predict_proba; use predict.")
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
        if name not in self._sessions:
            self._sessions[name] = _session(self._graph(name))
        return self._scores(X, name)

    def contributions(self, X: Any) -> Any:
        """How much each column contributes to the scores of each row.

        They are Shapley values of the student, in log-odds of the second class, for more classes in log-probabilities
        minus their mean over the classes, and for regression in units of the target, or on the scale of the link in the
        metadata. The sum of a row's contributions and its base value is its score. A prediction that the least value in
        the metadata lifts is above that sum.

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
                f"{self._source} has no contributions. Write it again by model.to_onnx(path, contributions=True) or "
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

    def _scores(self, X: Any, output: str | None = None) -> np.ndarray:
        """An output for all rows, float64 of shape (n, width); by default the scores."""
        output = output or self._output
        block_rows = self._block_rows[output]
        if self._is_matrix(X) and 0 < len(X) <= block_rows:
            # A shortcut, because reading a table of one row takes longer than scoring it.
            return self._run({self._numbers_name: self._numbers(X)}, output).astype(np.float64)
        if are_rows(X):
            X = self._reader.rows(X)
        elif not is_arrow(X):
            X = as_table(X)
        n_rows = X.shape[0]
        if n_rows == 0:
            return self._scores_of_none(X, output)
        feeds = self._feeds(X)
        if n_rows <= block_rows:
            return self._run(self._block(feeds, 0, n_rows), output).astype(np.float64)
        scores = np.empty((n_rows, *self._shapes[output]))
        shares = _shares(n_rows, n_threads(self.n_jobs), block_rows)
        if len(shares) == 1:
            self._fill(scores, feeds, shares[0], output)
            return scores
        with ThreadPoolExecutor(len(shares) - 1) as others:
            waiting = [others.submit(self._fill, scores, feeds, share, output) for share in shares[1:]]
            self._fill(scores, feeds, shares[0], output)
            for share in waiting:
                share.result()
        return scores

    def _is_matrix(self, X: Any) -> bool:
        """Whether `X` is already the matrix that a model of numeric columns takes."""
        return (
            self._single
            and type(X) is np.ndarray
            and X.dtype.kind in "fiub"
            and X.ndim == 2
            and X.shape[1] == self.n_features_in_
        )

    def _fill(self, scores: np.ndarray, feeds: dict[str, np.ndarray], rows: range, output: str) -> None:
        """Score a range of rows, block by block."""
        for start in range(rows.start, rows.stop, self._block_rows[output]):
            stop = min(start + self._block_rows[output], rows.stop)
            scores[start:stop] = self._run(self._block(feeds, start, stop), output)

    def _block(self, feeds: dict[str, np.ndarray], start: int, stop: int) -> dict[str, np.ndarray]:
        """The inputs of the graph for the rows from `start` to before `stop`."""
        block = {name: part[start:stop] for name, part in feeds.items()}
        if self._numbers_name in block:
            block[self._numbers_name] = self._numbers(block[self._numbers_name], start)
        return block

    def _run(self, feeds: dict[str, np.ndarray], output: str) -> np.ndarray:
        return self._sessions[output].run([output], feeds)[0]

    def _feeds(self, X: Any) -> dict[str, np.ndarray]:
        """The inputs of the graph for all rows, except that `Numbers` has yet to convert each block."""
        if self._says_nothing:
            return self._reader.nothing(self._reader.n_rows(X))
        if self._single:
            return {self._numbers_name: self._reader.matrix(X)}
        values, rows = self._reader.tensors(X)
        feeds = {self._numbers_name: values, self.metadata["rows"]["name"]: rows}
        return {name: feeds[name] for name in self._inputs}

    def _scores_of_none(self, X: Any, output: str) -> np.ndarray:
        """The result for a table without rows, whose columns are checked nevertheless."""
        self._reader.check_names(X)
        return np.empty((0, *self._shapes[output]))

    def __getstate__(self) -> dict[str, Any]:
        return {"content": self.content, "n_jobs": self.n_jobs, "source": self._source}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.content, self.n_jobs, self._source = state["content"], state["n_jobs"], state["source"]
        self._open()

    def __repr__(self) -> str:
        facts = self.metadata
        return f"<ExportedStudent: {facts['task']}, {self.n_features_in_} columns, {self.n_bytes / 1000:.1f} KB>"


def load(path: str | os.PathLike, n_jobs: int | None = None) -> ExportedStudent:
    """Load a student that `to_onnx` wrote.

    Parameters
    ----------
    path : str or path-like
        The ONNX file.
    n_jobs : int, optional
        Threads that share the rows of a large batch: None and -1 for all cores, -2 for all but one, and so on.

    Returns
    -------
    ExportedStudent
        With `predict`, `predict_proba` and `classes_`, for frames and arrays.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the path is a folder, a pipe or a device, or the file was not written by tabkd.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from tabkd import DistilledClassifier, load
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> teacher = DecisionTreeClassifier(max_depth=3, random_state=0)
    >>> model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     proto = model.to_onnx(Path(folder) / "student.onnx")
    ...     exported = load(Path(folder) / "student.onnx")
    >>> bool((exported.predict(X) == model.predict(X)).all())
    True
    """
    path = Path(path)
    try:
        _check_kind(path)
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            errno.ENOENT, "There is no such file; write one by model.to_onnx(path)", str(path)
        ) from None
    return ExportedStudent(content, n_jobs, source=repr(str(path)))


def _check_kind(path: Path) -> None:
    """Refuse a file without an end, or too large for the memory, before it is read."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise ValueError(f"{str(path)!r} is a folder; give the .onnx file in it.")
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{str(path)!r} is a pipe, socket or device; give an .onnx file.")
    if found.st_size > _MOST_BYTES:
        raise ValueError(
            f"{str(path)!r} has {found.st_size:,} bytes, more than any ONNX file can have; give what "
            "model.to_onnx(path) wrote."
        )


def _classes(facts: dict[str, Any]) -> np.ndarray:
    dtypes = {"i": np.int64, "u": np.uint64, "f": np.float64, "b": np.bool_, "O": object}
    # Strings take the width that they need.
    return np.array(facts["classes"], dtype=dtypes.get(facts["classes_dtype"]))


def _session(content: bytes) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Threads share the rows and not the work of a layer, so that each row stays with one core through all layers.
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _shares(n_rows: int, most: int, block_rows: int) -> list[range]:
    """Ranges of whole blocks, one for each thread that gets enough blocks."""
    n_blocks = -(-n_rows // block_rows)
    n_shares = max(1, min(most, n_blocks // _LEAST_BLOCKS))
    edges = [n_blocks * i // n_shares * block_rows for i in range(n_shares)] + [n_rows]
    return [range(start, stop) for start, stop in pairwise(edges)]
