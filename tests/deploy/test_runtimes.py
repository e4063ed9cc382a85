"""The page on other runtimes: its programs score like `tabkd.load`."""

import json
import os
import re
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from tabkd import DistilledClassifier, ExportedStudent, load
from tests.browser import chromium, needs_browser
from tests.cli.commands import run as tabkd
from tests.export.hard import FAST, classifier, fast_students
from tests.javascript.node import NODE, needs_node, records
from tests.small_tables import mixed_frame, numeric_frame, targets

PAGE = Path(__file__).parents[2] / "docs" / "deploy" / "runtimes.md"
MODELS = ("student.onnx", "numbers.onnx")
#: Where packages of npm are, of which the tests install none.
PACKAGES = Path(os.environ.get("NODE_PATH", "node_modules"))
UNSEEN = [None, "lottery", "<NA>", "ｆｕｅｌ", "Fuel", ""]


def blocks(language):
    """The code of the page in one language, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)


def hard(rows):
    """The rows with missing values, categories that were not there at fit, and numbers far away."""
    for i, row in enumerate(rows):
        if i % 2:
            row["merchant_category"] = UNSEEN[i // 2 % len(UNSEEN)]
        if i % 3 == 0:
            row |= {"channel": None, "currency": None, "customer_age": None, "abroad": not row["abroad"]}
        if i % 5 == 0:
            row |= {"amount": -1e30, "amount_to_usual": None, "hour": 2.5, "abroad": None}
    return rows


@pytest.fixture(scope="module")
def page_tables(tmp_path_factory):
    """A folder with the models of the page, and rows that are hard to read."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(blocks("python")[0], str(PAGE), "exec"), {})
    rows = hard(json.loads((folder / "rows.json").read_text()))
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def tables_of_every_type(tmp_path_factory):
    """The same with categories that are numbers, and with a column whose input is double."""
    folder = tmp_path_factory.mktemp("types")
    time = 1.7e9 + np.arange(300.0) % 50
    numbers, mixed = numeric_frame(300).assign(time=time), mixed_frame(300).assign(time=time)
    y = targets(mixed, "binary")
    student = fast_students()["mlp"]
    DistilledClassifier(student=student, **FAST).fit(mixed, y).to_onnx(folder / "student.onnx")
    classifier("tree").fit(numbers, y).to_onnx(folder / "numbers.onnx")
    rows = records(mixed.assign(share=numbers["share"].where(time % 3 > 0)))
    for row in rows[::3]:
        row |= {"grade": 9 if row["online"] else None, "country": "fr"}
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


@pytest.fixture(params=["page_tables", "tables_of_every_type"])
def folder(request):
    return request.getfixturevalue(request.param)


def assert_like_load(printed, folder, models=MODELS, atol=1e-6):
    """A program printed the probabilities that `tabkd.load` gives, one line for each model."""
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    lines = printed.splitlines()
    assert len(lines) == len(models)
    for name, line in zip(models, lines, strict=True):
        expected = load(folder / name).predict_proba(rows)
        assert expected[:, 1].std() > 0.01
        np.testing.assert_allclose(json.loads(line), expected, rtol=0, atol=atol)


def needs_package(name):
    return pytest.mark.skipif(
        not (PACKAGES / name).is_dir(),
        reason=f"{name} is not in the folder that NODE_PATH names (npm install --ignore-scripts {name})",
    )


@pytest.fixture
def programs(folder):
    """The folder with the JavaScript and HTML of the page, and the packages of npm."""
    page = blocks("html")[0]
    codes = {re.match(r"// (\S+)", code)[1]: code for code in blocks("js")} | {"page.html": page}
    columns = json.dumps([column["name"] for column in load(folder / "numbers.onnx").metadata["columns"]])
    for name, code in codes.items():
        text = re.sub(r"(?<=const columns = )\[.*\]", columns, code)
        (folder / name).write_text(text, encoding="utf-8")
    if PACKAGES.is_dir() and not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(PACKAGES.resolve())
    return folder


@pytest.fixture
def address(programs):
    """The address of a web server of the folder."""
    handler = partial(SilentHandler, directory=programs)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class SilentHandler(SimpleHTTPRequestHandler):
    """What `python -m http.server` answers with, without its log."""

    def log_message(self, *args):
        pass


def run(*command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def without(module):
    """A line of code after which a module cannot be imported."""
    return f"import sys; sys.modules[{module!r}] = None\n"


def test_onnx_runtime_alone_scores_like_load(folder):
    code = without("tabkd") + blocks("python")[1]
    assert_like_load(run(sys.executable, "-I", "-c", code, folder=folder), folder)


@needs_node
@needs_package("onnxruntime-node")
def test_onnx_runtime_in_node_scores_like_load(programs):
    assert_like_load(run(NODE, "score.mjs", folder=programs), programs)


@needs_node
@needs_package("onnxruntime-web")
def test_webassembly_in_node_scores_like_load(programs):
    code = (programs / "score.mjs").read_text(encoding="utf-8").replace("onnxruntime-node", "onnxruntime-web")
    (programs / "web.mjs").write_text(code, encoding="utf-8")
    assert_like_load(run(NODE, "web.mjs", folder=programs), programs)


@needs_browser
@needs_package("onnxruntime-web")
def test_webassembly_in_a_browser_scores_like_load(address, programs):
    elements = chromium(f"{address}/page.html", "--dump-dom", "--virtual-time-budget=60000")
    assert_like_load(re.search(r'<pre id="scores">(.*?)</pre>', elements, re.S)[1], programs)


@needs_node
def test_the_script_without_a_runtime_scores_like_load(programs):
    tabkd("export", programs / "student.onnx", "--to", "js", "--output", programs / "student.js")
    assert_like_load(run(NODE, "plain.cjs", folder=programs), programs, models=MODELS[:1], atol=1e-5)


@pytest.fixture
def openvino(monkeypatch):
    """OpenVINO, which sends nothing over a network when it is imported without its package of telemetry."""
    monkeypatch.setitem(sys.modules, "openvino_telemetry", None)
    return pytest.importorskip("openvino", reason="openvino is not installed (pip install openvino)")


def test_openvino_scores_a_network_of_numbers_like_load(page_tables, openvino):
    code = without("openvino_telemetry") + blocks("python")[2]
    assert_like_load(run(sys.executable, "-c", code, folder=page_tables), page_tables, MODELS[1:], atol=2e-7)


@pytest.mark.parametrize("student", ["additive", "mlp"])
def test_openvino_is_right_for_float_inputs_and_wrong_for_double_ones(student, openvino):
    X = numeric_frame(300)
    for frame, wrong in ((X, False), (X.assign(time=1.7e9 + np.arange(300.0) % 50), True)):
        model = classifier(student).fit(frame, targets(X, "binary"))
        content = model.to_onnx().SerializeToString()
        core, exact = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = core.compile_model(core.read_model(content), "CPU", exact)
        assert (compiled.input("X").element_type == openvino.Type.f64) == wrong
        rows = frame.assign(share=frame["share"].where(frame["visits"] % 3 > 0))  # some are missing
        scores = compiled({"X": rows.to_numpy(np.float64 if wrong else np.float32)})["probabilities"]
        off = np.abs(scores - ExportedStudent(content).predict_proba(rows)).max()
        assert off > 0.001 if wrong else off <= 2e-7


def test_bfloat16_is_too_coarse_for_scores(page_tables, openvino):
    coarse = {"INFERENCE_PRECISION_HINT": "bf16"}
    model = openvino.Core().compile_model(page_tables / "numbers.onnx", "CPU", coarse)
    if model.get_property("INFERENCE_PRECISION_HINT") != openvino.Type.bf16:
        pytest.skip("OpenVINO has no bfloat16 on this processor")
    code = without("openvino_telemetry") + blocks("python")[2].replace('"f32"', '"bf16"')
    printed = run(sys.executable, "-c", code, folder=page_tables)
    with pytest.raises(AssertionError, match="Mismatch"):
        assert_like_load(printed, page_tables, MODELS[1:], atol=1e-4)


def test_openvino_refuses_categories_and_trees(page_tables, openvino):
    message = "No conversion rule found for operations: ai.onnx.ml.LabelEncoder"
    assert message in PAGE.read_text(encoding="utf-8").replace("\n", " ")
    with pytest.raises(RuntimeError, match=f"{message}, ai.onnx.ml.TreeEnsembleRegressor"):
        openvino.Core().read_model(page_tables / "student.onnx")
