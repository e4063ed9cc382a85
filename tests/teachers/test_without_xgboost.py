"""XGBoost is needed by the default teacher, and by nothing else."""

import subprocess
import sys

import pytest

from tests.small_tables import mixed_frame, targets

BLOCKED = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "xgboost":
            raise ModuleNotFoundError("No module named 'xgboost'", name="xgboost")
sys.meta_path.insert(0, Missing())
"""
TABLE = """
import numpy as np
import tabkd
from lightgbm import LGBMClassifier, LGBMRegressor
from tabkd import DistilledClassifier, DistilledRegressor
X = np.random.default_rng(0).normal(size=(200, 3))
y = X[:, 0] > 0
"""


def run(code, *arguments):
    return subprocess.run([sys.executable, "-c", BLOCKED + code, *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("student", ["mlp", "additive", "tree", "boosted_trees"])
def test_any_other_teacher_teaches_every_student_without_xgboost(student):
    code = f"""
for cls, teacher in ((DistilledClassifier, LGBMClassifier), (DistilledRegressor, LGBMRegressor)):
    model = cls(teacher(n_estimators=5, verbose=-1), student={student!r}, n_synthetic=200, random_state=0)
    model.fit(X, y if cls is DistilledClassifier else X[:, 0])
    print(len(model.predict(X)), len(model.to_onnx().graph.node) > 0, "teacher" in model.get_params(deep=True))
"""
    done = run(TABLE + code)
    assert done.stdout.splitlines() == ["200 True True"] * 2, done.stderr


@pytest.mark.parametrize("cls", ["DistilledClassifier", "DistilledRegressor"])
def test_the_default_teacher_says_what_to_install(cls):
    done = run(TABLE + f"{cls}(n_synthetic=200).fit(X, y)")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: The default teacher is the mean of LightGBM and XGBoost, but")
    for remedy in ("pip install xgboost`", "pip install xgboost-cpu", "another teacher, for example one of lightgbm"):
        assert remedy in last


def test_the_commands_distil_and_score_without_xgboost(tmp_path):
    X = mixed_frame(300)
    X.assign(label=targets(X, "binary")).to_csv(tmp_path / "rows.csv", index=False)
    command = "from tabkd._cli import app; app()"
    arguments = ("distill", str(tmp_path / "rows.csv"), "--target", "label", "--output", str(tmp_path / "out"))
    fast = ("--student", "tree", "--n-synthetic", "200")
    done = run(command, *arguments, *fast, "--teacher", "lightgbm")
    assert done.returncode == 0, done.stderr
    refused = run(command, *arguments, *fast)
    assert refused.returncode == 1
    assert "Error: The default teacher is the mean of LightGBM and XGBoost" in refused.stderr
    assert "another --teacher, for example one of lightgbm" in refused.stderr
    student, scores = str(tmp_path / "out" / "student.onnx"), str(tmp_path / "scores.csv")
    done = run(command, "score", student, str(tmp_path / "rows.csv"), "--output", scores)
    assert done.returncode == 0, done.stderr
