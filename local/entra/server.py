"""The two listeners: https for Entra, Graph and control, plain http for the managed identity endpoint."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from ssl import SSLContext

from aiohttp import web
from pydantic import ValidationError

from local.certificate import ensure_certificate, server_context
from local.entra import identity
from local.entra.authorize import AuthorizeEndpoint
from local.entra.clock import Clock, utc_now
from local.entra.control import Control
from local.entra.discovery import Discovery
from local.entra.errors import AadstsError
from local.entra.graph import BASE, Graph
from local.entra.graph_errors import GraphError
from local.entra.service import Entra
from local.entra.token_endpoint import TokenEndpoint
from local.faults import Faults

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Running:
    """A stand-in that answers."""

    entra: Entra
    authority: str
    """`https://127.0.0.1:port`."""
    graph: str
    """Base URL of Microsoft Graph."""
    identity_endpoint: str
    """What `IDENTITY_ENDPOINT` must say."""
    certificate: Path
    """The PEM that clients must trust."""


def create_app(entra: Entra, faults: Faults) -> web.Application:
    """Entra, Graph and the control plane."""
    app = web.Application(middlewares=[faults.middleware, _errors])
    app.add_routes(faults.routes())
    for part in (Control(entra), Graph(entra), Discovery(entra), AuthorizeEndpoint(entra), TokenEndpoint(entra)):
        app.add_routes(part.routes())
    return app


def create_identity_app(entra: Entra, faults: Faults) -> web.Application:
    """The managed identity endpoint."""
    app = web.Application(middlewares=[faults.middleware, _errors])
    app.add_routes(identity.IdentityEndpoint(entra).routes())
    return app


@asynccontextmanager
async def running(
    *,
    state: Path,
    certificates: Path,
    public_url: str,
    port: int = 0,
    identity_port: int = 0,
    clock: Clock = utc_now,
    in_memory: bool = False,
) -> AsyncIterator[Running]:
    """Serve on 127.0.0.1 until the block ends; port 0 takes any free one."""
    certificate, key = ensure_certificate(certificates)
    with _listening(port) as https, _listening(identity_port) as http:
        authority = f"https://127.0.0.1:{https.getsockname()[1]}"
        entra = Entra.open(state, authority=authority, public_url=public_url, clock=clock, in_memory=in_memory)
        faults = Faults()
        async with (
            _serving(create_app(entra, faults), https, server_context(certificate, key)),
            _serving(create_identity_app(entra, faults), http),
        ):
            yield Running(
                entra=entra,
                authority=authority,
                graph=authority + BASE,
                identity_endpoint=f"http://127.0.0.1:{http.getsockname()[1]}{identity.PATH}",
                certificate=certificate,
            )


def _listening(port: int) -> socket.socket:
    """The address is known before the app is built, since issuers contain it."""
    return socket.create_server(("127.0.0.1", port))


@asynccontextmanager
async def _serving(app: web.Application, listener: socket.socket, tls: SSLContext | None = None) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, ssl_context=tls).start()
        yield
    finally:
        await runner.cleanup()


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (AadstsError, GraphError) as error:
        return error.response(request)
    except ValidationError as error:  # only the control plane lets it out
        return web.json_response({"error": error.errors(include_url=False, include_context=False)}, status=400)
    except JSONDecodeError as error:
        return web.json_response({"error": str(error)}, status=400)
