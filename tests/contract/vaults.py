"""What the contract tests of the vault share: the vaults under test, and a transport that loses answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest

from local.keyvault.server import create_app
from local.keyvault.store import Store
from shared.adapters import vault as adapter
from shared.services.ports import Vault
from tests.contract.local.keyvault_harness import AUTHORITY, Issuer, StaticToken, serving
from tests.fakes.clock import FakeClock
from tests.fakes.faults import Faults
from tests.fakes.vault import FakeVault


@dataclass(frozen=True, slots=True)
class VaultUnderTest:
    """One implementation, and a look at what it holds."""

    vault: Vault
    clock: FakeClock
    readable: Callable[[str], list[str]]
    """The values of a secret that could still be read, oldest first; none when it is deleted."""


class LossyTransport(AioHttpTransport):  # type: ignore[misc]  # azure-core exports it lazily, without its type
    """Sends every request, and loses the answers it was told to lose."""

    def __init__(self, trusted: Path) -> None:
        super().__init__(connection_verify=str(trusted))
        self.sent: list[str] = []
        self.losses: list[tuple[str, type[ServiceRequestError | ServiceResponseError]]] = []

    async def send(self, request: Any, **options: Any) -> Any:
        """See `AioHttpTransport`."""
        response = await super().send(request, **options)
        if response.status_code != 401:  # the client's first request is there to be challenged
            self.sent.append(request.method)
            if self.losses and self.losses[0][0] == request.method:
                raise self.losses.pop(0)[1]("the answer was lost")
        return response


@dataclass(frozen=True, slots=True)
class RealVault(VaultUnderTest):
    """The real adapter over the stand-in."""

    transport: LossyTransport
    store: Store
    fault: Callable[..., Awaitable[None]]
    """Makes the stand-in fail, by the fields of `local.faults.Fault`."""


def fake_vault() -> VaultUnderTest:
    """In memory."""
    clock = FakeClock()
    vault = FakeVault(Faults())
    return VaultUnderTest(vault, clock, lambda name: [each.value for each in vault.readable().get(name, [])])


@asynccontextmanager
async def real_vault(certificates: Path, issuer: Issuer) -> AsyncIterator[RealVault]:
    """The real adapter, over the official client, with the stand-in behind it."""
    clock = FakeClock()
    store = Store(clock=lambda: clock().timestamp())
    transport = LossyTransport(certificates / "loopback.pem")

    def readable(name: str) -> list[str]:
        secret = store.alive().get(name)
        return [version.value for version in secret.versions if version.enabled] if secret else []

    async with (
        serving(create_app(store, authority=AUTHORITY, find_key=issuer.find_key), certificates) as url,
        adapter.secret_client(
            url,
            StaticToken(issuer.token()),
            transport=transport,
            verify_challenge_resource=False,
            retry_backoff_factor=0.01,
        ) as client,
    ):
        vault = adapter.AzureVault(client)

        async def fault(**fields: Any) -> None:
            await vault.readable_versions("any")  # the client's first request is challenged, and has no body
            (await client.send_request(HttpRequest("POST", "/_control/faults", json=fields))).raise_for_status()
            transport.sent.clear()

        yield RealVault(vault, clock, readable, transport, store, fault)
