"""What the tests of the distilled estimators share."""

import pytest
import sklearn

from tests.distilled.quick import Recording
from tests.small_tables import numeric_frame, targets


@pytest.fixture(scope="module", name="X")
def numeric_table():
    return numeric_frame(300)


@pytest.fixture(scope="module")
def y(X):
    return targets(X, "binary")


@pytest.fixture(autouse=True)
def fits(monkeypatch):
    monkeypatch.setattr(Recording, "fits", [])
    return Recording.fits


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield
