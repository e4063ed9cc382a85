"""The example of a service, as a real server on the loopback interface."""

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from tabkd import DistilledClassifier, DistilledRegressor, load
from tests.small_tables import mixed_frame, numeric_frame, targets
from tests.test_docs import code_blocks

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "deploy" / "service.md"
GOOD = {
    "amount": 9.5,
    "visits": 3,
    "online": True,
    "age": 40,
    "member": None,
    "country": "de",
    "grade": 2,
    "shop": "food",
}


def example():
    spec = importlib.util.spec_from_file_location("service", ROOT / "examples" / "service.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fitted(estimator, X, task):
    return estimator.set_params(student="tree", n_synthetic=300, random_state=0).fit(X, targets(X, task))


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def ask(address, content=None):
    """The status and the JSON of an answer."""
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


class Server:
    """The service of a file, in a thread."""

    def __init__(self, path, **options):
        port = free_port()
        config = uvicorn.Config(example().service(path, **options), host="127.0.0.1", port=port, log_level="error")
        self._server, self._address = uvicorn.Server(config), f"http://127.0.0.1:{port}"
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self):
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join()

    def ask(self, place, content=None):
        return ask(f"{self._address}/{place}", content)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "student.onnx"
    fitted(DistilledClassifier(), mixed_frame(400), "binary").to_onnx(path, contributions=True)
    return path


@pytest.fixture(scope="module")
def server(path):
    with Server(path) as server:
        yield server


def test_a_row_is_answered_with_its_label_and_probabilities(server, path):
    status, answer = server.ask("score", GOOD | {"id": "ignored"})
    expected = load(path).predict_proba_one(GOOD)
    assert status == 200
    assert answer == {"prediction": max(expected, key=expected.get), "probabilities": expected}


def test_a_batch_is_answered_in_order(server, path):
    rows = json.loads(mixed_frame(50, seed=0).assign(amount=9.5).to_json(orient="records"))
    status, answers = server.ask("batch", rows)
    assert status == 200
    found = [list(answer["probabilities"].values()) for answer in answers]
    np.testing.assert_allclose(found, load(path).predict_proba(rows))


def test_reasons_are_the_columns_that_raised_the_score(server, path):
    values = dict(zip(GOOD, load(path).contributions([GOOD]).values[0], strict=True))
    raised = sorted((name for name in GOOD if values[name] > 0), key=values.get, reverse=True)
    assert 1 < len(raised) < len(GOOD)
    for n in (1, len(GOOD)):
        found = server.ask(f"score?reasons={n}", GOOD)[1]["reasons"]
        assert [reason["column"] for reason in found] == raised[:n]
        assert [reason["contribution"] for reason in found] == [pytest.approx(values[name]) for name in raised[:n]]


def test_numbers_at_the_ends_of_the_range_may_be_rounded(server):
    amount = server.ask("columns")[1][0]
    for end, beyond in (("lowest", -1), ("highest", 1)):
        assert server.ask("score", GOOD | {"amount": amount[end] + beyond * 1e-7})[0] == 200
        assert server.ask("score", GOOD | {"amount": amount[end] + beyond})[0] == 422


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("amount", "9.5", "is '9.5'; expected a number"),
        ("visits", True, "is True; expected a number"),
        ("online", 1, "is 1; expected a boolean"),
        ("country", 3, "is 3; expected a text"),
        ("grade", "2", "is '2'; expected a category"),
        pytest.param("visits", 10**400, "is 1000", id="huge"),
        ("visits", 500, "is 500; expected a number from 0 to 29"),
        ("country", "fr", "is 'fr'; expected one of ['de', 'at', 'ch', 'be']"),
        ("grade", 9, "is 9; expected one of [1"),
        ("visits", None, "is null, but no value was missing at fit"),
    ],
)
def test_a_row_unlike_those_at_fit_is_refused_with_its_column(server, column, value, problem):
    status, answer = server.ask("score", GOOD | {column: value})
    assert status == 422
    (found,) = answer["detail"]
    assert (found["row"], found["column"]) == (0, column)
    assert found["problem"].startswith(problem)


def test_a_batch_with_a_bad_row_names_the_row(server):
    bad = {name: value for name, value in GOOD.items() if name != "shop"}
    status, answer = server.ask("batch", [GOOD, bad])
    assert status == 422
    problem = "is not there; give null where it is missing"
    assert answer["detail"] == [{"row": 1, "column": "shop", "problem": problem}]
    assert server.ask("batch", [])[0] == 422


def test_columns_tell_a_client_what_to_send(server):
    columns = {column.pop("name"): column for column in server.ask("columns")[1]}
    assert list(columns) == list(GOOD)
    assert columns["visits"] == {"type": "number", "may_be_missing": False, "lowest": 0, "highest": 29}
    assert columns["online"] == {"type": "boolean", "may_be_missing": False}
    assert columns["country"] == {"type": "text", "may_be_missing": True, "categories": ["de", "at", "ch", "be"]}


def test_a_service_that_is_not_strict_scores_what_is_new(path):
    row = GOOD | {"visits": 500, "country": "fr", "online": None}
    with Server(path, strict=False) as server:
        assert server.ask("score", row)[1]["probabilities"] == load(path).predict_proba_one(row)
        assert server.ask("score", row | {"visits": "500"})[0] == 422
        status, answer = server.ask("score", row | {"visits": 10**400})
        assert status == 422
        assert "'visits'" in answer["detail"][0]["problem"]


def test_a_new_file_is_served_and_a_broken_one_is_not(tmp_path):
    X, path = numeric_frame(300), tmp_path / "student.onnx"
    row = json.loads(X[:1].to_json(orient="records"))[0]
    fitted(DistilledClassifier(), X, "binary").to_onnx(path)
    with Server(path) as server:
        first = server.ask("healthz")[1]
        assert (first["status"], first["task"], first["problem"]) == ("ok", "classification", None)
        status, answer = server.ask("score?reasons=1", row)
        assert status == 422
        assert "has no contributions" in answer["detail"][0]["problem"]

        path.write_bytes(b"no model")
        assert "probabilities" in server.ask("score", row)[1]
        broken = server.ask("healthz")[1]
        assert broken["sha256"] == first["sha256"]
        assert "student.onnx" in broken["problem"]

        fitted(DistilledRegressor(), X, "regression").to_onnx(path)
        assert server.ask("score", row)[1] == {"prediction": pytest.approx(load(path).predict_one(row))}
        assert server.ask("healthz")[1]["problem"] is None


def test_the_page_shows_what_its_command_answers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code_blocks(PAGE), str(PAGE), "exec"), {})
    text, port = PAGE.read_text(encoding="utf-8"), free_port()
    (setting, command), *_ = re.findall(r"^(TABKD_MODEL=\S+) (uvicorn .+) --port 8000$", text, re.M)
    process = subprocess.Popen(
        [sys.executable, "-m", *command.replace("examples", str(ROOT / "examples")).split(), "--port", str(port)],
        env=os.environ | dict([setting.split("=")]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", process)
        asked = re.findall(r"curl '?http://127.0.0.1:8000/([^' ]+).*?-d '(\{.*?\})'", text, re.S)
        shown = [json.loads(answer) for answer in re.findall(r"```json\n(.*?)```", text, re.S)]
        (status, good), (refused, bad) = [
            ask(f"http://127.0.0.1:{port}/{place}", json.loads(row)) for place, row in asked
        ]
    finally:
        process.terminate()
        process.wait()
    assert (status, refused, bad) == (200, 422, shown[1])
    assert good["probabilities"] == pytest.approx(shown[0]["probabilities"], abs=0.1)
    assert good["prediction"] == shown[0]["prediction"]
    assert [set(reason) for reason in good["reasons"]] == [set(reason) for reason in shown[0]["reasons"]]


def wait_for(address, process):
    while True:
        assert process.poll() is None
        try:
            return ask(address)
        except urllib.error.URLError:
            time.sleep(0.05)


def test_a_service_without_a_model_says_what_to_set(monkeypatch):
    monkeypatch.delenv("TABKD_MODEL", raising=False)
    with pytest.raises(ValueError, match="TABKD_MODEL is not set; give it the path"):
        example().app()
