"""The options of a job that every engine shares, checked together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from tabkd._options import option
from tabkd._version import __version__
from tabkd.batch._dialect import PLAIN, Dialect
from tabkd.batch._doubtful import Doubt
from tabkd.batch._reasons import ReasonOptions, Reasons
from tabkd.batch._scored import Columns
from tabkd.scoring import ExportedStudent


@dataclass(frozen=True)
class Options:
    """The options that do not depend on where a job runs; see `tabkd.batch.score_dataset`.

    Attributes
    ----------
    keep, partition_by : sequence of str
        Columns of the input to write next to the scores, and columns whose values get separate folders.
    column_map : mapping of str to str
        For a column of the model, its name in the input.
    threshold, top_fraction : float or None
        The two ways to write only the rows with the highest probabilities of the second class.
    max_rejects : int
        Maximum number of rejected rows.
    dialect : Dialect
        The format of CSV files.
    reasons : ReasonOptions
        The reasons of each row.
    max_doubt : float or None
        Largest doubt of a score that is not doubtful; None for no columns of doubt.
    segment : sequence of str
        Columns of the input for each level of which drift is counted, too.

    Raises
    ------
    ValueError
        If a number is out of its range, or alerts are chosen in two ways.
    """

    keep: Sequence[str] = ()
    column_map: Mapping[str, str] = field(default_factory=dict)
    threshold: float | None = None
    top_fraction: float | None = None
    max_rejects: int = 0
    partition_by: Sequence[str] = ()
    dialect: Dialect = PLAIN
    reasons: ReasonOptions = field(default_factory=ReasonOptions)
    max_doubt: float | None = None
    segment: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "partition_by", tuple(dict.fromkeys(self.partition_by)))
        for name in ("threshold", "top_fraction", "max_rejects", "max_doubt"):
            if isinstance(given := getattr(self, name), np.generic):  # which JSON does not hold
                object.__setattr__(self, name, given.item())
        check_least("max_rejects", self.max_rejects, 0)
        check_segment(self.segment)
        for name in ("threshold", "top_fraction"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"{option(name)} is {share}; expected a number from 0 to 1.")
        if self.threshold is not None and self.top_fraction is not None:
            raise ValueError(
                f"{option('threshold')} and {option('top_fraction')} are two ways to choose alerts; give one of them."
            )

    def columns(self, exported: ExportedStudent) -> Columns:
        """The columns that the job reads and writes.

        Raises
        ------
        ValueError
            If the model has no such columns, alerts are chosen and it does not have two classes, or it does not have
            the wanted reasons or doubt.
        """
        kept, added = [*self.keep, *self.partition_by], extras(exported, self.reasons, self.max_doubt)
        columns = Columns(exported, kept, self.column_map, self.threshold, segment=self.segment, **added)
        if self.top_fraction is not None:
            columns.check_two_classes("top_fraction", self.top_fraction)
        return columns

    def identity(self, exported: ExportedStudent, inputs: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
        """Everything that identifies a job: a job with any difference must not continue this one.

        Parameters
        ----------
        exported : ExportedStudent
            The model.
        inputs : sequence of mapping
            The state of each input, as JSON values.
        **more
            Further parts of the identity that only one engine has.
        """
        import onnxruntime

        return {
            # The libraries as well: their next version may cut files into other batches.
            "version": [__version__, pa.__version__, onnxruntime.__version__],
            "model": hashlib.sha256(exported.content).hexdigest(),
            "input": list(inputs),
            "keep": list(dict.fromkeys([*self.keep, *self.partition_by])),
            "column_map": dict(self.column_map),
            "threshold": self.threshold,
            "top_fraction": self.top_fraction,
            **asdict(self.dialect),
            **self.reasons.identity(),
            "max_doubt": self.max_doubt,
            "segment": list(self.segment),
            **more,
        }


def extras(exported: ExportedStudent, reasons: ReasonOptions, max_doubt: float | None) -> dict[str, Any]:
    """The columns that `Columns` adds to the scores of a model.

    Raises
    ------
    ValueError
        If the model has no contributions, its doubt was not measured, or an option does not fit it.
    """
    return {
        "reasons": Reasons(exported, reasons) if reasons.n else None,
        "doubt": None if max_doubt is None else Doubt(exported, max_doubt),
    }


def check_least(name: str, value: int, least: int) -> None:
    """Refuse a number that is too small.

    Raises
    ------
    ValueError
        If it is smaller than `least`.
    """
    if value < least:
        raise ValueError(f"{option(name)} is {value}; expected a number from {least}.")


def check_same_job(known: Mapping[str, Any], job: Mapping[str, Any], folder: str) -> None:
    """Refuse to continue a job with another identity.

    Parameters
    ----------
    known, job : mapping
        The identities of the unfinished job and of this one; see `Options.identity`.
    folder : str
        Where the unfinished job is.

    Raises
    ------
    ValueError
        If they differ; the message names the options.
    """
    if known != job:
        other = [option(name) for name, value in job.items() if known.get(name) != value]
        read = [state for state in known.get("input", ()) if "delta_version" in state and state not in job["input"]]
        versions = (f"{option('delta_version', state['delta_version'])} of {state['path']!r}" for state in read)
        raise ValueError(
            f"{option('resume', True)}: {folder!r} holds an unfinished job of another "
            f"{' and '.join(other) or 'tabkd'}{', which read ' if read else ''}{', '.join(versions)}. Repeat the "
            f"options of that job, or leave {option('resume', True)} out to start again."
        )


def check_segment(segment: Sequence[str]) -> None:
    """Refuse one text, whose letters would count as columns.

    Raises
    ------
    ValueError
        If it is one.
    """
    if isinstance(segment, str):
        raise ValueError(f"{option('segment')} is {segment!r}; give a list of columns, as in [{segment!r}].")


def as_paths(inputs: Sequence[str | os.PathLike], name: str = "inputs") -> list[str]:
    """The inputs as text.

    Parameters
    ----------
    inputs : sequence of path-like
        What the user gives.
    name : str
        The parameter with which the user gives them.

    Raises
    ------
    ValueError
        If there are none, or a single one is not in a list.
    """
    if isinstance(inputs, (str, os.PathLike)):
        raise ValueError(f"{name} is {inputs!r}; give a list of files, folders or URLs, as in [{str(inputs)!r}].")
    if not inputs:
        raise ValueError(f"{name} is empty; give the files, folders or URLs to score.")
    return [os.fspath(given) for given in inputs]
