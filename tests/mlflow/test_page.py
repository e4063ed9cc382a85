"""The page on MLflow: its code, and the rows that it posts."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.test_docs import code_blocks

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")

# MLflow imports its parts when they are used, and they warn then.
pytestmark = pytest.mark.filterwarnings("default")

PAGE = Path(__file__).parents[2] / "docs" / "deploy" / "mlflow.md"


def test_the_code_of_the_page_runs_and_its_request_has_the_answer_of_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    namespace = {}
    exec(compile(code_blocks(PAGE), str(PAGE), "exec"), namespace)
    X = namespace["X"]
    np.testing.assert_array_equal(namespace["function"].predict(X), namespace["student"].predict_proba(X))

    text = PAGE.read_text(encoding="utf-8")
    Path("rows.json").write_text(re.search(r"-d '(\{.*?\})'\n```", text, re.S)[1])
    mlflow.models.predict("models:/fraud/1", input_path="rows.json", output_path="scores.json", env_manager="local")
    scores = json.loads(Path("scores.json").read_text())["predictions"]
    shown = json.loads(re.search(r"```json\n(.*?)```", text, re.S)[1])["predictions"]
    assert [list(row) for row in scores] == [list(row) for row in shown]
    np.testing.assert_allclose([list(row.values()) for row in scores], [list(row.values()) for row in shown], atol=0.1)
