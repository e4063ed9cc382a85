"""The gallery's examples, each run from top to bottom."""

import runpy
from pathlib import Path

import pytest

from docs import record

plt = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed: pip install -e '.[docs]'")

EXAMPLES = sorted(Path(__file__).parents[1].glob("examples/gallery/*.py"))
#: Run where the site cannot be built; their pages have the output.
RECORDED = [example for example in EXAMPLES if record.recorded(example)]


@pytest.fixture
def in_a_folder(tmp_path, monkeypatch):
    """What an example writes goes to a folder that is removed, and no window opens."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with plt.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e not in RECORDED], ids=lambda example: example.stem)
@pytest.mark.usefixtures("in_a_folder")
def test_an_example_runs(example):
    runpy.run_path(str(example))
    assert plt.get_fignums(), "the gallery needs a picture of each example"


@pytest.mark.parametrize("example", RECORDED, ids=lambda example: example.stem)
@pytest.mark.usefixtures("in_a_folder")
@pytest.mark.filterwarnings("default")  # those of AutoGluon and the libraries below it
def test_an_example_prints_what_its_page_says(example):
    pytest.importorskip("autogluon.tabular", reason="AutoGluon is not installed; .ci/autogluon runs this test")
    for expected, found in zip(record.recorded(example), record.printed(example), strict=True):
        assert record.alike(expected, found), f"run `.ci/autogluon --record`; this was printed:\n{found}"
    assert plt.get_fignums(), "the gallery needs a picture of each example"
    assert record.picture(example).exists()


PRINTING = '''"""
Two cells
=========
"""

print("rows:", 10)

# %%
# .. code-block:: none
#
#     rows: 8
#
# And then:

n = 3
print(f"{n:.1f} ms")
print("done")

# %%
# .. code-block:: none
#
#     not run yet

n += 1
'''


@pytest.fixture
def printing(tmp_path):
    """An example that prints, whose page has been written before."""
    (tmp_path / "example.py").write_text(PRINTING)
    return tmp_path / "example.py"


def test_the_output_of_each_cell_is_recorded_below_it(printing):
    assert record.recorded(printing) == ["rows: 8\n", "not run yet\n"]
    outputs = list(record.printed(printing))
    assert outputs == ["rows: 10\n", "3.0 ms\ndone\n"]
    printing.write_text(record.with_outputs(PRINTING, outputs))
    assert record.recorded(printing) == outputs
    assert list(record.printed(printing)) == outputs


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (PRINTING + "print(n)\n", r"above line 25 prints '4\\n'\. A text cell"),
        (PRINTING.replace('print("rows:", 10)', "rows = 10"), r"above line 10 prints ''\. A text cell"),
    ],
    ids=["an output without a place", "a place without an output"],
)
def test_outputs_and_their_places_belong_together(printing, example, message):
    printing.write_text(example)
    with pytest.raises(ValueError, match=message):
        list(record.printed(printing))


def test_an_error_of_an_example_names_its_line(printing):
    printing.write_text(PRINTING.replace("n = 3", "n = 3 / 0"))
    with pytest.raises(ZeroDivisionError) as caught:
        list(record.printed(printing))
    assert caught.traceback[-1].lineno + 1 == 1 + PRINTING[: PRINTING.index("n = 3")].count("\n")


@pytest.mark.parametrize(
    ("found", "same"),
    [
        ("kept 0.90 of 40 alerts", True),
        ("kept 0.99 of 44 alerts", True),
        ("kept  0.90 of 40  alerts\n", True),
        ("kept 0.60 of 40 alerts", False),
        ("kept 0.90 of 40 rows", False),
        ("kept -0.90 of 40 alerts", False),
        ("kept 0.90 of 40 alerts, 3 new", False),
    ],
)
def test_outputs_are_alike_in_words_and_nearly_in_numbers(found, same):
    assert record.alike("kept 0.90 of 40 alerts", found) is same
