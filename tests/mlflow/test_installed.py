"""tabkd.mlflow where MLflow is not installed."""

import subprocess
import sys

import pytest

import tabkd.mlflow


def test_importing_the_module_imports_neither_mlflow_nor_what_training_needs():
    code = "import sys, tabkd.mlflow; print({'mlflow', 'pandas', 'sklearn', 'jax', 'onnx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "use",
    [
        lambda: tabkd.mlflow.save_model("student.onnx", "model"),
        lambda: tabkd.mlflow.log_model("student.onnx", "student"),
        lambda: tabkd.mlflow.load_model("model"),
    ],
)
def test_a_missing_mlflow_is_named_with_the_command_that_installs_it(use, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"needs MLflow, which is not installed; `pip install 'mlflow>=3\.17'`"
    ):
        use()
