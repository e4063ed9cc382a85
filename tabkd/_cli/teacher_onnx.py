"""Teachers stored as ONNX, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tabkd._cli.errors import CommandError
from tabkd._cli.frozen import FileClassifier, FileRegressor, select_columns


def load_onnx(path: Path) -> FileClassifier | FileRegressor:
    """The model of an ONNX file: a classifier if it has labels and probabilities, or a regressor.

    Raises
    ------
    CommandError
        It has several outputs but no class labels, wants what no column can give, or has weights outside of its
        folder.
    """
    import onnx
    import onnxruntime

    model = onnx.load(path, load_external_data=False)
    if any(entry.key == "tabkd" for entry in model.metadata_props):
        return _load_student(path)
    _check_external(model, path)
    # By its path: weights in other files are looked for next to it.
    session = onnxruntime.InferenceSession(
        str(path), sess_options=_quiet(onnxruntime), providers=["CPUExecutionProvider"]
    )
    inputs, outputs = session.get_inputs(), [output.name for output in session.get_outputs()]
    classes = _onnx_classes(model) if len(outputs) > 1 else []
    if classes is None:
        raise CommandError(
            f"the teacher {str(path)!r} has the outputs {outputs}, but no class labels in its graph. "
            "Export it with skl2onnx or onnxmltools, which write them."
        )
    wanted = "probabilities" if "probabilities" in outputs else outputs[-1]

    def scores(X: Any) -> Any:
        (found,) = session.run([wanted], _onnx_feed(X, inputs))
        if isinstance(found, list):  # ZipMap: a dict of class to probability for each row
            return pd.DataFrame(found)[classes]
        return found

    if len(outputs) == 1:
        return FileRegressor("ONNX", scores)
    return FileClassifier("ONNX", scores, classes)


def _check_external(model: Any, path: Path) -> None:
    """Refuse weights in files that do not exist, or are not in the folder of the model or below."""
    folder = path.resolve().parent
    for tensor in _tensors(model):
        for entry in tensor.external_data:
            if entry.key != "location":
                continue
            place = (folder / entry.value).resolve()
            if not place.is_relative_to(folder):
                raise CommandError(
                    f"the teacher {str(path)!r} has weights in {entry.value!r}, outside of its folder; such files are "
                    "not read. Save the model in one file, or with its weights next to it."
                )
            if not place.is_file():
                raise CommandError(
                    f"the teacher {str(path)!r} has weights in {entry.value!r}, which is not in its folder. Put that "
                    "file next to it."
                )


def _tensors(message: Any) -> Iterator[Any]:
    """All tensors within a message of ONNX: weights, attributes, and those of graphs within graphs."""
    from onnx import TensorProto

    if isinstance(message, TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(inner)


def _load_student(path: Path) -> Any:
    """A student that tabkd exported, as the teacher of another."""
    import tabkd

    exported = tabkd.load(path)
    names = [str(name) for name in exported.feature_names_in_]
    if exported.metadata["task"] == "regression":
        return FileRegressor("tabkd", lambda X: exported.predict(select_columns(X, names, len(names))))
    return FileClassifier(
        "tabkd", lambda X: exported.predict_proba(select_columns(X, names, len(names))), exported.classes_
    )


def _quiet(onnxruntime: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return options


def _onnx_classes(model: Any) -> list | None:
    """The class labels that a classifier's graph has among its attributes, or in the metadata of tabkd."""
    import onnx

    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name in ("classlabels_ints", "classlabels_int64s", "classlabels_strings"):
                values = onnx.helper.get_attribute_value(attribute)
                if len(values):
                    return [v.decode() if isinstance(v, bytes) else int(v) for v in values]
    return None


def _onnx_feed(X: pd.DataFrame, inputs: Any) -> dict[str, np.ndarray]:
    """The inputs of a graph: one matrix, or a column for each name."""
    if len(inputs) == 1 and inputs[0].name not in X.columns:
        width = inputs[0].shape[1] if len(inputs[0].shape) == 2 and isinstance(inputs[0].shape[1], int) else None
        matrix = select_columns(X, None, width or X.shape[1])
        return {inputs[0].name: matrix.to_numpy(dtype=_onnx_dtype(inputs[0]))}
    X = select_columns(X, [i.name for i in inputs], len(inputs))
    return {i.name: X[i.name].astype(object).to_numpy().astype(_onnx_dtype(i)).reshape(-1, 1) for i in inputs}


def _onnx_dtype(node: Any) -> Any:
    types = {
        "tensor(float)": np.float32,
        "tensor(double)": np.float64,
        "tensor(int64)": np.int64,
        "tensor(int32)": np.int32,
        "tensor(bool)": np.bool_,
        "tensor(string)": str,
    }
    if node.type not in types:
        raise CommandError(f"the teacher's input {node.name!r} is of type {node.type}, which no column can give.")
    return types[node.type]
