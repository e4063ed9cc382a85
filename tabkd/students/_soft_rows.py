"""The rows that students learn from, with soft targets: in memory or as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SoftRows:
    """Encoded rows with their targets and weights.

    Attributes
    ----------
    codes : ndarray of shape (n, d), float64
        Rows encoded by a `TableSchema`.
    targets : ndarray of shape (n, K)
        Class probabilities, or real values.
    weights : ndarray of shape (n,)
        Weights of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.students import SoftRows
    >>> rows = SoftRows(np.zeros((3, 2)), np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]]), np.ones(3))
    >>> rows.take([0, 2]).targets.tolist()
    [[0.2, 0.8], [1.0, 0.0]]
    """

    codes: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: np.ndarray) -> SoftRows:
        """The given rows in the given order.

        Parameters
        ----------
        rows : ndarray of int or bool
            Positions of rows, or a mask.

        Returns
        -------
        SoftRows
            The selected rows.
        """
        return SoftRows(self.codes[rows], self.targets[rows], self.weights[rows])

    @staticmethod
    def concatenate(parts: list[SoftRows]) -> SoftRows:
        """The rows of all parts, one part after the other.

        Parameters
        ----------
        parts : list of SoftRows
            At least one.

        Returns
        -------
        SoftRows
            All rows.
        """
        return SoftRows(
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.weights for part in parts]),
        )


class SoftStream:
    """Labelled synthetic rows, chunk by chunk; they can be read more than once.

    Parameters
    ----------
    n_rows : int, default=0
        The number of rows that one reading gives.
    chunks : iterable of SoftRows, default=()
        Gives the same chunks whenever it is iterated over.
    noise : float, default=0.0
        How far the labels of the real rows are from the teacher's answers: the squared distance, as a share of the
        spread of the answers. A student need not follow answers much more closely than they are right.
    is_optional : bool, default=False
        Whether a student that follows the teacher after the first chunk may leave the others unread.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.students import SoftRows, SoftStream
    >>> rows = SoftRows(np.zeros((3, 2)), np.ones((3, 1)), np.ones(3))
    >>> stream = SoftStream(6, [rows, rows])
    >>> [len(chunk) for chunk in stream]
    [3, 3]
    """

    def __init__(
        self, n_rows: int = 0, chunks: Iterable[SoftRows] = (), noise: float = 0.0, is_optional: bool = False
    ) -> None:
        self.n_rows, self.noise, self.is_optional = n_rows, noise, is_optional
        self._chunks = chunks

    def __iter__(self) -> Iterator[SoftRows]:
        return iter(self._chunks)

    def kept(self) -> SoftStream:
        """The same rows in memory, so that they are made and labelled only once if many students learn from them.

        Returns
        -------
        SoftStream
            Its chunks are a list.
        """
        return SoftStream(self.n_rows, list(self), self.noise, self.is_optional)

    def note(self, text: str) -> None:
        """Report what a student has decided to whoever follows the fit; this class has no listener.

        Parameters
        ----------
        text : str
            One line.
        """


def held_back(stream: SoftStream, most: int) -> tuple[SoftRows, SoftStream, SoftStream]:
    """The first rows of a stream, at most a tenth of its first chunk; the rest of this chunk; and the whole rest."""
    first = next(iter(stream))
    n = min(most, len(first) // 10)
    rest = first.take(np.arange(n, len(first)))
    return first.take(np.arange(n)), SoftStream(len(rest), [rest]), _Behind(stream, n)


class _Behind(SoftStream):
    """The rows of a stream without its first n ones, which are in its first chunk."""

    def __init__(self, stream: SoftStream, n: int) -> None:
        super().__init__(stream.n_rows - n, noise=stream.noise)
        self._stream, self._n = stream, n

    def note(self, text: str) -> None:
        self._stream.note(text)

    def __iter__(self) -> Iterator[SoftRows]:
        n = self._n
        for chunk in self._stream:
            yield chunk.take(np.arange(n, len(chunk))) if n else chunk
            n = 0


def is_simplex(targets: np.ndarray) -> bool:
    """Whether every row of `targets` (n, K) is a probability distribution over two or more classes."""
    return bool(
        targets.ndim == 2
        and targets.shape[1] > 1
        and targets.min() >= 0
        and np.allclose(targets.sum(axis=1), 1, atol=1e-4)
    )


def bounded(real: SoftRows, synthetic: SoftStream, max_rows: int, rng: np.random.RandomState) -> SoftRows:
    """The real rows and as many synthetic ones as fit, an even sample of the stream."""
    share = 1.0
    if synthetic.n_rows:
        share = min(1.0, max(0, max_rows - len(real)) / synthetic.n_rows)
    parts = [real]
    for chunk in synthetic:
        parts.append(chunk if share == 1 else chunk.take(rng.random(len(chunk)) < share))
    return SoftRows.concatenate(parts)


def log_frequencies(rows: SoftRows) -> np.ndarray:
    """The logarithms of the mean class probabilities, shape (K,): the logits of the best constant."""
    return np.log(np.clip(np.average(rows.targets, axis=0, weights=rows.weights), 1e-6, 1))
