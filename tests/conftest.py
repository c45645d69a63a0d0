"""Fixtures that many tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.azurite import running_azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of an Azurite that lives as long as the test run; use names of your own in it."""
    with running_azurite() as connection_string:
        yield connection_string


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many fault points and interleavings the tests in tests/faults went through."""
    for name in ("fault_points", "interleavings"):
        counted = sum(
            int(value)
            for report in terminalreporter.getreports("passed")
            for known, value in report.user_properties
            if known == name
        )
        if counted:
            terminalreporter.write_line(f"{counted} {name.replace('_', ' ')}")
