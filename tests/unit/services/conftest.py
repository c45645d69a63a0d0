"""Fixtures of the tests of the use cases."""

from __future__ import annotations

import pytest

from tests.fakes.application import FakeApplication, fake_application


@pytest.fixture
def world() -> FakeApplication:
    """An application over fakes, with nothing in it."""
    return fake_application()
