"""The graph of an exported model: cut after what NumPy does faster, and run block by block on threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd._reasons import CONTRIBUTIONS
from tabkd._threads import n_threads
from tabkd.scoring import _wire as wire
from tabkd.scoring._facts import further_shapes, is_matrix, scores_name
from tabkd.scoring._numbers import Numbers

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from tabkd.scoring._reader import Reader

# Rows of a network at a time: few enough that the values between its layers stay in a core's cache, which makes it two
# to three times as fast as all rows at once; many enough that calls of ONNX Runtime cost little in comparison.
_NETWORK_ROWS = 512
# Trees have no layers, and score so fast that more calls would be noticeable.
_TREE_ROWS = 8192
# Numbers of an output that takes many for each row, which bound its blocks: they stay in a core's cache.
_BLOCK_VALUES = 1 << 17
# Fewest blocks of a thread: starting a thread takes about as long as scoring them.
_LEAST_BLOCKS = 4
_FLOAT, _INT64 = 1, 7


class Graph:
    """Score rows that a reader has made the inputs of the graph.

    Parameters
    ----------
    content : bytes
        The model.
    facts : dict
        The metadata of the model.
    reader : Reader
        The reader of its tables.

    Attributes
    ----------
    numbers : str
        The name of the input that takes the numbers of all columns.
    shapes : dict of str to tuple
        The shape of a row of each output.
    block_rows : dict of str to int
        The rows of a block, by output.
    uses_nothing : bool
        Whether the graph uses none of its columns; it still counts their rows.

    Raises
    ------
    Exception
        Whatever ONNX Runtime raises, and ValueError for another graph than the metadata describe.
    """

    def __init__(self, content: bytes, facts: dict[str, Any], reader: Reader):
        self._content = content
        self._main = scores_name(facts)
        self.shapes = {self._main: (facts["n_outputs"],), **further_shapes(content, facts)}
        self.numbers, self._prepared, width = _entry(facts, reader.centers)
        self._cut_at = _cut_at(facts, self.numbers, width)
        self.uses_nothing = not self._cut_at and not is_matrix(facts)
        self._inputs = list(self._cut_at) or list(dict.fromkeys(column["input"] for column in facts["columns"]))
        model = self.cut(self._main)
        self._sessions = {self._main: new_session(model)}
        self.block_rows = _block_rows(facts, model, self.shapes, self._main)
        self._try(facts, reader)

    def cut(self, output: str) -> bytes:
        """The model, reduced to the nodes that lead to one output."""
        return self._content if self.uses_nothing else wire.cut(self._content, self._cut_at, output)

    def _try(self, facts: dict[str, Any], reader: Reader) -> None:
        """Score two rows, with the first and the last row of each table: a graph that cannot be run fails here."""
        if self.uses_nothing:
            feeds = reader.nothing(2)
        else:
            columns = facts["columns"] if is_matrix(facts) else facts["values"]["columns"]
            numbers, rows = np.zeros((2, len(columns)), np.float32), reader.extreme_rows()
            feeds = {name: numbers if name == self.numbers else rows for name in self._inputs}
        scores = self._run(feeds, 0, 2, self._main)
        if scores.shape != (2, facts["n_outputs"]) or scores.dtype.kind != "f":
            raise ValueError(f"it gives {scores.shape[1:]} scores a row, not the {facts['n_outputs']} expected")

    def scores(self, feeds: dict[str, np.ndarray], output: str, n_jobs: int | None) -> np.ndarray:
        """An output for all rows, float64 of shape (n, …).

        Parameters
        ----------
        feeds : dict of str to array
            The inputs of the graph by name, others are ignored; numbers are converted here, block by block.
        output : str
            The name of the output.
        n_jobs : int or None
            Threads that share the rows.
        """
        n_rows = len(next(iter(feeds.values())))
        if output not in self._sessions:
            self._sessions[output] = new_session(self.cut(output))
        if n_rows <= self.block_rows[output]:
            return self._run(feeds, 0, n_rows, output).astype(np.float64)
        scores = np.empty((n_rows, *self.shapes[output]))
        shares = _shares(n_rows, n_threads(n_jobs), self.block_rows[output])
        if len(shares) == 1:
            self._fill(scores, feeds, shares[0], output)
            return scores
        with ThreadPoolExecutor(len(shares) - 1) as others:
            waiting = [others.submit(self._fill, scores, feeds, share, output) for share in shares[1:]]
            self._fill(scores, feeds, shares[0], output)
            for share in waiting:
                share.result()
        return scores

    def _fill(self, scores: np.ndarray, feeds: dict[str, np.ndarray], rows: range, output: str) -> None:
        """Score a range of rows, block by block."""
        for start in range(rows.start, rows.stop, self.block_rows[output]):
            stop = min(start + self.block_rows[output], rows.stop)
            scores[start:stop] = self._run(feeds, start, stop, output)

    def _run(self, feeds: dict[str, np.ndarray], start: int, stop: int, output: str) -> np.ndarray:
        """An output for the rows from `start` to before `stop`."""
        block = {name: feeds[name][start:stop] for name in self._inputs}
        if self.numbers in block:
            block[self.numbers] = self._prepared(block[self.numbers], start)
        return self._sessions[output].run([output], block)[0]


def new_session(content: bytes) -> InferenceSession:
    """A session of ONNX Runtime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Threads share the rows and not the work of a layer, so that each row stays with one core through all layers.
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _entry(facts: dict[str, Any], centers: np.ndarray | None) -> tuple[str, Numbers, int]:
    """Where numbers enter the graph, how they are prepared for it, and how many columns they have there."""
    filled = facts["filled"]
    names, positions = [column["name"] for column in facts["columns"]], facts["values"]["columns"]
    width = len(positions) + (len(filled["indicators"]) if filled else 0)
    if not is_matrix(facts):
        numbers = Numbers([names[i] for i in positions], None, centers, filled)
        return (filled or facts["values"])["name"], numbers, width
    if not filled:
        kind = np.float64 if facts["columns"][0]["type"] == "DOUBLE" else np.float32
        return "X", Numbers(names, dtype=kind), len(names)
    some = None if len(positions) == len(names) else positions
    return filled["name"], Numbers(names, some, centers, filled), width


def _cut_at(facts: dict[str, Any], numbers: str, width: int) -> dict[str, tuple[int, int]]:
    """Where the graph is cut: after the tables of the categories, and after missing numbers are filled."""
    inputs = {}
    if not is_matrix(facts) or facts["filled"]:
        inputs[numbers] = (_FLOAT, width)
    if not is_matrix(facts):
        inputs[facts["rows"]["name"]] = (_INT64, len(facts["rows"]["columns"]))
    return {name: entry for name, entry in inputs.items() if entry[1]}


def _block_rows(facts: dict[str, Any], model: bytes, outputs: Any, main: str) -> dict[str, int]:
    trees = any(node.type == "TreeEnsembleRegressor" for node in wire.nodes(model))
    found = dict.fromkeys(outputs, _TREE_ROWS if trees else _NETWORK_ROWS)
    if CONTRIBUTIONS in facts:
        found[CONTRIBUTIONS] = min(max(1, _BLOCK_VALUES // facts[CONTRIBUTIONS]["values_per_row"]), found[main])
    return found


def _shares(n_rows: int, most: int, block_rows: int) -> list[range]:
    """Ranges of whole blocks, one for each thread that gets enough blocks."""
    n_blocks = -(-n_rows // block_rows)
    n_shares = max(1, min(most, n_blocks // _LEAST_BLOCKS))
    edges = [n_blocks * i // n_shares * block_rows for i in range(n_shares)] + [n_rows]
    return [range(start, stop) for start, stop in pairwise(edges)]
