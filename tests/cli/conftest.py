"""A table, and what the command made of it."""

import functools

import numpy as np
import pytest

from tabkd.datasets import make_card_transactions
from tabkd.evaluation import _timing as timing
from tests.cli.commands import SMALL, run


@pytest.fixture(scope="session", autouse=True)
def quick_timing():
    """Measure speed for an instant: what is tested is that it is reported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "speed", functools.partial(timing.speed, seconds=0.01))
        yield


@pytest.fixture(scope="session")
def frame():
    return make_card_transactions(1500, random_state=0).assign(
        fraud=lambda d: np.where((d["channel"] == "online") & (d["amount"] > 30), "yes", "no")
    )


@pytest.fixture(scope="session")
def table(frame, tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "payments.parquet"
    frame.to_parquet(path)
    return path


@pytest.fixture(scope="session")
def distilled(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("distilled") / "new" / "folder"
    result = run("distill", table, "--target", "fraud", "--time-column", "time_days", "--output", folder, *SMALL)
    return folder, result.stdout
