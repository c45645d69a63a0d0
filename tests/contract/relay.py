"""A way to a real service on which things happen to answers that the service itself does not do on demand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from yarl import URL

from local.relay import forwarded

EMPTY_PAGE = "x-empty-page"
"""Stands for "from the beginning" in the continuation tokens of pages that the relay makes up."""


@dataclass(slots=True)
class Mishap:
    """What becomes of the answer to the next request that matches. The service has acted by then."""

    match: str
    status: int | None = None
    """Answered in place of the real status; without it, the connection is cut."""
    delay: float = 0
    """Seconds that the true answer is late, in place of the above."""
    meanwhile: Callable[[], Awaitable[None]] | None = None
    """What others do before the true answer goes on, in place of the above."""


class Relay:
    """Forwards everything to `target`."""

    def __init__(self, target: str, session: aiohttp.ClientSession) -> None:
        self._target = target
        self._session = session
        self.url = ""
        self.requests: list[str] = []
        self.mishaps: list[Mishap] = []
        self.page_size: int | None = None
        """Replaces the `$top` that a query asks for: a service may always answer with less."""
        self.empty_pages = 0
        """How many queries are first answered with a page that is empty and has a continuation."""

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        line = f"{request.method} {request.path_qs}"
        self.requests.append(line)
        url = URL(self._target).join(request.rel_url)
        if "$top" in url.query:
            if self.empty_pages:
                self.empty_pages -= 1
                token = {"x-ms-continuation-NextPartitionKey": EMPTY_PAGE, "x-ms-continuation-NextRowKey": EMPTY_PAGE}
                return web.json_response({"value": []}, headers=token)
            url = self._paged(url)
        answer = await forwarded(request, url, self._session)
        mishap = next((each for each in self.mishaps if re.search(each.match, line)), None)
        if mishap is not None:
            self.mishaps.remove(mishap)
            if mishap.status is not None:
                return web.Response(status=mishap.status)
            if mishap.meanwhile is not None:
                await mishap.meanwhile()
            elif mishap.delay:
                await asyncio.sleep(mishap.delay)
            elif request.transport is not None:
                request.transport.abort()
        return answer

    def _paged(self, url: URL) -> URL:
        query = {name: value for name, value in url.query.items() if value != EMPTY_PAGE}
        if self.page_size is not None:
            query["$top"] = str(self.page_size)
        return url.with_query(query)


@asynccontextmanager
async def relaying(target: str) -> AsyncIterator[Relay]:
    """A relay on a free loopback port."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        relay = Relay(target, session)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", relay.forward)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            relay.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield relay
        finally:
            await runner.cleanup()
