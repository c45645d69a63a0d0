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
class Report:
    """Which system can be used: `ok` or `unavailable` by name."""

    checks: dict[str, str]

    @property
    def ready(self) -> bool:
        """Whether all can."""
        return all(state == "ok" for state in self.checks.values())


class Readiness:
    """The newest report, at most `FRESH_SECONDS` old. Many who ask at once wait for the same checks."""

    def __init__(self) -> None:
        self._last: tuple[float, Report] | None = None
        self._lock = asyncio.Lock()

    async def __call__(self, application: Callable[[], Application]) -> Report:
        """Which systems can be used now."""
        async with self._lock:
            if self._last is None or time.monotonic() - self._last[0] >= FRESH_SECONDS:
                report = await _report(application)
                self._last = (time.monotonic(), report)
            return self._last[1]


async def _report(application: Callable[[], Application]) -> Report:
    try:
        checks = application().checks
    except SettingsError as error:
        log.error("health.settings %s", error)
        return Report({"settings": "unavailable"})
    states = await asyncio.gather(*(_state(name, check) for name, check in checks.items()))
    return Report(dict(zip(checks, states, strict=True)))


async def _state(name: str, check: Check) -> str:
    try:
        await check()
    except ProductError as error:
        log.warning("health.unavailable check=%s reason=%s", name, error.message)
        return "unavailable"
    return "ok"
