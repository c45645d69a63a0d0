"""What the contract tests of the apps' authority share: the authorities under test, and who administers the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ManagedIdentityCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from local.entra import seed
from local.entra.directory import TOKEN_EXCHANGE
from local.entra.server import Running
from shared.adapters import app_authority
from shared.domain.errors import Refusal
from shared.services.ports import AppAuthority, Audience, Clock
from tests.contract.authorities import READ_SECONDS, Control, stand_in
from tests.fakes.app_authority import App, FakeAppAuthority, Password, fingerprint
from tests.fakes.clock import FakeClock
from tests.fakes.faults import Faults

TENANT_ID = seed.HOME_TENANT_ID
OTHER_TENANT_ID = seed.FABRIKAM_TENANT_ID
CLIENT_ID = "d0000000-0000-4000-8000-0000000000a1"
SCOPES = {Audience.VAULT: "https://vault.azure.net/.default", Audience.GRAPH: "https://graph.microsoft.com/.default"}


class Administrator(Protocol):
    """What the app's administrator does at the authority."""

    async def add_secret(self, value: str, *, ends: datetime | None = None) -> None:
        """Let the app prove itself by this secret."""

    async def remove_secrets(self) -> None:
        """Forget every secret."""

    async def accept_certificate(self, pem: str) -> None:
        """Let the app prove itself by this certificate."""

    async def trust_identity(self) -> None:
        """Let the service's managed identity sign as the app."""

    async def disable(self) -> None:
        """Refuse the app whatever it proves."""


@dataclass(frozen=True, slots=True)
class AppsUnderTest:
    """One implementation, where one app is registered that can prove itself in no way yet."""

    authority: AppAuthority
    administrator: Administrator
    clock: Clock


@dataclass(frozen=True, slots=True)
class RealApps(AppsUnderTest):
    """The real adapter over the stand-in."""

    control: Control
    stand_in: Running
    transport: AioHttpTransport
    """What the adapter sends through, with a short time-out."""


class FakeAdministrator:
    """`Administrator` at the fake."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def add_secret(self, value: str, *, ends: datetime | None = None) -> None:
        """See `Administrator`."""
        self._app.passwords.append(Password(value, ends))

    async def remove_secrets(self) -> None:
        """See `Administrator`."""
        self._app.passwords.clear()

    async def accept_certificate(self, pem: str) -> None:
        """See `Administrator`."""
        self._app.fingerprints.add(fingerprint(pem))

    async def trust_identity(self) -> None:
        """See `Administrator`."""
        self._app.trusts_identity = True

    async def disable(self) -> None:
        """See `Administrator`."""
        self._app.refused_with = Refusal("unauthorized_client", 7000112)


class RealAdministrator:
    """`Administrator` at the stand-in."""

    def __init__(self, control: Control, issuer: str) -> None:
        self._control = control
        self._issuer = issuer

    async def add_secret(self, value: str, *, ends: datetime | None = None) -> None:
        """See `Administrator`."""
        end = ends.isoformat() if ends else None
        await self._control.post(f"applications/{CLIENT_ID}/passwords", {"secretText": value, "endDateTime": end})

    async def remove_secrets(self) -> None:
        """See `Administrator`."""
        await self._change(passwords=[])

    async def accept_certificate(self, pem: str) -> None:
        """See `Administrator`."""
        await self._change(certificates=[pem])

    async def trust_identity(self) -> None:
        """See `Administrator`."""
        await self._change(federatedCredentials=[{"issuer": self._issuer, "subject": seed.IDENTITY_OBJECT_ID}])

    async def disable(self) -> None:
        """See `Administrator`."""
        await self._change(refusedWith=7000112)

    async def _change(self, **changes: Any) -> None:
        await self._control.post("applications", {"appId": CLIENT_ID, **changes})


def fake_apps() -> AppsUnderTest:
    """In memory."""
    clock = FakeClock()
    authority = FakeAppAuthority(clock, Faults())
    return AppsUnderTest(authority, FakeAdministrator(authority.register(TENANT_ID, CLIENT_ID)), clock)


@asynccontextmanager
async def real_apps(folder: Path, state: Path) -> AsyncIterator[RealApps]:
    """The real adapter, with a new stand-in behind it, which is the managed identity's endpoint too."""
    async with stand_in(folder, state) as (made, control):
        await control.post("applications", {"appId": CLIENT_ID, "tenant": TENANT_ID, "displayName": "deployment"})
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("IDENTITY_ENDPOINT", made.identity_endpoint)
            environment.setenv("IDENTITY_HEADER", seed.IDENTITY_HEADER)
            identity = ManagedIdentityCredential(client_id=seed.IDENTITY_CLIENT_ID, retry_total=0)
        options = app_authority.OPTIONS | {"read_timeout": READ_SECONDS, "connection_verify": str(made.certificate)}
        async with identity, AioHttpTransport(**options) as transport:
            authority = app_authority.AzureIdentityAuthority(
                authority=made.authority,
                scopes=SCOPES,
                exchange_scope=f"{TOKEN_EXCHANGE}/.default",
                identity=identity,
                transport=transport,
            )
            administrator = RealAdministrator(control, f"{made.authority}/{TENANT_ID}/v2.0")
            yield RealApps(authority, administrator, lambda: datetime.now(UTC), control, made, transport)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate with its key."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def body(self) -> str:
        """The certificate, PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def private(self, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
        """The key, PEM: PKCS#8, or PKCS#1 as `TraditionalOpenSSL`."""
        return self.key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


@cache
def issuing() -> KeyPair:
    """A certificate that issues others."""
    return _issued("issuer", None)


@cache
def issued() -> KeyPair:
    """A certificate of that issuer: the app's own."""
    return _issued("deployment", issuing())


def _issued(name: str, issuer: KeyPair | None) -> KeyPair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    return KeyPair(key, builder.sign(issuer.key if issuer else key, hashes.SHA256()))
