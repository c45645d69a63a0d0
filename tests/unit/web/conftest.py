"""What the tests of the endpoints share."""

from __future__ import annotations

import pytest

from tests.unit.web.api import Api


@pytest.fixture
def api() -> Api:
    """The endpoints over fakes."""
    return Api()
