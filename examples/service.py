"""A service that scores rows with a student over HTTP, and refuses rows unlike those that the model was fitted on.

    pip install fastapi uvicorn
    TABKD_MODEL=student.onnx uvicorn --factory --app-dir examples service:app --port 8000

`TABKD_MODEL` is a file that `to_onnx` wrote. Put a new file in its place, and the next request is scored with it. With
`TABKD_STRICT=0`, unseen categories, numbers out of range and new missing values are scored too.
"""

import hashlib
import logging
import math
import os
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import numpy as np
from fastapi import Body, FastAPI, HTTPException, Query

from tabkd import ExportedStudent, load

MOST_ROWS = 10_000
_ROUNDING = 1e-6

Row = dict[str, Any]
NumberOfReasons = Annotated[int, Query(ge=0, description="How many reasons to give for each score.")]


def app() -> FastAPI:
    """The service of the model that the environment names."""
    if "TABKD_MODEL" not in os.environ:
        raise ValueError("TABKD_MODEL is not set; give it the path of a file that to_onnx wrote.")
    return service(os.environ["TABKD_MODEL"], strict=os.environ.get("TABKD_STRICT", "1") != "0")


def service(path: str | os.PathLike, *, strict: bool = True) -> FastAPI:
    """The service of a model's file."""
    served = Served(path, strict)
    api = FastAPI(title="Scores of a student", description=__doc__)

    @api.post("/score")
    def score(row: Annotated[Row, Body()], reasons: NumberOfReasons = 0) -> dict[str, Any]:
        """Score one row: an object with a value for each column of the model, null where it is missing."""
        return served.model().scores([row], reasons)[0]

    @api.post("/batch")
    def batch(
        rows: Annotated[list[Row], Body(min_length=1, max_length=MOST_ROWS)], reasons: NumberOfReasons = 0
    ) -> list[dict[str, Any]]:
        """Score several rows, all of them or none."""
        return served.model().scores(rows, reasons)

    @api.get("/columns")
    def columns() -> list[dict[str, Any]]:
        """What the model expects in each column."""
        return [column.described() for column in served.model().columns]

    @api.get("/healthz")
    def healthz() -> dict[str, Any]:
        """Which model answers, and why a newer file does not, if so."""
        return served.health()

    return api


class Served:
    """The model in a file, read again when the file changes."""

    def __init__(self, path: str | os.PathLike, strict: bool):
        self._path, self._strict, self._lock = Path(path), strict, Lock()
        self._seen, self._problem = self._stamp(), None
        self._model = Model(load(self._path, n_jobs=1), strict)

    def model(self) -> "Model":
        """The model of the newest file that can be read."""
        with self._lock:
            if (stamp := self._stamp()) != self._seen:
                self._seen = stamp
                try:
                    self._model, self._problem = Model(load(self._path, n_jobs=1), self._strict), None
                except (OSError, ValueError) as error:  # the service goes on with the model that it has
                    self._problem = str(error)
                    logging.getLogger(__name__).error("The model is not replaced: %s", error)
            return self._model

    def health(self) -> dict[str, Any]:
        """The model that answers, and what is wrong with a newer file."""
        student = self.model().student
        checksum = hashlib.sha256(student.content).hexdigest()
        facts = {name: student.metadata[name] for name in ("task", "student", "tabkd")}
        return {"status": "ok", "sha256": checksum, "problem": self._problem} | facts

    def _stamp(self) -> tuple[int, int, int] | None:
        """What changes when the file does; None if there is none."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns


class Model:
    """A student, and what it expects in each column."""

    def __init__(self, student: ExportedStudent, strict: bool):
        self.student = student
        facts = zip(student.feature_names_in_, student.metadata["columns"], strict=True)
        self.columns = [Column(str(name), column, strict) for name, column in facts]

    def scores(self, rows: list[Row], n_reasons: int) -> list[dict[str, Any]]:
        """The answer for each row; error 422 if one of them is refused."""
        wrong = [
            {"row": i, "column": column.name, "problem": problem}
            for i, row in enumerate(rows)
            for column in self.columns
            if (problem := column.problem(row))
        ]
        if wrong:
            raise HTTPException(422, wrong)
        try:
            answers = self._answers(rows)
            reasons = self._reasons(rows, n_reasons) if n_reasons else []
        except ValueError as error:  # what only the student can see, with the name of the column
            raise HTTPException(422, [{"problem": str(error)}]) from error
        for answer, found in zip(answers, reasons, strict=False):
            answer["reasons"] = found
        return answers

    def _answers(self, rows: list[Row]) -> list[dict[str, Any]]:
        student = self.student
        if student.metadata["task"] != "classification":
            return [{"prediction": value} for value in student.predict(rows).tolist()]
        labels = student.classes_.tolist()
        P = student.predict_proba(rows)
        return [
            {"prediction": labels[k], "probabilities": dict(zip(map(str, labels), p, strict=True))}
            for k, p in zip(P.argmax(axis=1), P.tolist(), strict=True)
        ]

    def _reasons(self, rows: list[Row], n: int) -> list[list[dict[str, Any]]]:
        """The columns that raised each score most: that of the second of two classes, or else the predicted one."""
        values = self.student.contributions(rows).values
        if values.ndim == 3:
            best = self.student.predict_proba(rows).argmax(axis=1) if hasattr(self.student, "classes_") else 0
            values = values[np.arange(len(rows)), :, best]
        names = [column.name for column in self.columns]
        return [
            [{"column": names[i], "contribution": float(row[i])} for i in np.argsort(-row)[:n] if row[i] > 0]
            for row in values
        ]


class Column:
    """What a column of the model held at fit, by its metadata."""

    def __init__(self, name: str, facts: dict[str, Any], strict: bool):
        self.name, self._strict = name, strict
        self._may_miss = facts["has_missing"]
        if facts["kind"] == "numeric":
            self._type = "boolean" if facts["boolean"] else "number"
        else:
            self._type = "text" if facts["type"] == "STRING" else "category"
        self._levels = facts.get("categories")
        self._range = (facts["low"], facts["high"]) if self._type == "number" else (None, None)

    def described(self) -> dict[str, Any]:
        """The type, the categories and the range, as JSON has them."""
        low, high = self._range
        found = {"categories": self._levels, "lowest": low, "highest": high}
        known = {key: value for key, value in found.items() if value is not None}
        return {"name": self.name, "type": self._type, "may_be_missing": self._may_miss} | known

    def problem(self, row: Row) -> str | None:
        """What is wrong with the value of a row, if anything is."""
        if self.name not in row:
            return "is not there; give null where it is missing"
        value = row[self.name]
        if value is None:
            return "is null, but no value was missing at fit" if self._strict and not self._may_miss else None
        if not self._is_of_type(value):
            return f"is {value!r:.60}; expected a {self._type}"
        return self._surprise(value) if self._strict else None

    def _is_of_type(self, value: Any) -> bool:
        is_number = type(value) is int or (type(value) is float and math.isfinite(value))
        return {
            "boolean": isinstance(value, bool),
            "number": is_number,
            "text": isinstance(value, str),
            "category": is_number or isinstance(value, bool),
        }[self._type]

    def _surprise(self, value: Any) -> str | None:
        """How a value differs from all that were there at fit."""
        if self._levels is not None:
            return None if value in self._levels else f"is {value!r:.60}; expected one of {self._levels[:10]}"
        low, high = self._range
        if low is None:
            return None
        slack = _ROUNDING * (high - low)  # a client may round
        if not low - slack <= value <= high + slack:
            return f"is {value!r:.60}; expected a number from {low:g} to {high:g}"
        return None
