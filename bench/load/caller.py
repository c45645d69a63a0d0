"""The program that calls: each request once, with the time that it took."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from types import TracebackType
from typing import Any, Self

import aiohttp

from bench.load.expectations import unexpected
from bench.load.ledger import Change, Ledger, Wish
from bench.load.samples import NO_ANSWER, Phase, Sample, Samples
from local.client import KEY_VAULT

PATIENCE_SECONDS = 60.0
"""Longer than any answer takes, all retries of the product's own calls included."""


class Caller:
    """Speaks to the API of one stack, and writes down each answer."""

    def __init__(self, api: str, token: str, ledger: Ledger) -> None:
        self.samples = Samples()
        self.ledger = ledger
        self.phase = Phase.SEARCH
        self.host_up = asyncio.Event()
        self._api = api
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        )
        # aiohttp asks again by itself, and tells nobody, where a kept connection was cut; it has no public switch
        self._session._retry_connection = False
        self._numbers = count()
        self._waiting: dict[int, float] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(
        self, route: str, method: str, path: str, body: Any = None, *, wish: Wish | None = None, key: str | None = None
    ) -> tuple[int, Any]:
        """One request, never sent again: status and JSON, or `NO_ANSWER` and None."""
        number, begun, phase = next(self._numbers), time.monotonic(), self.phase
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        self._waiting[number] = begun
        status, answer = NO_ANSWER, None
        try:
            async with self._session.request(method, self._api + path, json=body, headers=headers) as response:
                answer = await response.json()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, ValueError):  # ValueError: a body that is no JSON, cut short
            pass
        finally:
            del self._waiting[number]
            self.samples.taken.append(Sample(route, status, begun, time.monotonic(), phase))
        if status != NO_ANSWER and (why := unexpected(route, status, answer, wish)):
            self.ledger.unexpected.append(why)
        return status, answer

    async def patch(self, wish: Wish, values: dict[str, Any]) -> int:
        """A change of a connection, noted in its wish; the status."""
        begun = time.monotonic()
        status, _ = await self.ask("PATCH connection", "PATCH", f"{KEY_VAULT}/{wish.id}", values, wish=wish)
        wish.changes.append(Change(values, begun, time.monotonic(), acknowledged=status == 200))
        return status

    async def look(self, path: str, method: str = "GET") -> tuple[int, Any]:
        """A request of the end's inspection, which counts nowhere: status and JSON. Raises `aiohttp.ClientError`."""
        async with self._session.request(method, self._api + path, headers=self._headers) as response:
            return response.status, await response.json()

    def seconds_since(self, since: float, *, slow: float) -> list[float]:
        """How long each answer took that was asked for since then; unanswered requests count once they are `slow`."""
        now = time.monotonic()
        waiting = [now - begun for begun in self._waiting.values() if begun >= since and now - begun > slow]
        return [sample.seconds for sample in self.samples.answered(self.phase, since=since)] + waiting
