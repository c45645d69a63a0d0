"""Readiness is honest, and cheap whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from shared.domain.errors import UpstreamUnavailable
from shared.settings import SettingsError
from shared.web import health
from shared.web.application import Application
from tests.fakes.application import fake_application
from tests.unit.web.requests import TrustingAuth


class Checks:
    """Systems that can be used, or not; counts who asks."""

    def __init__(self, *broken: str) -> None:
        self.broken = set(broken)
        self.asked = 0
        usual = fake_application(auth=TrustingAuth()).app
        self.application = replace(usual, checks={"storage": self.storage, "keyVault": self.key_vault})

    async def storage(self) -> None:
        await self._check("storage")

    async def key_vault(self) -> None:
        await self._check("keyVault")

    async def _check(self, name: str) -> None:
        self.asked += 1
        if name in self.broken:
            raise UpstreamUnavailable(name)


@pytest.fixture(autouse=True)
def _nobody_asked_before() -> Iterator[None]:
    health._last = None
    yield
    health._last = None


async def test_it_is_ready_when_every_system_can_be_used() -> None:
    report = await health.readiness(lambda: Checks().application)
    assert (report.ready, report.checks) == (True, {"storage": "ok", "keyVault": "ok"})


async def test_the_system_that_cannot_be_used_is_named() -> None:
    report = await health.readiness(lambda: Checks("keyVault").application)
    assert (report.ready, report.checks) == (False, {"storage": "ok", "keyVault": "unavailable"})


async def test_who_asks_often_is_told_the_last_answer_for_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("shared.web.health.time.monotonic", lambda: now)
    checks = Checks("storage")
    for _ in range(50):
        await health.readiness(lambda: checks.application)
    assert checks.asked == 2
    checks.broken.clear()
    now += health.FRESH_SECONDS
    assert (await health.readiness(lambda: checks.application)).ready


async def test_unusable_settings_are_not_ready_and_not_shown() -> None:
    def application() -> Application:
        raise SettingsError("VAULT_URL: Field required")

    report = await health.readiness(application)
    assert (report.ready, report.checks) == (False, {"settings": "unavailable"})
