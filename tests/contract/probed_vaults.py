"""What the contract tests of the vault probe share: vaults in memory, and https servers that answer like Key Vault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from azure.core.pipeline.transport import AioHttpTransport
from pydantic_core import to_json

from local.certificate import ensure_certificate
from local.ports import is_free
from shared.adapters.vault_probe import AzureVaultProbe
from shared.services.ports import VaultProbe
from tests.contract.local.keyvault_harness import serving
from tests.fakes.faults import Faults
from tests.fakes.vault_probe import Answering, FakeVaultProbe

LONGEST_SECONDS = 3.0
ONE_SECRET = {"value": [{"id": "https://a.vault.azure.net/secrets/one", "attributes": {"enabled": True}}]}


class Vaults(Protocol):
    """Customers' vaults, and the probe under test."""

    @property
    def probe(self) -> VaultProbe:
        """Asks them."""

    async def vault(self, answering: Answering) -> str:
        """The address of a vault that answers so."""

    def nowhere(self) -> str:
        """An address where nothing is."""

    def shown(self, origin: str) -> list[str]:
        """The tokens that were shown at that address."""


class FakeVaults:
    """`Vaults` in memory."""

    def __init__(self) -> None:
        self.probe = FakeVaultProbe(Faults())

    async def vault(self, answering: Answering) -> str:
        """See `Vaults`."""
        origin = f"https://vault-{len(self.probe.vaults)}.vault.azure.net"
        self.probe.vaults[origin] = answering
        return origin

    def nowhere(self) -> str:
        """See `Vaults`."""
        return "https://nowhere.vault.azure.net"

    def shown(self, origin: str) -> list[str]:
        """See `Vaults`."""
        return [token for asked, token in self.probe.asked if asked == origin]


@dataclass
class Server:
    """One https server that gives the same answer to everything, and remembers what it was asked."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    """Seconds before the answer begins."""
    drip: float = 0
    """Seconds between the bytes of the body."""
    times: int = 1
    """How often the body is sent, one after the other."""
    sent: int = 0
    """Bytes of bodies that the other side took."""
    asked: list[web.BaseRequest] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.asked.append(request)
        await asyncio.sleep(self.delay)
        response = web.StreamResponse(status=self.status, headers=self.headers)
        await response.prepare(request)
        for part in [self.body[i : i + 1] for i in range(len(self.body))] if self.drip else [self.body] * self.times:
            await asyncio.sleep(self.drip)
            await response.write(part)
            self.sent += len(part)
        return response

    def app(self) -> web.Application:
        """The server's routes."""
        made = web.Application()
        made.router.add_route("*", "/{path:.*}", self.answer)
        return made


class RealVaults:
    """`Vaults` behind the real adapter: each an https server on loopback."""

    def __init__(self, transport: AioHttpTransport, certificates: Path, stack: AsyncExitStack) -> None:
        self.probe = AzureVaultProbe(transport, longest_seconds=LONGEST_SECONDS)
        self._certificates = certificates
        self._stack = stack
        self._servers: dict[str, Server] = {}

    async def vault(self, answering: Answering) -> str:
        """See `Vaults`."""
        body: dict[str, Any] = ONE_SECRET
        if answering.status != 200:
            error: dict[str, Any] = {"code": "Forbidden", "message": "Caller is not authorized"}
            body = {"error": error | ({"innererror": {"code": answering.code}} if answering.code else {})}
        wait = {"Retry-After": f"{answering.retry_after:.0f}"} if answering.retry_after else {}
        return await self.server(Server(answering.status, to_json(body), wait))

    async def server(self, server: Server, certificates: Path | None = None) -> str:
        """The address of `server`."""
        origin = await self._stack.enter_async_context(serving(server.app(), certificates or self._certificates))
        self._servers[origin] = server
        return origin

    def nowhere(self) -> str:
        """See `Vaults`."""
        return f"https://127.0.0.1:{next(port for port in range(20_000, 32_000) if is_free(port))}"

    def shown(self, origin: str) -> list[str]:
        """See `Vaults`."""
        return [asked.headers["Authorization"].removeprefix("Bearer ") for asked in self._servers[origin].asked]


@asynccontextmanager
async def real_vaults(certificates: Path) -> AsyncIterator[RealVaults]:
    """The real adapter, and servers that end with the test."""
    trusted, _ = ensure_certificate(certificates)
    async with AsyncExitStack() as stack:
        transport = AioHttpTransport(connection_verify=str(trusted), connection_timeout=1, read_timeout=5)
        await stack.enter_async_context(transport)
        yield RealVaults(transport, certificates, stack)
