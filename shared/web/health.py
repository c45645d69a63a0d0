"""Readiness: each check asked at most every ten seconds, whoever asks, since the route is open to anybody."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.domain.errors import ProductError
from shared.settings import SettingsError
from shared.web.application import Application, Check

log = logging.getLogger(__name__)

FRESH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """Which system can be used: `ok` or `unavailable` by name."""

    checks: dict[str, str]

    @property
    def ready(self) -> bool:
        """Whether all can."""
        return all(state == "ok" for state in self.checks.values())


_last: tuple[float, Readiness] | None = None


async def readiness(application: Callable[[], Application]) -> Readiness:
    """The newest answer, at most `FRESH_SECONDS` old."""
    global _last  # noqa: PLW0603 -- one answer per process is the point
    now = time.monotonic()
    if _last is not None and now - _last[0] < FRESH_SECONDS:
        return _last[1]
    try:
        checks = application().checks
    except SettingsError as error:
        log.error("health.settings %s", error)
        return Readiness({"settings": "unavailable"})
    states = await asyncio.gather(*(_state(name, check) for name, check in checks.items()))
    _last = (now, Readiness(dict(zip(checks, states, strict=True))))
    return _last[1]


async def _state(name: str, check: Check) -> str:
    try:
        await check()
    except ProductError as error:
        log.warning("health.unavailable check=%s reason=%s", name, error.message)
        return "unavailable"
    return "ok"
