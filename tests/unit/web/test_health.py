"""Readiness is honest, and cheap whoever asks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from shared.domain.errors import UpstreamUnavailable
from shared.settings import SettingsError
from shared.web import health
from shared.web.application import Application
from shared.web.health import FRESH_SECONDS, Readiness
from tests.fakes.application import fake_application
from tests.unit.web.requests import TrustingAuth


class Stopwatch:
    """The seconds that readiness counts, moved by the test."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        patch.setattr(health, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    return Stopwatch(monkeypatch)


class Checks:
    """Systems that can be used, or not; counts who asks."""

    def __init__(self, *broken: str) -> None:
        self.broken = set(broken)
        self.asked = 0
        self.watch: Stopwatch | None = None
        self.takes_seconds = 0.0
        usual = fake_application(auth=TrustingAuth()).app
        self.application = replace(usual, checks={"storage": self.storage, "keyVault": self.key_vault})

    async def storage(self) -> None:
        await self._check("storage")

    async def key_vault(self) -> None:
        await self._check("keyVault")

    async def _check(self, name: str) -> None:
        self.asked += 1
        await asyncio.sleep(0)  # others ask meanwhile
        if self.watch:
            self.watch.now += self.takes_seconds
        if name in self.broken:
            raise UpstreamUnavailable(name)


async def test_it_is_ready_when_every_system_can_be_used() -> None:
    report = await Readiness()(lambda: Checks().application)
    assert (report.ready, report.checks) == (True, {"storage": "ok", "keyVault": "ok"})


async def test_the_system_that_cannot_be_used_is_named() -> None:
    report = await Readiness()(lambda: Checks("keyVault").application)
    assert (report.ready, report.checks) == (False, {"storage": "ok", "keyVault": "unavailable"})


async def test_who_asks_often_is_told_the_last_answer_for_ten_seconds(watch: Stopwatch) -> None:
    checks, readiness = Checks("storage"), Readiness()
    for _ in range(50):
        await readiness(lambda: checks.application)
    watch.now += FRESH_SECONDS - 0.1
    assert not (await readiness(lambda: checks.application)).ready
    assert checks.asked == 2
    checks.broken.clear()
    watch.now += 0.1
    assert (await readiness(lambda: checks.application)).ready


@pytest.mark.parametrize("broken", [(), ("storage",), ("storage", "keyVault")])
async def test_two_hundred_who_ask_at_once_wait_for_one_run_of_each_check(broken: tuple[str, ...]) -> None:
    checks, readiness = Checks(*broken), Readiness()
    reports = await asyncio.gather(*(readiness(lambda: checks.application) for _ in range(200)))
    assert checks.asked == 2
    assert {report.ready for report in reports} == {not broken}


async def test_even_checks_that_take_longer_than_an_answer_stays_fresh_run_once_for_all_who_wait(
    watch: Stopwatch,
) -> None:
    checks, readiness = Checks("storage", "keyVault"), Readiness()
    checks.watch, checks.takes_seconds = watch, FRESH_SECONDS + 5
    await asyncio.gather(*(readiness(lambda: checks.application) for _ in range(20)))
    assert checks.asked == 2


async def test_unusable_settings_are_not_ready_and_not_shown() -> None:
    def application() -> Application:
        raise SettingsError("VAULT_URL: Field required")

    report = await Readiness()(application)
    assert (report.ready, report.checks) == (False, {"settings": "unavailable"})
