"""The reasons for a score: the columns that moved it most, and by how much."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from tabkd._near_names import known_names
from tabkd._options import option
from tabkd._reasons import (
    CONTRIBUTIONS,
    LEAST_REASON,
    check_has_reasons,
    number_of_reasons,
    of_predicted_class,
)
from tabkd.batch._reason_codes import Code, by_code, check_codes, read_codes
from tabkd.scoring import ExportedStudent

_DIRECTIONS = ("higher", "lower")


@dataclass(frozen=True)
class ReasonOptions:
    """The user's options for reasons; see `tabkd.batch.score_dataset`.

    Attributes
    ----------
    n : int
        Number of reasons of each row; 0 for none.
    codes : mapping of str to Code, or None
        A code for the name of each column or group; None writes the names.
    direction : {"higher", "lower"}
        Whether the reasons say why a score is high or why it is low.
    groups : mapping of str to tuple of str
        Groups of columns that count as one.

    Raises
    ------
    ValueError
        If a value is out of its range, or there are further options without a number of reasons.
    """

    n: int = 0
    codes: Mapping[str, Code] | None = None
    direction: str = "higher"
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        reasons: int,
        reason_codes: str | os.PathLike | None,
        reasons_for: str,
        reason_groups: Mapping[str, Sequence[str]] | None,
    ) -> ReasonOptions:
        """The options from the parameters of `score_dataset`; the file of codes is read."""
        reasons = number_of_reasons(reasons)
        if reasons_for not in _DIRECTIONS:
            raise ValueError(f"{option('reasons_for')} is {reasons_for!r}; expected one of {', '.join(_DIRECTIONS)}.")
        further = {"reason_codes": reason_codes is not None, "reason_groups": bool(reason_groups)}
        further["reasons_for"] = reasons_for != _DIRECTIONS[0]
        if not reasons and any(further.values()):
            given = next(name for name, is_given in further.items() if is_given)
            raise ValueError(f"{option(given)} needs {option('reasons')}, the number of reasons of each row.")
        if reason_groups and not isinstance(reason_groups, Mapping):
            raise ValueError(
                f"{option('reason_groups')} is {reason_groups!r:.80}; expected a dict, the columns of each group by "
                "its name."
            )
        for group, columns in (reason_groups or {}).items():
            if not isinstance(group, str):
                raise ValueError(f"{option('reason_groups')} has the name {group!r}; expected text.")
            if isinstance(columns, str) or not isinstance(columns, Iterable):
                raise ValueError(f"{option('reason_groups', group)} is {columns!r}; give a list of columns.")
        groups = {name: tuple(columns) for name, columns in (reason_groups or {}).items()}
        return cls(reasons, None if reason_codes is None else read_codes(reason_codes), reasons_for, groups)

    def identity(self) -> dict[str, Any]:
        """The parts of a job's identity, as JSON values, by the name of the parameter."""
        return {
            "reasons": self.n,
            "reason_codes": self.codes and {name: list(code) for name, code in self.codes.items()},
            "reasons_for": self.direction,
            "reason_groups": {name: list(columns) for name, columns in self.groups.items()},
        }


class Reasons:
    """Explains the scores of a model.

    Parameters
    ----------
    exported : ExportedStudent
        The model, which has contributions.
    options : ReasonOptions
        The user's options, with at least one reason.

    Attributes
    ----------
    schema : pyarrow.Schema
        The columns that are added to the scores.

    Raises
    ------
    ValueError
        If the model has no contributions or several targets, or an option does not fit its columns.

    Notes
    -----
    Contributions are those of `ExportedStudent.contributions`: in log-odds of the second of two classes, in the unit of
    a value, and for more classes in the log-probability of the predicted class less its mean over the classes.
    """

    def __init__(self, exported: ExportedStudent, options: ReasonOptions):
        self._exported, self._n = exported, options.n
        self._sign = 1 if options.direction == "higher" else -1
        check_has_reasons(exported.metadata)
        columns = [str(name) for name in exported.feature_names_in_]
        members = _members(columns, options.groups)
        names = [name for name, _ in members]
        if options.codes is not None:
            check_codes(options.codes, names, columns)
        reasons = by_code(members, {name: Code(name) for name in names} if options.codes is None else options.codes)
        if options.n > len(reasons):
            what = "columns and groups" if options.groups else "columns"
            if len(reasons) < len(members):
                what += " with different codes"
            raise ValueError(
                f"{option('reasons')} is {options.n}, but the model has {len(reasons)} {what}; give at most as many."
            )
        self._members = list(reasons.values())
        # What is written for each of the reasons: a list for each kind of column.
        self._written = {"reason": pa.array([code.code for code in reasons], pa.string())}
        if any(code.text is not None for code in reasons):
            self._written["reason_text"] = pa.array([code.text for code in reasons], pa.string())

    @property
    def schema(self) -> pa.Schema:
        ranks = range(1, self._n + 1)
        texts = [(f"{kind}_{k}", pa.string()) for kind in self._written for k in ranks]
        return pa.schema([*texts, *((f"contribution_{k}", pa.float64()) for k in ranks)])

    def columns(self, X: Any, scores: pa.Table) -> dict[str, pa.Array]:
        """The columns of `schema` for some rows.

        Fields are null if fewer columns moved the score in the wanted direction.

        Parameters
        ----------
        X : table
            The rows, in any form that `ExportedStudent.predict` takes.
        scores : pyarrow.Table
            Their scores, which tell the predicted class; other columns are ignored.
        """
        if not X.shape[0]:
            return {column.name: pa.array([], column.type) for column in self.schema}
        values = self._contributions(X, scores)
        pushes = self._sign * values
        first = np.argsort(-pushes, axis=1, kind="stable")[:, : self._n]
        least = LEAST_REASON * np.abs(values).sum(axis=1, keepdims=True)
        are_none = np.take_along_axis(pushes, first, axis=1) <= least
        ranked = list(zip(first.T, are_none.T, strict=True))
        texts = [
            words.take(pa.array(positions, mask=none)) for words in self._written.values() for positions, none in ranked
        ]
        numbers = [pa.array(values[np.arange(len(values)), k], mask=none) for k, none in ranked]
        return dict(zip(self.schema.names, [*texts, *numbers], strict=True))

    def _contributions(self, X: Any, scores: pa.Table) -> np.ndarray:
        """The contributions of the columns and groups, shape (n, g)."""
        values = self._exported.output(X, CONTRIBUTIONS)
        if values.ndim == 3:
            P = np.column_stack([scores.column(f"probability_{c}").to_numpy() for c in self._exported.classes_])
            values = of_predicted_class(values, P)
        return np.stack([values[:, positions].sum(axis=1) for positions in self._members], axis=1, dtype=np.float64)


def _members(columns: Sequence[str], groups: Mapping[str, Sequence[str]]) -> list[tuple[str, list[int]]]:
    """The names that reasons can have, with the positions of their columns; a group is where its first column is.

    Raises
    ------
    ValueError
        If a group has no columns or unknown ones, a column is in two groups, or a group has the name of a column
        outside of it.
    """
    position = {name: i for i, name in enumerate(columns)}
    group_of: dict[str, str] = {}
    for group, names in groups.items():
        called = option("reason_groups", group)
        if not names:
            raise ValueError(f"{called} has no columns; name the columns that count as one.")
        for name in names:
            if name not in position:
                raise ValueError(
                    f"{called}: {name!r} is not a column of the model; {known_names(name, columns)} "
                    "`tabkd inspect` shows its columns."
                )
            if name in group_of:
                raise ValueError(f"{called}: {name!r} is already in a group, {group_of[name]!r}; name it once.")
            group_of[name] = group
        if group in position and group not in names:
            raise ValueError(f"{called} is the name of a column that is not in the group; choose another.")
    members: dict[str, list[int]] = {}
    for name, i in position.items():
        members.setdefault(group_of.get(name, name), []).append(i)
    return list(members.items())
