"""The gallery's examples, each run from top to bottom."""

import runpy
from pathlib import Path

import pytest

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install -e '.[docs]'")

EXAMPLES = sorted(Path(__file__).parents[1].glob("examples/gallery/*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_runs(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with matplotlib.rc_context({"backend": "agg"}):
        runpy.run_path(str(example))
        drawn = matplotlib.pyplot.get_fignums()
        matplotlib.pyplot.close("all")
    assert drawn, "the gallery needs a picture of each example"
