"""Files that released versions wrote are scored as they were then."""

import json
import re

import numpy as np
import pytest

from tabkd import load
from tests.released.write import HERE, found

FILES = sorted(HERE.glob("*/*.onnx"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_a_file_of_a_released_version_scores_as_it_did(path):
    folder = path.parent
    rows, expected = (json.loads((folder / name).read_text("utf-8")) for name in ("rows.json", "scores.json"))
    now, then = found(load(path), rows), expected[path.name]
    np.testing.assert_allclose(now["scores"], then["scores"], rtol=1e-5, atol=1e-6)
    if isinstance(then["predictions"][0], str):
        assert now["predictions"] == then["predictions"]
    assert now["further"].keys() == then["further"].keys()
    for name, values in then["further"].items():
        np.testing.assert_allclose(now["further"][name], values, rtol=1e-4, atol=1e-5)


def test_each_released_version_left_its_files():
    changelog = (HERE.parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## (\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)$", changelog, re.MULTILINE)
    assert sorted(released) == sorted({path.parent.name for path in FILES})
    assert released


def test_every_file_of_a_released_version_has_scores():
    for folder in {path.parent for path in FILES}:
        scores = json.loads((folder / "scores.json").read_text("utf-8"))
        assert scores.keys() == {path.name for path in folder.glob("*.onnx")}


def test_the_citation_names_the_newest_release():
    root = HERE.parents[1]
    release = re.search(r"^## (\S+) \((\S+)\)$", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {release[1]}\ndate-released: {release[2]}\n" in citation
