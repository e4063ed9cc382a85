"""Each operator gives what ONNX Runtime gives, for the shapes and attributes that students do not all reach."""

import json
from importlib.resources import files

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tabkd._javascript.graph import OPERATORS, graph_json
from tests.javascript.node import needs_node

pytestmark = needs_node
RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(3, 1, 4)).astype(np.float32), RNG.normal(size=(2, 4)).astype(np.float32)
CUBE = RNG.normal(size=(2, 3, 4)).astype(np.float32)
POSITIVE, WHOLE = np.abs(CUBE) + 0.5, np.array([[3, -7, 0], [2, 5, -1]])
FLAGS, OTHER_FLAGS = CUBE > 0, CUBE > 0.5
ODD = np.array([[-1.5, -0.5, 0.5, 1.5], [2.5, np.nan, -np.inf, 3e38]], np.float32)


def ints(*values):
    return np.array(values, np.int64)


def tree(**changes):
    given = {
        "n_targets": 2,
        "nodes_treeids": [0, 0, 0, 1, 1, 1],
        "nodes_nodeids": [0, 1, 2, 0, 1, 2],
        "nodes_featureids": [1, 0, 0, 2, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0, -0.5, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"] * 2,
        "nodes_truenodeids": [1, 0, 0, 2, 0, 0],
        "nodes_falsenodeids": [2, 0, 0, 1, 0, 0],
        "nodes_missing_value_tracks_true": [1, 0, 0, 0, 0, 0],
        "target_treeids": [0, 0, 1, 0, 1],
        "target_nodeids": [1, 2, 1, 1, 2],
        "target_ids": [0, 1, 1, 1, 0],
        "target_weights": [1.0, 2.0, 4.0, 8.0, 16.0],
        "base_values": [0.25, 0.5],
    }
    return given | changes


LINEAR = {"coefficients": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], "intercepts": [0.5, -0.5], "targets": 2}
CASES = [
    *[(op, [CUBE], {}) for op in ("Abs", "Ceil", "Exp", "Floor", "Identity", "Neg", "Relu", "Shape", "Sign")],
    *[(op, [CUBE], {}) for op in ("Sigmoid", "Tanh", "Flatten", "Transpose", "Reciprocal")],
    *[(op, [ODD], {}) for op in ("Relu", "IsNaN", "Round", "Abs", "Sign", "Floor")],
    *[(op, [POSITIVE], {}) for op in ("Log", "Sqrt")],
    *[(op, [A, B], {}) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Greater", "Less")],
    *[(op, [A, A[:, :, :1]], {}) for op in ("GreaterOrEqual", "LessOrEqual", "Equal", "Add")],
    *[(op, [WHOLE, ints(2)], {}) for op in ("Add", "Div", "Mul", "Equal", "Greater")],
    *[(op, [FLAGS, OTHER_FLAGS], {}) for op in ("And", "Or")],
    ("Not", [FLAGS], {}),
    ("Pow", [POSITIVE, np.float32(1.5)], {}),
    ("Sum", [CUBE, CUBE, CUBE], {}),
    ("Where", [A > 0, A, B], {}),
    *[("Cast", [CUBE * 3], {"to": to}) for to in (TensorProto.INT64, TensorProto.DOUBLE, TensorProto.BOOL)],
    ("Cast", [FLAGS], {"to": TensorProto.FLOAT}),
    ("Clip", [CUBE, np.float32(-0.5), np.float32(0.5)], {}),
    ("Clip", [ODD, np.float32(0)], {}),
    ("MatMul", [B, B.T.copy()], {}),
    ("MatMul", [CUBE, B.T.copy()], {}),
    ("MatMul", [CUBE, CUBE.transpose(0, 2, 1).copy()], {}),
    ("MatMul", [B, CUBE.transpose(0, 2, 1).copy()], {}),
    ("MatMul", [CUBE[:, None], CUBE.transpose(0, 2, 1)[None].copy()], {}),
    ("Gemm", [B, B], {"transB": 1}),
    ("Gemm", [B, B, np.ones(4, np.float32)], {"transA": 1, "alpha": 0.5, "beta": 2.0}),
    ("Gemm", [B, B, np.ones((2, 1), np.float32)], {"transB": 1}),
    *[(f"Reduce{kind}", [CUBE, ints(-1)], {"keepdims": 0}) for kind in ("Sum", "Max", "Min", "Prod", "Mean")],
    *[(f"Reduce{kind}", [CUBE, ints(0, 2)], {}) for kind in ("L1", "L2", "SumSquare", "Mean", "Sum")],
    ("ReduceSum", [CUBE], {}),
    ("ArgMax", [CUBE], {"axis": 1, "keepdims": 0}),
    ("ArgMin", [np.round(CUBE)], {"axis": -1, "select_last_index": 1}),
    ("Softmax", [CUBE * 50], {"axis": 1}),
    ("Softmax", [CUBE], {}),
    ("Concat", [CUBE, CUBE[:, :1]], {"axis": 1}),
    ("Concat", [CUBE, CUBE], {"axis": -1}),
    ("Gather", [CUBE, ints(-1, 0, 0).reshape(3, 1)], {"axis": 1}),
    ("ArrayFeatureExtractor", [B, ints(2, 0)], {}),
    ("ScatterElements", [CUBE, ints(1, 0, -1, 2).reshape(1, 1, 4), np.ones((1, 1, 4), np.float32)], {"axis": 1}),
    ("OneHot", [WHOLE, ints(4), np.array([-1, 1], np.float32)], {"axis": 1}),
    ("OneHot", [WHOLE, np.array(4), np.array([0, 1], np.float32)], {}),
    ("Slice", [CUBE, ints(1), ints(2**40), ints(1)], {}),
    ("Slice", [CUBE, ints(-1, 0), ints(-99, 2), ints(2, 1), ints(-2, 1)], {}),
    ("Reshape", [CUBE, ints(0, -1)], {}),
    ("Transpose", [CUBE], {"perm": [1, 2, 0]}),
    ("Flatten", [CUBE], {"axis": 2}),
    ("Squeeze", [A, ints(1)], {}),
    ("Squeeze", [A], {}),
    ("Unsqueeze", [B, ints(0, -1)], {}),
    ("ConstantOfShape", [ints(2, 3)], {"value": numpy_helper.from_array(np.array([7], np.int64))}),
    ("ConstantOfShape", [ints(2, 3)], {}),
    ("LinearRegressor", [B], LINEAR),
    ("Scaler", [B], {"offset": [1.0, 2.0, 3.0, 4.0], "scale": [0.5, 2.0, 1.0, 1.0]}),
    ("Imputer", [ODD], {"imputed_value_floats": [1.0, 2.0, 3.0, 4.0], "replaced_value_float": float("nan")}),
    ("TreeEnsembleRegressor", [np.vstack([B, ODD, ODD[:, ::-1]])], tree()),
    ("TreeEnsembleRegressor", [B], {k: v for k, v in tree().items() if k not in ("base_values",)}),
]
ML = {"ArrayFeatureExtractor", "Imputer", "LinearRegressor", "Scaler", "TreeEnsembleRegressor"}


def graph_of(op, inputs, attributes):
    names = [f"x{i}" for i in range(len(inputs))]
    node = helper.make_node(op, names, ["y"], domain="ai.onnx.ml" if op in ML else "", **attributes)
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in zip(names, inputs, strict=True)]
    out = helper.make_empty_tensor_value_info("y")
    return helper.make_graph([node], "one", [], [out], initializer=tensors)


def by_onnx_runtime(graph):
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {})[0]


@pytest.fixture(scope="module")
def scripts():
    folder = files("tabkd._javascript")
    return "\n".join(folder.joinpath(name).read_text("utf-8") for name in ("operators.js", "rows.js", "student.js"))


@pytest.mark.parametrize(("op", "inputs", "attributes"), CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)])
def test_an_operator_gives_what_onnx_runtime_gives(op, inputs, attributes, scripts, node):
    graph = graph_of(op, inputs, attributes)
    part, _ = graph_json(graph, [], {"scores": "y"})
    # JSON has neither NaN nor infinity.
    code = f"""{scripts}; const [{{shape, data}}] = prepare({json.dumps(part)}).scores([]);
    return {{shape, type: data.constructor.name, values: [...data].map(String)}};"""
    answer, expected = node.run(code), by_onnx_runtime(graph)
    assert "error" not in answer, answer["error"]
    assert tuple(answer["shape"]) == expected.shape
    kinds = {"float32": "Float32Array", "float64": "Float64Array", "int64": "Int32Array", "bool": "Uint8Array"}
    assert answer["type"] == kinds[str(expected.dtype)]
    values = np.array([float(value) for value in answer["values"]]).reshape(expected.shape)
    np.testing.assert_allclose(values, expected.astype(float), rtol=2e-6, atol=1e-7)


def test_what_no_row_changes_is_computed_once(scripts, node):
    nodes = [helper.make_node("Exp", ["c"], ["e"]), helper.make_node("Add", ["X", "e"], ["y"])]
    one, out = numpy_helper.from_array(np.ones(2, np.float32), "c"), helper.make_empty_tensor_value_info("y")
    part, places = graph_json(helper.make_graph(nodes, "two", [], [out], initializer=[one]), ["X"], {"scores": "y"})
    code = f"""{scripts}; const calls = [];
    for (const name of ["Exp", "Add"]) {{
      const operator = OPERATORS[name];
      OPERATORS[name] = (...given) => {{ calls.push(name); return operator(...given); }};
    }}
    const graph = prepare({json.dumps(part)});
    for (let i = 0; i < 3; i++) graph.scores([[{places["X"]}, tensor([1, 2], new Float32Array(2))]]);
    return calls;"""
    assert node.run(code) == ["Exp", "Add", "Add", "Add"]


def test_every_operator_has_a_case():
    assert {case[0] for case in CASES} == OPERATORS


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "message"),
    [
        ("TreeEnsembleRegressor", [B], tree(nodes_modes=["BRANCH_GT", "LEAF", "LEAF"] * 2), "the mode BRANCH_GT"),
        ("TreeEnsembleRegressor", [B], tree(aggregate_function="MAX"), "aggregate_function MAX"),
        ("LinearRegressor", [B], LINEAR | {"post_transform": "PROBIT"}, "LinearRegressor with a post_transform"),
        ("Imputer", [B], {"imputed_value_floats": [1.0], "replaced_value_float": 0.0}, "Imputer for values other"),
        ("Cast", [B], {"to": TensorProto.STRING}, "no values of the ONNX type STRING"),
        ("Erf", [B], {}, "the operators Erf of this"),
        ("Gather", [np.array(["a"], dtype=object), ints(0)], {}, "cannot hold a constant of type object"),
        (
            "ScatterElements",
            [B, ints(0, 0).reshape(1, 2), B[:1, :2]],
            {"reduction": "add"},
            "ScatterElements with the attribute reduction",
        ),
    ],
)
def test_what_javascript_cannot_run_is_refused_when_it_is_written(op, inputs, attributes, message):
    with pytest.raises(NotImplementedError, match=message):
        graph_json(graph_of(op, inputs, attributes), [], {"scores": "y"})
