"""Faults on demand: how a test makes a stand-in fail the way the real service does.

`POST /_control/faults` queues one fault; the requests it matches meet it, oldest fault first. `GET` tells how many are
still waited for, and how many requests are held at this moment. `DELETE` clears all and lets what is held go on.
`GET /_control/faults/counts` tells how many requests came, and how many of them met a fault.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Self

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, model_validator

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Fault(BaseModel):
    """One way to fail, met by the next `times` requests whose "METHOD /path?query" the pattern is found in.

    With a `share` it is met by chance, by that share of them, until it is cleared.
    """

    model_config = ConfigDict(extra="forbid")

    match: str = Field(description="regular expression, searched in 'METHOD /path?query'")
    times: int = Field(default=1, ge=1)
    share: float | None = Field(default=None, gt=0, le=1, description="chance of each matching request to meet it")
    seed: int | None = Field(default=None, description="makes that chance come out the same again")
    skip: int = Field(default=0, ge=0, description="matching requests let through untouched first")
    delay: float = Field(default=0, ge=0, le=120, description="seconds before anything else happens")
    status: int | None = Field(default=None, description="answer with this status instead of acting")
    body: Any = Field(default=None, description="JSON body of that answer; a string is sent as it is")
    headers: dict[str, str] = Field(default_factory=dict, description="for example Retry-After")
    hold: Literal["before", "after"] | None = Field(
        default=None, description="wait until the faults are cleared: before anything else happens, or before answering"
    )
    lose_answer: bool = Field(default=False, description="act, then cut the connection before answering")
    refuse: bool = Field(default=False, description="cut the connection without acting")

    @model_validator(mode="after")
    def _by_number_or_by_chance(self) -> Self:
        if self.share is not None and {"times", "skip"} & self.model_fields_set:
            raise ValueError("a fault with a share counts nothing: leave out times and skip")
        if self.seed is not None and self.share is None:
            raise ValueError("a seed is of use with a share only")
        return self

    @property
    def kind(self) -> str:
        """How it is counted."""
        if self.refuse:
            return "refused"
        if self.status is not None:
            return f"status {self.status}"
        if self.lose_answer:
            return "answer lost"
        return "held" if self.hold else "delayed"


class Faults:
    """The queue of faults of one stand-in."""

    def __init__(self) -> None:
        self._queue: list[tuple[Fault, random.Random]] = []
        self._held = 0
        self._cleared = asyncio.Event()
        self.requests = 0
        """How many came, the control plane's own left out."""
        self.met: Counter[str] = Counter()
        """How many of them met a fault, by its kind."""

    def add(self, fault: Fault) -> None:
        """Let `fault` happen to the next requests that match."""
        self._queue.append((fault.model_copy(), random.Random(fault.seed)))  # noqa: S311 -- chance, no secret

    def clear(self) -> None:
        """Behave again, and let what is held go on."""
        self._queue.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    async def _wait(self) -> None:
        self._held += 1
        try:
            await self._cleared.wait()
        finally:
            self._held -= 1

    def _take(self, request: web.Request) -> Fault | None:
        line = f"{request.method} {request.path_qs}"
        for fault, chance in self._queue:
            if re.search(fault.match, line):
                if fault.share is not None:
                    if chance.random() < fault.share:
                        return fault
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if not fault.times:
                    self._queue.remove((fault, chance))
                return fault
        return None

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Meets each request but the control plane's own."""
        if request.path.startswith("/_control/"):
            return await handler(request)
        self.requests += 1
        fault = self._take(request)
        if fault is None:
            return await handler(request)
        self.met[fault.kind] += 1
        if fault.hold == "before":
            await request.read()  # it has arrived, and outlives its sender
            await self._wait()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.refuse:
            return _cut(request)
        if fault.status is not None:
            if isinstance(fault.body, str):
                return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
            return web.json_response(fault.body or {}, status=fault.status, headers=fault.headers)
        answer = await handler(request)
        if fault.hold == "after":
            await self._wait()
        return _cut(request) if fault.lose_answer else answer

    def routes(self) -> list[web.RouteDef]:
        """The control plane."""
        return [
            web.post("/_control/faults", self._add),
            web.get("/_control/faults", self._state),
            web.get("/_control/faults/counts", self._counts),
            web.delete("/_control/faults", self._clear),
        ]

    async def _add(self, request: web.Request) -> web.Response:
        self.add(Fault.model_validate(await request.json()))
        return web.json_response({}, status=201)

    async def _state(self, _request: web.Request) -> web.Response:
        waiting = sum(fault.times for fault, _ in self._queue if fault.share is None)
        return web.json_response({"waiting": waiting, "held": self._held})

    async def _counts(self, _request: web.Request) -> web.Response:
        return web.json_response({"requests": self.requests, "met": self.met})

    async def _clear(self, _request: web.Request) -> web.Response:
        self.clear()
        return web.json_response({})


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)
