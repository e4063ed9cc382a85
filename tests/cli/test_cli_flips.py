"""`tabkd distill --review` and `--max-flips`: which alerts change, and when no student is written."""

import json

import numpy as np
import pytest

from tests.cli.commands import SMALL, refused, refused_later, run, write


@pytest.fixture(scope="module")
def noisy(frame, tmp_path_factory):
    """Transactions whose label no tree of a few leaves can rank like an ensemble."""
    chance = np.random.default_rng(0).random(len(frame))
    rows = frame.assign(fraud=np.where(chance < 1 / (1 + np.exp(3 - np.log1p(frame["amount"]))), "yes", "no"))
    return write(rows, tmp_path_factory.mktemp("noisy") / "payments.parquet")


def distil(table, output, *options):
    return ("distill", table, "--target", "fraud", "--teacher", "lightgbm", "--output", output, *SMALL, *options)


def test_the_budgets_of_the_user_are_reported_and_those_of_all_users_without(noisy, distilled, tmp_path):
    output = run(*distil(noisy, tmp_path / "out", "--review", "0.1", "--review", "0.05", "--max-flips", "1")).stdout
    review = json.loads((tmp_path / "out" / "report.json").read_text())["review"]
    assert [entry["budget"] for entry in review] == [0.05, 0.1]
    assert review[1]["alerts"] == 38
    assert "same alerts at 0.1" in output
    assert "of 38 (95 % interval" in output
    assert "changed alerts at 0.1" in output
    assert " \n" not in output[output.index("skill kept") :]
    of_all = json.loads((distilled[0] / "report.json").read_text())["review"]
    assert [entry["budget"] for entry in of_all] == [0.001, 0.005, 0.01, 0.05]


def test_a_student_that_changes_more_alerts_than_agreed_is_not_written(noisy, tmp_path):
    error = refused_later(*distil(noisy, tmp_path / "out", "--max-flips", "0.01", "--review", "0.1"))
    assert "of the teacher's 38 alerts at --review 0.1 (95 % interval" in error
    assert "more than --max-flips 0.01; nothing was written." in error
    assert "--n-synthetic" in error
    assert not (tmp_path / "out").exists()


def test_a_gate_that_the_test_rows_cannot_decide_is_refused_before_anything_is_fitted(noisy, tmp_path):
    error = refused_later(*distil(noisy, tmp_path / "out", "--max-flips", "0.5", "--review", "0.01"))
    assert error == (
        "Error: --max-flips needs at least 10 alerts to measure on, but --review 0.01 of 375 test rows is 4. Give "
        "1,000 test rows or more with --test or --test-size, or a larger --review.\n"
    )


def test_a_gate_needs_a_budget_and_two_classes(noisy, frame, tmp_path):
    assert "--max-flips 0.1 needs --review" in refused(*distil(noisy, tmp_path / "out", "--max-flips", "0.1"))
    three = write(frame.assign(fraud=np.arange(len(frame)) % 3), tmp_path / "three.parquet")
    options = ("--max-flips", "0.1", "--review", "0.1", "--task", "classification")
    assert "'fraud' has 3; leave it out" in refused_later(*distil(three, tmp_path / "out", *options))


@pytest.mark.parametrize("share", ["0", "1", "nan", "5"])
def test_a_budget_is_a_share_between_zero_and_one(noisy, tmp_path, share):
    assert "--review" in refused(*distil(noisy, tmp_path / "out", "--review", share), code=2)
