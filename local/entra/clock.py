"""The clock, which tests replace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Now, in UTC."""


SKEW_SECONDS = 300
"""How far clocks may be apart: what Microsoft's own token validation allows."""


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)
