"""A way to a real service on which calls fail on demand: `python -m local.relay --port 7380 --to http://127.0.0.1:7373`.

It forwards everything, and `POST /_control/faults` makes it fail (see `local.faults`): Azurite itself never does.
"""

from __future__ import annotations

import argparse
import asyncio

import aiohttp
from aiohttp import web
from yarl import URL

from local.faults import Faults
from local.serving import serve

HOP_BY_HOP = frozenset({"host", "connection", "keep-alive", "transfer-encoding", "content-length"})


async def forwarded(request: web.Request, url: URL, session: aiohttp.ClientSession) -> web.Response:
    """The answer of `url` to the same request, whose signature holds as long as its path and headers stay."""
    async with session.request(
        request.method,
        url,
        data=await request.read() or None,
        headers={name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP},
        skip_auto_headers=["Content-Type", "Accept-Encoding", "User-Agent"],
    ) as answer:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        return web.Response(status=answer.status, body=await answer.read(), headers=headers)


def create_app(target: str, session: aiohttp.ClientSession) -> web.Application:
    """The control plane, and every other path at `target`."""
    faults = Faults()

    async def forward(request: web.Request) -> web.Response:
        return await forwarded(request, URL(target).join(request.rel_url), session)

    app = web.Application(middlewares=[faults.middleware])
    app.add_routes([*faults.routes(), web.route("*", "/{path:.*}", forward)])
    return app


async def _run(port: int, target: str) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        await serve(create_app(target, session), port, f"Relay to {target} ready at {{}}")


def main() -> None:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local.relay", description="A relay on loopback that can fail.")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--to", required=True, help="address of the real service")
    arguments = parser.parse_args()
    asyncio.run(_run(arguments.port, arguments.to))


if __name__ == "__main__":
    main()
