"""What `mlflow models serve` and `mlflow models predict` answer to rows in JSON."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

import tabkd.mlflow
from tabkd import DistilledClassifier, DistilledRegressor, load
from tests.small_tables import mixed_frame, numeric_frame, targets

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")

# MLflow imports its parts when they are used, and they warn then.
pytestmark = pytest.mark.filterwarnings("default")


def rows_of(frame):
    """A frame as a client sends it: true, null and whole numbers, as JSON has them."""
    return json.loads(frame.to_json(orient="records"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a model that answers with probabilities, and its student."""
    X = mixed_frame(400)
    model = DistilledClassifier(student="tree", n_synthetic=300, random_state=0).fit(X, targets(X, "binary"))
    folder = tmp_path_factory.mktemp("model") / "model"
    tabkd.mlflow.save_model(model, folder, pyfunc_predict_fn="predict_proba", input_example=X[:2])
    return folder, tabkd.mlflow.load_model(str(folder))


@pytest.fixture(scope="module")
def server(saved, tmp_path_factory):
    """The address of `mlflow models serve`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--model-uri", saved[0]]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    log = tmp_path_factory.mktemp("log") / "server.txt"
    with open(log, "w") as output:
        process = subprocess.Popen(
            [*map(str, command), "--host", "127.0.0.1", "--port", address.rpartition(":")[2]],
            env=os.environ | {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=output,
            stderr=output,
            start_new_session=True,  # the server is a process of its own
        )
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"{address}/ping")
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def post(address, payload):
    """The status and the JSON that the server answers."""
    request = urllib.request.Request(
        f"{address}/invocations", json.dumps(payload).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def probabilities(answer):
    status, content = answer
    assert status == 200, content
    assert {tuple(row) for row in content["predictions"]} == {("probability_no", "probability_yes")}
    return [list(row.values()) for row in content["predictions"]]


def test_the_server_scores_text_numbers_booleans_and_missing_values(server, saved):
    rows = mixed_frame(50, seed=1)
    records, expected = rows_of(rows), saved[1].predict_proba(rows)
    assert any(None in row.values() for row in records)
    split = {"columns": list(rows), "data": [list(row.values()) for row in records]}
    for payload in ({"dataframe_records": records}, {"dataframe_split": split}, {"inputs": records}):
        np.testing.assert_allclose(probabilities(post(server, payload)), expected, atol=1e-7)


def test_the_server_reads_null_in_any_column_as_missing(server, saved):
    row = dict.fromkeys(mixed_frame(1))
    found = probabilities(post(server, {"dataframe_records": [row]}))
    np.testing.assert_allclose(found, saved[1].predict_proba([row]), atol=1e-7)
    part = probabilities(post(server, {"dataframe_records": [{"visits": 3.5, "online": True, "grade": 2}]}))
    np.testing.assert_allclose(
        part, saved[1].predict_proba([row | {"visits": 3.5, "online": True, "grade": 2}]), atol=1e-7
    )


def test_the_server_names_the_column_that_it_refuses(server):
    row = {"visits": 3, "online": True, "grade": 2}
    status, content = post(server, {"dataframe_records": [row | {"visits": "three"}]})
    assert status == 400
    assert "Column 'visits' was numeric at fit" in content["message"]
    status, content = post(server, {"dataframe_records": [{"online": True, "grade": 2}]})
    assert status == 400
    assert "Model is missing inputs ['visits']" in content["message"]


@pytest.mark.parametrize("has_names", [True, False])
def test_a_numeric_table_and_an_array_are_scored_from_json(tmp_path, has_names):
    X = numeric_frame(300)
    y = targets(X, "regression")
    given = X if has_names else X.to_numpy(float)
    model = DistilledRegressor(DecisionTreeRegressor(max_depth=4), student="tree", n_synthetic=300, random_state=0)
    model.fit(given, y).to_onnx(tmp_path / "student.onnx")
    tabkd.mlflow.save_model(tmp_path / "student.onnx", tmp_path / "model")
    records = rows_of(X[:20])
    payload = {"dataframe_records": records} if has_names else {"inputs": [list(row.values()) for row in records]}
    (tmp_path / "rows.json").write_text(json.dumps(payload))
    files = {"input_path": str(tmp_path / "rows.json"), "output_path": str(tmp_path / "scores.json")}
    mlflow.models.predict(str(tmp_path / "model"), env_manager="local", **files)
    found = json.loads((tmp_path / "scores.json").read_text())["predictions"]
    np.testing.assert_allclose(found, load(tmp_path / "student.onnx").predict(given[:20]), atol=1e-6)
