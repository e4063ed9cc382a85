"""Files of students whose checksum is right but whose contents are not: one clear error, before anything runs."""

import copy
import hashlib
import json
import re
import time
import zlib
from base64 import b85encode
from typing import NamedTuple

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor

from tabkd import DistilledClassifier, DistilledRegressor, load
from tabkd.batch._drift import Drift
from tabkd.batch._scored import score_columns
from tabkd.scoring import ExportedStudent
from tabkd.scoring import _wire as wire
from tabkd.scoring._column_facts import column_facts, shortened
from tabkd.scoring._packed import packed
from tabkd.students import MLPStudent
from tests.small_tables import category_frame, numeric_frame, targets

FAST = {"n_synthetic": 300, "random_state": 0}


class Model(NamedTuple):
    """The bytes of a model, and rows that it takes."""

    content: bytes
    frame: pd.DataFrame

    def __repr__(self):
        return "a model"


@pytest.fixture(scope="module", params=["mlp", "tree", "matrix"])
def whole(request):
    if request.param == "matrix":
        frame = numeric_frame(200)
        model = DistilledRegressor(RandomForestRegressor(3), student="tree", **FAST)
        return Model(model.fit(frame, targets(frame, "regression")).to_onnx().SerializeToString(), frame)
    frame = category_frame(200)
    teacher = HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype")
    student = MLPStudent(max_iter=2, hidden_layer_sizes=(8,)) if request.param == "mlp" else "tree"
    model = DistilledClassifier(teacher, student=student, **FAST).fit(frame, targets(frame, "binary"))
    return Model(model.to_onnx().SerializeToString(), frame)


def sealed(body: bytes) -> bytes:
    """A model with the checksum of its bytes, as a forger would compute it."""
    return body + wire._SEAL + hashlib.sha256(body).hexdigest().encode()


def unsealed(content: bytes) -> bytes:
    return content[: -len(wire._SEAL) - 64]


def resealed(model: onnx.ModelProto) -> bytes:
    return sealed(unsealed(model.SerializeToString()))


def with_text(content: bytes, text: str) -> bytes:
    """The model with other metadata."""
    model = onnx.load_from_string(content)
    next(entry for entry in model.metadata_props if entry.key == "tabkd").value = text
    return resealed(model)


def facts_of(content: bytes) -> dict:
    return json.loads(wire.metadata(content)["tabkd"])


def places(value, path=()):
    """The paths of all values within a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(value, path, new):
    """A copy with another value at a path; `...` takes it away."""
    value = copy.deepcopy(value)
    place = value
    for key in path[:-1]:
        place = place[key]
    if new is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return value


def refusal_of(exported, frame) -> str | None:
    try:
        exported._scores(frame)
    except ValueError as error:
        return str(error)
    return None


def loads_or_says_why(content: bytes, frame) -> str | None:
    """None for a model that scores, else the error of loading it, which must be one of ours."""
    start = time.perf_counter()
    try:
        exported = ExportedStudent(content, n_jobs=1, source="'forged.onnx'")
    except ValueError as error:
        message = str(error)
    else:
        message = None
    if message is not None:
        assert "forged.onnx" in message
        assert "\n" not in message
        assert len(message) < 700
        assert time.perf_counter() - start < 20
        return message
    names = [column["name"] for column in exported.metadata["columns"]]
    frame = frame.set_axis(names, axis=1) if len(names) == frame.shape[1] else frame
    if other := refusal_of(exported, frame):  # it takes other columns now
        assert re.search("Column|feature", other)
        return None
    scores = exported._scores(frame)
    assert scores.shape == (len(frame), exported.metadata["n_outputs"])
    assert np.asarray(exported.predict(frame)).shape[0] == len(frame)
    drift, columns = Drift(exported), score_columns(exported, frame)
    counts = drift.counts(pa.Table.from_pandas(frame, preserve_index=False), columns) * 1000
    drift.warnings(drift.summary(counts, 1000 * len(frame)), counts, 1000 * len(frame))
    return None


def test_a_whole_model_loads(whole):
    content, frame = whole
    assert loads_or_says_why(resealed(onnx.load_from_string(content)), frame) is None


STRANGE = st.sampled_from(
    [
        *(..., None, True, False, 0, -1, 1, 2, 7, 10**12, -(10**12), 10**400, 0.5, -0.5, 1e308, "", "X", "FLOAT"),
        *("\x1b[31m", [], {}, [0], [10**12], ["a"], [None], {"a": 1}, [[0]]),
    ]
)


def test_a_file_of_before_scores_the_same_without_what_files_did_not_say_then(whole):
    facts = facts_of(whole.content)
    for name in ("skill_metric", "reference"):
        facts.pop(name)
    facts["columns"] = [column_facts(column, "column") for column in facts["columns"]]  # files left nothing out
    for column in facts["columns"]:
        column.pop("boolean")
    before = ExportedStudent(with_text(whole.content, json.dumps(facts)))
    np.testing.assert_array_equal(before._scores(whole.frame), ExportedStudent(whole.content)._scores(whole.frame))


def test_a_file_leaves_out_what_most_columns_have(whole):
    exported, written = ExportedStudent(whole.content), facts_of(whole.content)["columns"]
    for column, read in zip(written, exported.metadata["columns"], strict=True):
        read = {key: value for key, value in read.items() if key != "categories"}
        assert column_facts(column, "column") == column_facts(read, "column") == read
        assert column == shortened(read)
    text = {"name": "town", "kind": "categorical", "type": "STRING", "dtype": "category", "n_categories": 2}
    text |= {"input": "town_", "missing": ["nan", "<NA>"]}
    assert shortened(text) == {"name": "town", "type": "STRING", "input": "town_", "missing": ["nan", "<NA>"]} | {
        "n_categories": 2
    }
    assert any(len(column) <= 6 for column in written)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_of_the_metadata_may_be_another(whole, data):
    content, frame = whole
    facts = facts_of(content)
    path = data.draw(st.sampled_from([path for path in places(facts) if path]))
    new = data.draw(STRANGE)
    loads_or_says_why(with_text(content, json.dumps(changed(facts, path, new))), frame[:5])


@pytest.mark.parametrize(
    ("path", "new", "words"),
    [
        (("n_outputs",), 10**12, "n_outputs is 1000000000000, where a whole number"),
        (("n_outputs",), 3, "3 outputs"),
        (("columns",), ..., "has no 'columns'"),
        (("columns",), {}, "columns is {}, where a list is expected"),
        (("columns", 0, "type"), "FLOTA", r"columns\[0\].type is 'FLOTA', where one of FLOAT"),
        (("columns", 0, "input"), "none", "input"),
        (("columns", 0, "low"), 1e999, "not a number"),
        (("columns", 0, "name"), ..., r"columns\[0\] has no 'name'"),
        (("container",), "spark", "container is 'spark'"),
        (("values", "columns"), [99], "not numeric"),
        (("values", "centers"), [0.0] * 99, "centers"),
        (("task",), "ranking", "task is 'ranking'"),
        (("reference", "edges"), [2.0, 1.0], "bins"),
        (("reference", "missing"), [], "shares of other columns"),
        (("link",), "cubic", "link is 'cubic'"),
        (("least",), [0.0] * 99, "99 bounds"),
        (("rules",), packed({"columns": ["condition"], "values": [["x <= 1"], [2]]}), "rules of other columns"),
        (("rules",), packed({"columns": ["if", "rows"], "values": [["x <= 1"], []]}), "rules of other columns"),
        (("rules",), packed({"columns": ["condition"]}), "rules has no 'values'"),
        (("rules",), packed(["x"])[:-8], "rules that cannot be read"),
        (("rules",), b85encode(zlib.compress(b" " * 10**7)).decode(), "more than 256,000 bytes"),
        (("rules",), "none", "rules that cannot be read"),
    ],
)
def test_the_error_says_which_value_is_wrong(whole, path, new, words):
    content, frame = whole
    message = loads_or_says_why(with_text(content, json.dumps(changed(facts_of(content), path, new))), frame)
    assert message is not None
    assert re.search(words, message), message
    assert "edited" not in message


def test_classes_fit_the_outputs(whole):
    content, frame = whole
    facts = facts_of(content)
    if facts["task"] == "regression":
        return
    for classes, kind in (
        (["no"], "O"),
        (["no", "no"], "O"),
        (["no", None], "O"),
        (["no", "yes"], "i"),
        ([0, 2**64], "i"),
        ([0, -1], "u"),
        (["a", "b"], "x"),
        ([0.5, 1], "i"),
    ):
        message = loads_or_says_why(
            with_text(content, json.dumps(facts | {"classes": classes, "classes_dtype": kind})), frame
        )
        assert message is not None, (classes, kind)


NO_METADATA = ["", "[]", "null", "0", '"a"', "{", "[" * 100_000, '{"format":' + "[" * 100_000, '{"format": 1}', "NaN"]
NO_METADATA += ["9" * 9999, '{"format": 1, "n_outputs": NaN}', '{"format": "1"}', '{"format": true}']


@pytest.mark.parametrize("text", NO_METADATA, ids=range(len(NO_METADATA)))
def test_metadata_that_are_no_metadata(whole, text):
    content, frame = whole
    assert loads_or_says_why(with_text(content, text), frame) is not None


def external(tensor, location="weights.bin"):
    values = numpy_helper.to_array(tensor)
    for field in ("float_data", "raw_data", "int64_data", "double_data"):
        tensor.ClearField(field)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return values


def test_weights_in_another_file_are_refused(whole, tmp_path, monkeypatch):
    content, frame = whole
    model = onnx.load_from_string(content)
    tensors = [tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT]
    if not tensors:  # a tree has its numbers in attributes
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "none"))
        tensors = model.graph.initializer[-1:]
    for tensor in tensors:
        (tmp_path / "weights.bin").write_bytes(external(tensor).tobytes())
    monkeypatch.chdir(tmp_path)
    assert "its weights are in another file" in loads_or_says_why(resealed(model), frame)


def test_an_attribute_and_an_inner_graph_with_weights_in_another_file_are_refused(whole):
    content, frame = whole
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "t")
    external(tensor)
    inner = helper.make_graph([], "inner", [], [helper.make_tensor_value_info("t", 1, [3])], [tensor])
    for node in (
        helper.make_node("ConstantOfShape", [model_input(content)], ["extra"], value=tensor),
        helper.make_node("Scan", [model_input(content)], ["extra"], body=inner, num_scan_inputs=1),
    ):
        model = onnx.load_from_string(content)
        model.graph.node.append(node)
        assert "its weights are in another file" in loads_or_says_why(resealed(model), frame)


def model_input(content):
    return onnx.load_from_string(content).graph.input[0].name


@pytest.mark.parametrize("domain", ["", "com.microsoft", "evil"])
@pytest.mark.parametrize("operator", ["Loop", "If", "Tile", "Expand", "Range", "Pad", "StringConcat", "RandomNormal"])
def test_operators_that_no_student_has_are_refused(whole, operator, domain):
    content, frame = whole
    model = onnx.load_from_string(content)
    model.graph.node.append(helper.make_node(operator, [model.graph.input[0].name], ["extra"], domain=domain))
    message = loads_or_says_why(resealed(model), frame)
    assert f"{operator}', which no student has" in message


def test_shapes_out_of_measure_are_refused(whole):
    content, frame = whole
    for shape in ([10**12], [10**5, 10**5], [2**62]):
        model = onnx.load_from_string(content)
        model.graph.initializer.append(numpy_helper.from_array(np.array(shape), "large"))
        model.graph.node.append(helper.make_node("Identity", ["large"], ["larger"]))
        model.graph.node.append(helper.make_node("ConstantOfShape", ["larger"], ["extra"]))
        assert "makes more values than any student's" in loads_or_says_why(resealed(model), frame)


def test_two_graphs_and_functions_are_refused(whole):
    content, frame = whole
    for words, more in (("2 graphs", onnx.ModelProto()), ("functions", onnx.ModelProto())):
        if words == "functions":
            more.functions.add(name="f", domain="d")
        else:
            more.graph.CopyFrom(onnx.load_from_string(content).graph)
        message = loads_or_says_why(sealed(unsealed(content) + more.SerializeToString()), frame)
        assert words in message


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_byte_of_the_graph_may_be_another(whole, data):
    content, frame = whole
    body = bytearray(unsealed(content))
    graph = onnx.load_from_string(content).graph.SerializeToString()
    start = bytes(body).index(graph)
    for _ in range(data.draw(st.integers(1, 3))):
        body[start + data.draw(st.integers(0, len(graph) - 1))] = data.draw(st.integers(0, 255))
    loads_or_says_why(sealed(bytes(body)), frame[:5])


@pytest.mark.parametrize("student", [KNeighborsRegressor(3), MultiOutputRegressor(LinearRegression())])
def test_students_of_other_libraries_still_load(student, tmp_path):
    frame = numeric_frame(200).astype(np.float32)
    y = targets(frame, "pairs" if isinstance(student, MultiOutputRegressor) else "regression")
    model = DistilledRegressor(RandomForestRegressor(3), cv=None, student=student, **FAST).fit(frame, y)
    model.to_onnx(tmp_path / "m.onnx")
    exported = load(tmp_path / "m.onnx")
    assert exported.metadata["n_outputs"] == y.reshape(len(y), -1).shape[1]
    np.testing.assert_allclose(exported.predict(frame), model.predict(frame), atol=1e-4)
