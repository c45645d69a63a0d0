"""Runs a function app in the local host, inside the test's own process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import azure.functions as func

from local.host import Host


def new_app() -> func.FunctionApp:
    """An app without functions yet, its routes open to everyone."""
    return func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def echo_app(**routes: tuple[str, list[str] | None]) -> func.FunctionApp:
    """One function per keyword, each answering its own name and its route parameters."""
    app = new_app()
    for name, (route, methods) in routes.items():

        async def answer(req: func.HttpRequest, name: str = name) -> func.HttpResponse:
            parameters = ",".join(f"{key}={value}" for key, value in req.route_params.items())
            return func.HttpResponse(f"{name}({parameters})")

        app.function_name(name)(app.route(route=route, methods=methods)(answer))
    return app


@asynccontextmanager
async def running(
    app: func.FunctionApp, host_json: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Host]:
    """A started host for `app` on a free port, stopped at the end."""
    host = Host(app, host_json, **options)
    await host.start()
    try:
        yield host
    finally:
        await host.stop()


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until `condition` holds; fails the test when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)
