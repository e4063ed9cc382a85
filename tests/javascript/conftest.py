"""One process of Node for all tests."""

import pytest

from tests.javascript.node import Node


@pytest.fixture(scope="session")
def node():
    one = Node()
    yield one
    one.close()
