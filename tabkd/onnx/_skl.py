"""The hooks that skl2onnx looks for on a model that is not registered with it.

skl2onnx asks a model for `onnx_parser`, `onnx_shape_calculator` and `onnx_converter`. However, it refuses options such
as ``zipmap`` for classes that are not registered, before it calls any hook. So the classes of tabkd register themselves
as soon as scikit-learn's tags are read while skl2onnx is loaded. Importing tabkd never imports skl2onnx.

Classifiers of tabkd always output one tensor of probabilities, and never a ZipMap, whatever the option ``zipmap``.
"""

from __future__ import annotations

import sys

_registered: set[type] = set()


def allow_options(cls: type) -> None:
    """Register `cls` with skl2onnx, if skl2onnx is loaded."""
    if cls in _registered:
        return
    register = getattr(sys.modules.get("skl2onnx"), "update_registered_converter", None)
    if register is None:  # not loaded, or only in part
        return
    from sklearn.base import ClassifierMixin

    options = {"zipmap": [True, False], "nocl": [True, False]} if issubclass(cls, ClassifierMixin) else None
    register(cls, f"Tabkd{cls.__name__}", set_types, write_nodes, parser=parse, options=options)
    _registered.add(cls)


def parser(model):
    """The value of `onnx_parser`: a function that names the outputs."""
    allow_options(type(model))

    def outputs(scope=None, inputs=None):
        from skl2onnx.common.data_types import FloatTensorType

        names = ["label", "probabilities"] if hasattr(model, "classes_") else ["variable"]
        return [(name, FloatTensorType()) for name in names]

    return outputs


def shape_calculator(model):
    """The value of `onnx_shape_calculator`."""
    return set_types


def converter(model):
    """The value of `onnx_converter`."""
    return write_nodes


def parse(scope, model, inputs, custom_parsers=None):
    """Declare the operator of `model`: the parser of a registered class, which does not add a ZipMap."""
    from skl2onnx._parse import _parse_sklearn_simple_model

    return _parse_sklearn_simple_model(scope, model, inputs, custom_parsers=custom_parsers)


def set_types(operator) -> None:
    """Set the types of the outputs: labels (n,), and float32 (n, K)."""
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        FloatTensorType,
        Int64TensorType,
        StringTensorType,
    )

    model = operator.raw_operator
    if hasattr(model, "classes_"):
        numbers = model.classes_.dtype.kind in "iufb"
        operator.outputs[0].type = Int64TensorType([None]) if numbers else StringTensorType([None])
        operator.outputs[1].type = FloatTensorType([None, len(model.classes_)])
    else:
        from tabkd.onnx._heads import is_wide

        tensor = DoubleTensorType if is_wide(getattr(model, "student_", model)) else FloatTensorType
        operator.outputs[0].type = tensor([None, _width(model)])


def write_nodes(scope, operator, container) -> None:
    """Write the nodes of a model of tabkd."""
    from tabkd._export.convert import convert

    convert(scope, operator, container)


def _width(model) -> int | None:
    if hasattr(model, "n_features_out_"):
        return model.n_features_out_
    return getattr(getattr(model, "student_", model), "n_outputs_", None)
