"""The three installations of the design page, each in an environment of its own: `pytest -m install`."""

import json
import os
import re
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tabkd import DistilledClassifier, __version__
from tests.small_tables import mixed_frame, targets

pytestmark = pytest.mark.install

ROOT = Path(__file__).parents[1]
TRAINING_LIBRARIES = {"scikit-learn", "scipy", "pandas", "jax", "jaxlib", "lightgbm", "xgboost", "onnx", "skl2onnx"}
MEGABYTES_OF_A_HOST = 450


class Environment:
    """A virtual environment without this one's packages and variables."""

    def __init__(self, folder: Path):
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)

    def run(self, *command: object, cwd: Path = ROOT) -> str:
        """The output of a command that must succeed, with the programs of this environment first."""
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TABKD"))}
        path = os.pathsep.join([str(self.folder / "bin"), keep["PATH"]])
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env=keep | {"PATH": path, "VIRTUAL_ENV": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def python(self, code: str, cwd: Path) -> str:
        """What Python code prints."""
        return self.run("python", "-c", code, cwd=cwd)

    def packages(self) -> dict[str, str]:
        """The version of each installed distribution."""
        listed = json.loads(self.run("python", "-m", "pip", "list", "--format", "json"))
        return {package["name"]: package["version"] for package in listed}

    def megabytes(self) -> int:
        """What the folder takes on the disk."""
        return int(self.run("du", "-sm", self.folder).split()[0])

    def files(self, package: str) -> dict[str, str]:
        """A checksum of each file of an installed package."""
        (folder,) = self.folder.glob(f"lib/python*/site-packages/{package}")
        found = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture(scope="module", autouse=True)
def package_index(tmp_path_factory):
    """Skip where packages cannot be had, except in CI."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--retries", "0"]
    folder = tmp_path_factory.mktemp("index")
    done = subprocess.run([*command, "--dest", folder, "filelock"], capture_output=True, text=True, check=False)
    if done.returncode and not os.environ.get("CI"):
        reason = done.stderr.strip().splitlines()[-1]
        pytest.skip(f"pip reaches no package index, and these tests install packages: {reason}")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """The wheel of each distribution."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*pip, folder, ROOT], check=True)
    subprocess.run([*pip, folder, ROOT / "tabkd"], check=True)
    return {path.name.split("-")[0]: zipfile.ZipFile(path) for path in folder.glob("*.whl")}


def package_of(wheel: zipfile.ZipFile) -> dict[str, bytes]:
    """The files of a wheel, without what is written about them."""
    return {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}


def described(wheel: zipfile.ZipFile, file: str) -> str:
    """A file of a wheel's metadata."""
    (name,) = (name for name in wheel.namelist() if name.endswith(f".dist-info/{file}"))
    return wheel.read(name).decode()


def git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_both_wheels_hold_the_package_and_nothing_else(wheels):
    package = package_of(wheels["tabkd"])
    assert package == package_of(wheels["tabkd_core"])
    shipped = {".py", ".js", ".css", ".html"}
    sources = {f for f in git("ls-files", "tabkd") if Path(f).suffix in shipped or f.endswith("py.typed")}
    assert set(package) == sources


@pytest.mark.parametrize("name", ["tabkd", "tabkd_core"])
def test_a_wheel_has_the_version_and_the_licence(wheels, name):
    metadata = described(wheels[name], "METADATA").splitlines()
    assert {f"Version: {__version__}", "License-Expression: BSD-3-Clause"} <= set(metadata)
    assert described(wheels[name], "licenses/LICENSE") == (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_building_leaves_no_files_behind(wheels):
    left = [line for line in git("status", "--porcelain", "--ignored", "tabkd") if line.startswith(("??", "!!"))]
    assert [line for line in left if "__pycache__" not in line] == []


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a student, of rows as a Parquet file, and its scores of them by the model in Python."""
    folder = tmp_path_factory.mktemp("model")
    table = mixed_frame(600)
    student = DistilledClassifier(student="tree", n_synthetic=500, random_state=0).fit(table, targets(table, "binary"))
    student.to_onnx(folder / "student.onnx")
    rows = mixed_frame(50, seed=1)
    rows.to_parquet(folder / "rows.parquet", index=False)
    return folder, student.predict_proba(rows)[:, 1]


def run_lines(dockerfile: Path) -> list[str]:
    """The commands that a Dockerfile runs."""
    return re.findall(r"^RUN (.+)$", dockerfile.read_text(encoding="utf-8"), re.M)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A host that only scores, made by the lines of the example's Dockerfile."""
    environment = Environment(tmp_path_factory.mktemp("host") / "venv")
    for line in run_lines(ROOT / "examples" / "scoring-host" / "Dockerfile"):
        environment.run("sh", "-c", line)
    return environment


def test_the_dockerfile_of_the_host_installs_and_checks():
    assert run_lines(ROOT / "examples" / "scoring-host" / "Dockerfile") == [
        "python -m pip install --no-cache-dir ./tabkd",
        "python -m pip check",
    ]


def test_a_host_is_small_and_has_no_library_for_training(host):
    assert TRAINING_LIBRARIES.isdisjoint(host.packages())
    assert host.megabytes() <= MEGABYTES_OF_A_HOST


def test_a_host_scores_files(host, model, tmp_path):
    folder, expected = model
    host.run("tabkd", "score", folder / "student.onnx", folder / "rows.parquet", "--output", "s.parquet", cwd=tmp_path)
    scores = pq.read_table(tmp_path / "s.parquet")
    assert scores["probability_yes"].to_pylist() == pytest.approx(expected, abs=1e-5)


def test_a_host_inspects_a_student(host, model, tmp_path):
    assert "country" in host.run("tabkd", "inspect", model[0] / "student.onnx", cwd=tmp_path)


def test_a_host_scores_arrow_tables_and_dicts(host, model):
    code = """
import json, pyarrow.parquet as pq, tabkd
student, rows = tabkd.load("student.onnx"), pq.read_table("rows.parquet")
print(json.dumps([student.predict_proba(x)[:, 1].tolist() for x in (rows, rows.to_pydict(), rows.to_pylist())]))
"""
    folder, expected = model
    for scores in json.loads(host.python(code, cwd=folder)):
        assert scores == pytest.approx(expected, abs=1e-5)


@pytest.fixture(scope="module")
def beside_xgboost(tmp_path_factory):
    """An environment that had an XGBoost of its own, its packages and files before, and tabkd in it."""
    environment = Environment(tmp_path_factory.mktemp("beside_xgboost") / "venv")
    environment.run("python", "-m", "pip", "install", "--quiet", "xgboost-cpu<3.2")  # not the newest one
    before = environment.packages(), environment.files("xgboost")
    environment.run("python", "-m", "pip", "install", "--quiet", "./tabkd[distil]")
    environment.run("python", "-m", "pip", "check")
    return environment, *before


def test_the_xgboost_of_an_environment_stays_as_it_was(beside_xgboost):
    environment, packages, files = beside_xgboost
    assert packages.items() <= environment.packages().items()
    assert "xgboost" not in environment.packages()
    assert environment.files("xgboost") == files


@pytest.mark.parametrize(
    "teacher", ["None", "RandomForestClassifier(20, random_state=0)", "LGBMClassifier(n_estimators=20, verbosity=-1)"]
)
def test_distilling_beside_another_xgboost(beside_xgboost, tmp_path, teacher):
    code = f"""
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from tabkd import DistilledClassifier, load
X, y = load_breast_cancer(return_X_y=True, as_frame=True)
model = DistilledClassifier({teacher}, n_synthetic=1000, random_state=0).fit(X, y)
model.to_onnx("student.onnx")
print((load("student.onnx").predict(X) == y).mean())
"""
    assert float(beside_xgboost[0].python(code, cwd=tmp_path)) > 0.9


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """The environment of a person who distils in a notebook."""
    environment = Environment(tmp_path_factory.mktemp("notebook") / "venv")
    environment.run("python", "-m", "pip", "install", "--quiet", ".")
    environment.run("python", "-m", "pip", "check")
    return environment


def test_the_code_of_the_readme_runs_in_a_new_notebook(notebook, tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S | re.M)
    notebook.python("\n".join(blocks), cwd=tmp_path)
    assert (tmp_path / "student.onnx").is_file()


def test_every_installation_of_these_tests_is_documented():
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    assert re.findall(r"\| `pip install ('?\./?.*?)` \|", page) == [".", "./tabkd", "'./tabkd[distil]'"]
