"""Two distributions of one package: `pyproject.toml` makes tabkd, `tabkd/pyproject.toml` makes tabkd-core."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


FULL, CORE = project(ROOT), project(ROOT / "tabkd")


def test_the_requirements_of_tabkd_are_those_of_tabkd_core_with_distil_and_xgboost():
    distil = [*CORE["dependencies"], *CORE["optional-dependencies"]["distil"]]
    assert sorted(FULL["dependencies"]) == sorted([*distil, "xgboost>=3.0"])


def test_the_extras_of_users_are_the_same():
    extras = {name: FULL["optional-dependencies"][name] for name in CORE["optional-dependencies"] if name != "distil"}
    assert extras == {name: needs for name, needs in CORE["optional-dependencies"].items() if name != "distil"}
    assert set(FULL["optional-dependencies"]) - set(extras) == {"test", "benchmark", "docs", "dev"}


@pytest.mark.parametrize(
    "field", ["requires-python", "license", "authors", "keywords", "classifiers", "scripts", "dynamic"]
)
def test_both_say_the_same_about_the_package(field):
    assert FULL[field] == CORE[field]


def test_the_licence_of_tabkd_core_is_the_licence_of_the_project():
    assert (ROOT / "tabkd" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_no_message_has_tabkd_installed_over_tabkd_core():
    naming = {path.name for path in (ROOT / "tabkd").rglob("*.py") if "tabkd[" in path.read_text(encoding="utf-8")}
    assert naming == set(), "name the missing package itself: the user may have either distribution"
