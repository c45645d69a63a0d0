"""Fixtures that many tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.azurite import running_azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of an Azurite that lives as long as the test run; use names of your own in it."""
    with running_azurite() as connection_string:
        yield connection_string
