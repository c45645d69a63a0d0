"""How a stand-in serves: on loopback, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from ssl import SSLContext

from aiohttp import web

from local.ports import ADDRESS


async def serve(app: web.Application, port: int, ready: str, *, tls: SSLContext | None = None) -> None:
    """Serve until SIGINT or SIGTERM; port 0 takes a free one. `ready` is printed with the address in place of `{}`."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, ADDRESS, port, ssl_context=tls).start()
        scheme = "https" if tls else "http"
        print(ready.replace("{}", f"{scheme}://{ADDRESS}:{runner.addresses[0][1]}"), flush=True)
        await stopped.wait()
    finally:
        await runner.cleanup()
