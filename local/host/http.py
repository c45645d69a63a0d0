"""HTTP triggers and the admin endpoint, on 127.0.0.1 only.

Requests and answers pass through the worker's own types and converters, so that what the platform would drop is
dropped here too: empty query parameters, repeated headers, unknown cookie attributes.
"""

from __future__ import annotations

import json
import logging
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import web
from azure.functions.http import HttpRequest, HttpResponseConverter
from multidict import CIMultiDict

from local.host.routing import Router
from local.host.runtime import InvocationFailed, Invoker

ADDRESS = "127.0.0.1"
MAX_BODY_BYTES = 100 * 1024 * 1024
"""The platform's own limit on a request body."""

_access_log = logging.getLogger("local.host.access")
_log = logging.getLogger(__name__)
_ADMIN = re.compile(r"/admin/functions/([^/]+)/?", re.IGNORECASE)

RunNow = Callable[[str, Any], Awaitable[int]]
"""Starts the function of that name with that input; answers the HTTP status."""


class HttpServer:
    """Serves an app's routes, and `POST /admin/functions/<name>`."""

    def __init__(self, router: Router, invoker: Invoker, run_now: RunNow, grace_seconds: float) -> None:
        self._router = router
        self._invoker = invoker
        self._run_now = run_now
        self._grace_seconds = grace_seconds
        self._runner: web.AppRunner | None = None

    async def start(self, port: int, tls: ssl.SSLContext | None) -> int:
        """Listen; answers the port, chosen by the system when `port` is 0. Raises OSError when it is taken."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:(?s:.*)}", self._handle)
        # No access log of aiohttp's: it would write real paths, and paths carry link secrets.
        # aiohttp waits the shutdown timeout twice, for the answer and for the connection, before it cancels.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=self._grace_seconds / 2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, ADDRESS, port, ssl_context=tls)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Accept no more; requests in flight have the grace time to end."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        started = time.perf_counter()
        name, template, response = await self._answer(request)
        spent = (time.perf_counter() - started) * 1000
        _access_log.info("%s %s %s %d %.0f ms", name, request.method, template, response.status, spent)
        return response

    async def _answer(self, request: web.Request) -> tuple[str, str, web.Response]:
        path = _decode(request.rel_url.raw_path)
        if admin := _ADMIN.fullmatch(path):
            return "-", "/admin/functions/{name}", await self._run_admin(request, admin[1])
        if (found := self._router.find(request.method, path)) is None:
            return "-", "-", web.Response(status=404)
        route, parameters = found
        try:
            trigger = await _read_request(request, parameters)
            result = await self._invoker.invoke(route.function, trigger, request.headers.get("traceparent"))
            response = _render(result)
        except InvocationFailed:
            response = web.Response(status=500)
        except NotImplementedError:
            _log.exception("Function %s returned neither an HttpResponse nor a string", route.function.name)
            response = web.Response(status=500)
        return route.function.name, route.template, response

    async def _run_admin(self, request: web.Request, name: str) -> web.Response:
        if request.method != "POST":
            return web.Response(status=404)
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            return web.Response(status=400)
        if not isinstance(body, dict):
            return web.Response(status=400)
        return web.Response(status=await self._run_now(name, body.get("input")))


async def _read_request(request: web.Request, parameters: dict[str, str]) -> HttpRequest:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if peer:
        # App Service's front end appends address and port of whom it talks to.
        forwarded = [headers.get("x-forwarded-for"), f"{peer[0]}:{peer[1]}"]
        headers["x-forwarded-for"] = ", ".join(filter(None, forwarded))
    return HttpRequest(
        method=request.method,
        url=f"{request.scheme}://{request.host}{request.rel_url.raw_path_qs}",
        headers=headers,
        params=_query(request),
        route_params=parameters,
        body_type="bytes",
        body=await request.read(),
    )


def _query(request: web.Request) -> dict[str, str]:
    # The real host (GrpcMessageConversionExtensions.ToRpcHttp) reads keys without case, joins the values of a
    # repeated key with commas and leaves out keys without a value.
    merged: CIMultiDict[list[str]] = CIMultiDict()
    for key, value in request.rel_url.query.items():
        merged.setdefault(key, []).append(value)
    joined = {key: ",".join(values) for key, values in merged.items()}
    return {key: value for key, value in joined.items() if value}


def _render(result: object) -> web.Response:
    if result is None:
        return web.Response(status=204)
    datum = HttpResponseConverter.encode(result, expected_type=None)
    if datum.type == "string":
        return web.Response(text=datum.value)
    answer = datum.value
    headers = CIMultiDict((name, header.value) for name, header in answer["headers"].items())
    for jar in answer["cookies"] or ():
        for name, morsel in jar.items():
            # ASP.NET Core escapes the value of each cookie that it writes (Uri.EscapeDataString).
            morsel.set(name, morsel.value, quote(morsel.value, safe=""))
            headers.add("Set-Cookie", morsel.OutputString())
    return web.Response(status=int(answer["status_code"].value), body=answer["body"].value, headers=headers)


def _decode(raw_path: str) -> str:
    # As ASP.NET Core: all is unescaped once but %2F, which is no separator and stays as it was sent.
    return "".join(
        part if part.lower() == "%2f" else unquote(part) for part in re.split(r"(%2f)", raw_path, flags=re.IGNORECASE)
    )
