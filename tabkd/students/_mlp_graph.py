"""The table encoder and the MLP as ONNX."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from tabkd.onnx._graph import Graph
from tabkd.onnx._heads import is_wide, write_targets
from tabkd.onnx._inputs import FILLED, Front, Inputs
from tabkd.students._encoder import TableEncoder
from tabkd.students._mlp import MLPStudent


def encoder_front(encoder: TableEncoder) -> Front:
    """What the encoder reads.

    Columns of few levels come first, their rows numbered as in `level_units_`; columns of many levels
    follow, their rows numbered through all of their tables of means.
    """
    tables = [(int(i), row_of) for i, row_of in zip(encoder.level_columns_, encoder.level_of_, strict=True)]
    first = 0
    for i, means in zip(encoder.mean_columns_, encoder.means_, strict=True):
        tables.append((int(i), first + np.arange(len(means))))
        first += len(means)
    alone = not len(encoder.mean_columns_) and len(encoder.unit_column_)
    filled = (encoder.fill_, encoder.missing_) if alone else None
    return Front(encoder.numeric_, encoder.center_, tables, filled)


def write_features(graph: Graph, inputs: Inputs, encoder: TableEncoder) -> tuple[str | None, str | None]:
    """The numeric units (n, u) and the one-hot rows of levels (n, r), float32; None for none."""
    front = encoder_front(encoder)
    tables = front.tables
    values, rows = inputs.values(front.positions, front.centers), inputs.rows(tables)
    n_levels = len(encoder.level_columns_)
    parts = [values] if values is not None else []
    if rows is not None and len(encoder.mean_columns_):
        parts += _means(graph, graph.columns(rows, range(n_levels, len(tables))), encoder.means_)
        rows = graph.columns(rows, range(n_levels)) if n_levels else None
    units = _units(graph, graph.concat(parts), encoder) if len(encoder.unit_column_) else None
    return units, _one_hot(graph, rows, len(encoder.level_units_)) if rows is not None and n_levels else None


def write_encoder(graph: Graph, inputs: Inputs, encoder: TableEncoder) -> str:
    """What `TableEncoder.transform` gives, float32 (n, n_features_out_)."""
    units, levels = write_features(graph, inputs, encoder)
    parts = [units] if units is not None else []
    if levels is not None:
        parts.append(graph.node("MatMul", [levels, graph.constant(encoder.level_units_)]))
    return graph.concat(parts) if parts else graph.zeros(inputs.pieces[0].name, 0)


def write_mlp(graph: Graph, inputs: Inputs, student: MLPStudent) -> str:
    """What `MLPStudent.predict` gives, float32 (n, K)."""
    units, levels = write_features(graph, inputs, student.encoder_)
    n_units = len(student.encoder_.unit_column_)
    weights, parts = [], []
    if units is not None:
        parts.append(units)
        weights.append(student.coefs_[0][:n_units])
    if levels is not None:
        parts.append(levels)
        weights.append(student.level_weights_)
    if not parts:  # every column was constant
        parts.append(graph.zeros(inputs.pieces[0].name, 1))
        weights.append(np.zeros((1, len(student.intercepts_[0]))))
    hidden = graph.concat(parts, "features")
    for layer, (weight, bias) in enumerate(
        zip([np.vstack(weights), *student.coefs_[1:]], student.intercepts_, strict=True)
    ):
        if layer:
            hidden = graph.node("Relu", [hidden])
        hidden = graph.node("Gemm", [hidden, _float32(graph, weight, "weights"), _float32(graph, bias, "bias")])
    if student.task_ == "classification":
        return graph.node("Softmax", [hidden], axis=1)
    return write_targets(graph, hidden, student.target_scale_, student.target_mean_, is_wide(student))


def _units(graph: Graph, values: str, encoder: TableEncoder) -> str:
    """``clip(x * scale + bias, 0, 1)`` as one matrix product, which is faster than looking columns up."""
    missing = graph.node("IsNaN", [values])
    hint = None if len(encoder.missing_) else FILLED
    filled = graph.node("Where", [missing, _float32(graph, encoder.fill_, "fill"), values], hint=hint)
    if len(encoder.missing_):
        indicators = graph.cast(graph.columns(missing, encoder.missing_), TensorProto.FLOAT)
        filled = graph.concat([filled, indicators], FILLED)
    # One entry a column: stored as its position; ONNX Runtime folds it when a session is made.
    depth = graph.constant(np.array(len(encoder.fill_) + len(encoder.missing_)))
    onoff = graph.constant(np.array([0, 1], np.float32))
    position = graph.constant(encoder.unit_column_.astype(np.int64), "unit_column")
    selection = graph.node("OneHot", [position, depth, onoff], axis=0)
    selection = graph.node("Mul", [selection, _float32(graph, encoder.unit_scale_, "unit_scale")])
    units = graph.node("Gemm", [filled, selection, _float32(graph, encoder.unit_bias_, "unit_bias")])
    return graph.node("Clip", [units, graph.constant(np.float32(0)), graph.constant(np.float32(1))], hint="units")


def _means(graph: Graph, rows: str, means: list[np.ndarray]) -> list[str]:
    """The mean soft targets of the rows, float32 (n, columns * k)."""
    table = np.vstack(means)
    if table.shape[1] == 1:
        return [graph.node("Gather", [_float32(graph, table[:, 0], "means"), rows], axis=0)]
    looked_up = graph.node("Gather", [_float32(graph, table, "means"), rows], axis=0)
    return [graph.node("Reshape", [looked_up, graph.constant(np.array([0, len(means) * table.shape[1]]))])]


def _one_hot(graph: Graph, rows: str, width: int) -> str:
    """float32 (n, width), 1 where `rows` (n, j) points: faster than adding up rows of weights."""
    zeros, ones = (
        graph.zeros(rows, width),
        graph.node("ConstantOfShape", [graph.node("Shape", [rows])], value=_one()),
    )
    return graph.node("ScatterElements", [zeros, rows, ones], axis=1)


def _one():
    from onnx.helper import make_tensor

    return make_tensor("one", TensorProto.FLOAT, [1], [1.0])


def _float32(graph: Graph, values, hint: str) -> str:
    return graph.constant(np.asarray(values, dtype=np.float32), hint)
