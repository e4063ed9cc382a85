"""Weights of one byte, which the student has by default, and ONNX Runtime's static quantization, beside float32."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from sklearn.frozen import FrozenEstimator

from benchmarks.answers import measures
from benchmarks.problems import Problem, Split
from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._export.probes import frame_of
from tabkd._export.run import _feed, _numbers
from tabkd.scoring._column_facts import column_facts

FLOAT32, ONE_BYTE, STATIC = "float32", "one byte each", "static quantization"
# Rows that the ranges of activations are measured on; rows that are timed; turns, of which the median is taken.
_CALIBRATION_ROWS, _SINGLE_ROWS, _MANY_ROWS, _TURNS = 2000, 50, 1000, 40


def run(problems: Iterable[Problem], runs: Runs, quick: bool) -> str:
    """Measure what `runs` does not have yet, and return the table in Markdown."""
    for problem in problems:
        if not runs.find(table=problem.name, quick=quick):
            for record in _measured(problem.split(0), quick):
                print(runs.add({"table": problem.name, "quick": quick, **record}), file=sys.stderr, flush=True)
    return runs.write_table(table(pd.DataFrame(runs.find(quick=quick))))


def _measured(split: Split, quick: bool) -> list[dict[str, Any]]:
    estimator = DistilledRegressor if split.task == "regression" else DistilledClassifier
    model = estimator(n_synthetic=2000 if quick else "auto", random_state=0).set_params(student__weight_bits=32)
    model.fit(split.X_train, split.y_train)
    narrow = estimator(FrozenEstimator(model.teacher_), n_synthetic=model.n_synthetic, random_state=0)
    narrow.fit(split.X_train, split.y_train)
    proto = model.to_onnx()
    calibration = _feeds(proto, model, model.schema_.encode(split.X_train[:_CALIBRATION_ROWS]))
    files = {
        FLOAT32: proto.SerializeToString(),
        ONE_BYTE: narrow.to_onnx().SerializeToString(),
        STATIC: _quantized(proto, calibration),
    }
    feeds = _feeds(proto, model, model.schema_.encode(split.X_test))
    sessions = {name: _session(content) for name, content in files.items()}
    times = _microseconds(sessions, feeds)
    predict = "predict" if split.task == "regression" else "predict_proba"
    of_teacher = getattr(model.teacher_, predict)(split.X_test)
    own = {FLOAT32: model, ONE_BYTE: narrow, STATIC: model}
    records = []
    for name, session in sessions.items():
        (answers,) = session.run([proto.graph.output[-1].name], feeds)
        answers = np.asarray(answers, np.float64).reshape(of_teacher.shape)
        gap = np.abs(answers - getattr(own[name], predict)(split.X_test)).max()
        spread = 1.0 if split.task == "classification" else float(np.std(split.y_train))
        kept = measures(split, answers, of_teacher)["kept"]
        found = {"weights": name, "kept": kept, "n_bytes": len(files[name]), "gap": gap / spread}
        records.append(found | dict(zip(("one_row", "many_rows"), times[name], strict=True)))
    return records


def _quantized(proto: onnx.ModelProto, calibration: dict[str, np.ndarray]) -> bytes:
    """The layers in whole numbers of one byte, weights and activations, with a scale for each unit."""

    class Reader(CalibrationDataReader):
        rows = iter([calibration])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.rows, None)

    named = onnx.ModelProto()
    named.CopyFrom(proto)
    for i, node in enumerate(named.graph.node):
        node.name = str(i)
    layers = [node.name for node in named.graph.node if node.op_type == "Gemm" and "weights" in node.input[1]]
    with tempfile.TemporaryDirectory() as folder:
        source, target = (str(Path(folder, name)) for name in ("float32.onnx", "quantized.onnx"))
        onnx.save(named, source)
        quantize_static(
            source,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Gemm"],
            nodes_to_quantize=layers,
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
        quantized = onnx.load(target)
    for node in quantized.graph.node:  # names that only take bytes
        node.name = ""
    return quantized.SerializeToString()


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _feeds(proto: onnx.ModelProto, model: Any, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Rows as the inputs of the graph."""
    facts = json.loads(next(entry.value for entry in proto.metadata_props if entry.key == "tabkd"))
    columns = [column_facts(column, "column") for column in facts["columns"]]
    frame = frame_of(model.schema_, codes)
    if model.schema_.is_numeric:
        return {"X": _numbers(frame.to_numpy(), columns[0]["type"])}
    return {column["input"]: _feed(frame.iloc[:, i], column) for i, column in enumerate(columns)}


def _microseconds(sessions: dict[str, Any], feeds: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """The median times of one row and of many; the files take turns."""
    single = [{name: values[i : i + 1] for name, values in feeds.items()} for i in range(_SINGLE_ROWS)]
    many = {name: values[:_MANY_ROWS] for name, values in feeds.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sessions}
    for _ in range(_TURNS):
        for name, session in sessions.items():
            start = time.perf_counter()
            for row in single:
                session.run(None, row)
            middle = time.perf_counter()
            session.run(None, many)
            times[name].append(((middle - start) / _SINGLE_ROWS, time.perf_counter() - middle))
    return {name: tuple(1e6 * np.median(found, axis=0)) for name, found in times.items()}


def table(frame: pd.DataFrame) -> list[str]:
    """A row for each table and kind of weights."""
    rows = [
        [
            found["table"],
            found["weights"],
            f"{found['n_bytes'] / 1000:.1f} KB",
            f"{found['kept']:.1%}",
            f"{found['gap']:.0e}",
            f"{found['one_row']:.0f} µs",
            f"{found['many_rows'] / 1000:.1f} ms",
        ]
        for found in frame.to_dict("records")
    ]
    return markdown(["table", "weights", "file", "kept", "farthest from Python", "one row", "1,000 rows"], rows)
