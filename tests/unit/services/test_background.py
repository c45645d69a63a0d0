"""What follows an answer: it waits for a pause between requests, but not for ever."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import pytest

from shared.services import background
from shared.services.advance import Advance
from shared.services.background import Background
from tests.contract.tables import row

REST, LONGEST = 0.05, 0.3


class Looked:
    """Stands where `Advance` does; when each connection was looked at."""

    def __init__(self) -> None:
        self.at: asyncio.Queue[float] = asyncio.Queue()

    async def __call__(self, *_: Any, **__: Any) -> None:
        """See `Advance`."""
        self.at.put_nowait(time.monotonic())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "REST_SECONDS", REST)
    monkeypatch.setattr(background, "LONGEST_WAIT_SECONDS", LONGEST)


async def test_it_waits_until_nothing_was_asked_for_a_moment() -> None:
    looked = Looked()
    following = Background(cast("Advance", looked))
    asked = time.monotonic()
    following.look_at(row())
    following.look_at(row("another"))
    async with asyncio.timeout(10):
        assert await looked.at.get() - asked >= REST
        await looked.at.get()


async def test_it_does_not_wait_for_ever_while_requests_keep_coming() -> None:
    looked = Looked()
    following = Background(cast("Advance", looked))
    asked = time.monotonic()
    while looked.at.empty():
        following.look_at(row())
        await asyncio.sleep(REST / 10)
        assert time.monotonic() - asked < 10
    assert looked.at.get_nowait() - asked >= REST
    await following.idle()


async def test_whoever_waits_for_it_has_it_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "REST_SECONDS", 60.0)
    monkeypatch.setattr(background, "LONGEST_WAIT_SECONDS", 60.0)
    looked = Looked()
    following = Background(cast("Advance", looked))
    for number in range(5):
        following.look_at(row(f"n-{number}"))
    async with asyncio.timeout(10):
        await following.idle()
    assert looked.at.qsize() == 5


@pytest.mark.parametrize("turns", range(8))
async def test_what_comes_as_a_worker_ends_is_looked_at_too(monkeypatch: pytest.MonkeyPatch, turns: int) -> None:
    monkeypatch.setattr(background, "AT_ONCE", 1)
    loop, looked, seen = asyncio.get_running_loop(), Looked(), list[bool]()

    async def advance(*_: Any, **__: Any) -> None:
        await looked()
        if not seen:
            seen.append(True)
            later(turns)

    def later(left: int) -> None:
        loop.call_soon(later, left - 1) if left else following.look_at(row("another"))

    following = Background(cast("Advance", advance))
    following.look_at(row())
    async with asyncio.timeout(5):
        await looked.at.get()
        await looked.at.get()
