"""The doubt of each score: how far the teacher's answer may be from it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tabkd._doubt import banded, doubts
from tabkd._options import option
from tabkd.scoring import ExportedStudent


class Doubt:
    """Finds the doubt of scores, and those that are doubtful.

    Parameters
    ----------
    exported : ExportedStudent
        The model, whose doubt was measured.
    most : float
        Largest doubt of a score that is not doubtful.

    Raises
    ------
    ValueError
        If the doubt of the model was not measured, or `most` is negative.
    """

    #: The columns that are added to the scores.
    schema = pa.schema([("doubt", pa.float64()), ("doubtful", pa.bool_())])

    def __init__(self, exported: ExportedStudent, most: float):
        if not (isinstance(most, (int, float, np.number)) and most >= 0):
            raise ValueError(f"{option('max_doubt')} is {most!r}; expected a number from 0.")
        if exported.metadata.get("doubt") is None:
            raise ValueError(
                f"{option('max_doubt', most)} needs a model whose distance from its teacher was measured. Before "
                "to_onnx(path), call model.measure_doubt(X) with rows that it was not fitted on, or give to_onnx a "
                "report; `tabkd distill` does so."
            )
        self._facts, self._task, self._most = exported.metadata["doubt"], exported.metadata["task"], most

    def columns(self, scores: np.ndarray) -> dict[str, pa.Array]:
        """The columns of `schema`; a score whose band has no point is doubtful, too.

        Parameters
        ----------
        scores : ndarray of shape (n, K)
            Probabilities of the classes, or predictions.
        """
        doubt = doubts(self._facts, banded(scores, self._task))
        values = [pa.array(doubt, mask=np.isnan(doubt)), pa.array(~(doubt <= self._most))]
        return dict(zip(self.schema.names, values, strict=True))
