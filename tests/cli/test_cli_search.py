"""`tabkd distill --max-bytes`, `--max-latency` and `--keep`: a student is looked for."""

import json

import pytest

from tests.cli.commands import refused, refused_later, run, write


@pytest.fixture(scope="module")
def table(frame, tmp_path_factory):
    return write(frame, tmp_path_factory.mktemp("search") / "payments.parquet")


def distil(table, output, *options):
    given = ("--teacher", "lightgbm", "--n-synthetic", "500", "--n-jobs", "1", "--student", "tree")
    return ("distill", table, "--target", "fraud", "--output", output, *given, *options)


def test_the_file_is_within_the_budget_and_the_report_has_the_front(table, tmp_path):
    run(*distil(table, tmp_path / "out", "--max-bytes", "26k", "--max-latency", "50ms"))
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (tmp_path / "out" / "student.onnx").stat().st_size == report["n_bytes"] <= 26_000
    assert {entry["student"] for entry in report["front"]} == {"tree"}
    assert sum(entry["chosen"] for entry in report["front"]) == 1
    assert "Smaller and larger students" in (tmp_path / "out" / "report.html").read_text()


def test_a_budget_that_no_student_meets_is_named_as_it_was_given(table, tmp_path):
    error = refused_later(*distil(table, tmp_path / "out", "--max-bytes", "0.1k", "--keep", "0.5"))
    assert "--max-bytes 100, --keep 0.5" in error
    assert "The nearest is tree(max_leaf_nodes=16)" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--max-bytes", "20 apples", "'20 apples' is not a size above zero, such as 20k or 1.5MB."),
        ("--max-bytes", "0", "'0' is not a size above zero"),
        ("--max-latency", "20", "'20' is not a time above zero, such as 20us or 0.5ms."),
        ("--keep", "98", "98.0 is not in the range"),
    ],
)
def test_a_value_that_is_no_budget_is_refused(table, tmp_path, option, value, message):
    error = refused(*distil(table, tmp_path / "out", option, value), code=2)
    assert option in error
    assert message in " ".join(error.replace("│", " ").split())


def test_quantities_have_units():
    from tabkd._cli.budget import BYTES, MICROSECONDS

    assert [BYTES.convert(text, None, None) for text in ("20k", "1.5MB", "2 KiB", "300")] == [20e3, 1.5e6, 2048, 300]
    assert [MICROSECONDS.convert(text, None, None) for text in ("20us", "20µs", ".5ms")] == [20, 20, 500]
