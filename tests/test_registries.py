"""What lists students and augmenters lists all of them."""

import re
from pathlib import Path

import numpy as np
import pytest

from tabkd import DistilledClassifier, DistilledRegressor
from tabkd.augment import AUGMENTERS
from tabkd.students import STUDENTS
from tests.distilled.quick import QUICK
from tests.export.hard import fast_students
from tests.students.test_students import SMALL

ROOT = Path(__file__).parents[1]
REGISTRIES = {"student": STUDENTS, "augmenter": AUGMENTERS}


@pytest.mark.parametrize("parameter", REGISTRIES)
@pytest.mark.parametrize("estimator", [DistilledClassifier, DistilledRegressor])
def test_docstrings_name_each(estimator, parameter):
    line = re.search(rf"^ *{parameter} : \{{(.*?)\}}", estimator.__doc__, re.MULTILINE)
    assert sorted(re.findall(r'"(\w+)"', line[1])) == sorted(REGISTRIES[parameter])


@pytest.mark.parametrize("parameter", REGISTRIES)
def test_errors_name_each(parameter):
    model = DistilledClassifier(**{parameter: "other"})
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter") as error:
        model.fit(np.zeros((4, 1)), [0, 1, 0, 1])
    for name in REGISTRIES[parameter]:
        assert repr(name) in str(error.value)


@pytest.mark.parametrize("students", [QUICK, fast_students(), SMALL], ids=["distilled", "export", "students"])
def test_tests_run_over_each(students):
    assert list(students) == list(STUDENTS)


@pytest.mark.parametrize("parameter", REGISTRIES)
def test_the_guide_has_a_table_of_each(parameter):
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "guide").glob("*.md"))
    for name, entry in REGISTRIES[parameter].items():
        assert f'| `"{name}"` | `{entry.__name__}` |' in text


@pytest.mark.parametrize("parameter", REGISTRIES)
def test_a_further_one_is_one_entry(parameter, monkeypatch):
    """No copy of the names is made: what a registry gains can be named, and has parameters of its own."""
    first, entry = next(iter(REGISTRIES[parameter].items()))
    monkeypatch.setitem(REGISTRIES[parameter], "further", entry)
    model = DistilledClassifier(**{parameter: "further"})
    expected = DistilledClassifier(**{parameter: first}).get_params(deep=True)
    assert set(model.get_params(deep=True)) == set(expected)
