"""How the service's own OAuth app proves itself: each way really signs in at the stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential

from local.entra import seed
from local.entra.directory import TOKEN_EXCHANGE, Application, Password
from local.entra.server import Running
from local.entra.tokens import identity_token
from shared.adapters.app_credential import FRESH_SECONDS, app_credential
from shared.adapters.entra import MsalEntra
from shared.adapters.http_session import EntraSession
from shared.adapters.vault import AzureVault
from shared.domain.errors import UpstreamError
from tests.contract.app_authorities import issued
from tests.contract.authorities import MSAL_WARNINGS, READ_SECONDS, REDIRECT_URI, SCOPE, Control, close, stand_in
from tests.fakes.application import settings_for_tests
from tests.fakes.clock import FakeClock
from tests.fakes.entra import ADA

pytestmark = MSAL_WARNINGS
NAME = "own-credential"
SECRET = "own-secret-local-development-only"


@dataclass(slots=True)
class World:
    """A stand-in, and what the service keeps for itself in Key Vault."""

    made: Running
    control: Control
    session: EntraSession
    kept: dict[str, str]
    reads: int = 0

    @property
    def app(self) -> Application:
        """The service's own app registration."""
        found = self.made.entra.directory.application(seed.OAUTH_CLIENT_ID)
        assert found is not None
        return found

    async def newest(self, name: str) -> str:
        """See `AzureVault`."""
        self.reads += 1
        return self.kept[name]

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """The managed identity."""
        assert scopes == (f"{TOKEN_EXCHANGE}/.default",)
        identity = self.made.entra.directory.managed_identity(seed.IDENTITY_CLIENT_ID)
        assert identity is not None
        return AccessToken(identity_token(self.made.entra, identity, TOKEN_EXCHANGE), 0)

    def entra(self, **settings: str) -> MsalEntra:
        """The adapter, its app proving itself as the settings say."""
        chosen = settings_for_tests(**settings)
        return MsalEntra(
            client_id=seed.OAUTH_CLIENT_ID,
            authority_host=self.made.authority,
            scope=SCOPE,
            app_credential=app_credential(chosen, cast(AsyncTokenCredential, self), cast(AzureVault, self)),
            clock=FakeClock(),
            session=self.session,
            instance_discovery=False,
        )

    async def redeem(self, entra: MsalEntra) -> str:
        """Sign in with a fresh code; the account that consented."""
        code = await self.control.code_for(ADA)
        return (await entra.redeem(ADA.tenant_id, code, redirect_uri=REDIRECT_URI, verifier=None)).account_id


@pytest.fixture
async def world(certificates: Path, tmp_path: Path) -> AsyncIterator[World]:
    """A stand-in whose app accepts nothing yet but the managed identity."""
    async with stand_in(certificates, tmp_path) as (made, control):
        session = EntraSession(str(made.certificate), read_seconds=READ_SECONDS)
        try:
            yield World(made, control, session, {})
        finally:
            close(session, made.authority)


async def test_the_managed_identity_signs_as_the_app(world: World) -> None:
    assert await world.redeem(world.entra(OAUTH_CREDENTIAL="federated")) == ADA.object_id
    assert world.reads == 0


async def test_a_secret_in_key_vault_serves_for_an_hour_and_is_read_again_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.app.passwords = [Password.of(SECRET, now=world.made.entra.now())]
    world.kept[NAME] = SECRET
    entra = world.entra(OAUTH_CREDENTIAL="secret", OAUTH_CREDENTIAL_SECRET=NAME)
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr("shared.adapters.app_credential.time", clock)  # the event loop keeps its own
    for _ in range(2):
        assert await world.redeem(entra) == ADA.object_id
    assert world.reads == 1
    clock.monotonic = lambda: FRESH_SECONDS + 1
    assert await world.redeem(entra) == ADA.object_id
    assert world.reads == 2


async def test_a_certificate_in_key_vault_signs_as_the_app(world: World) -> None:
    world.app.certificates = [issued().body]
    world.kept[NAME] = issued().private() + issued().body
    entra = world.entra(OAUTH_CREDENTIAL="certificate", OAUTH_CREDENTIAL_SECRET=NAME)
    assert await world.redeem(entra) == ADA.object_id


async def test_a_secret_that_was_replaced_is_found_at_the_next_try(world: World) -> None:
    world.app.passwords = [Password.of(SECRET, now=world.made.entra.now())]
    world.kept[NAME] = "the former one"
    entra = world.entra(OAUTH_CREDENTIAL="secret", OAUTH_CREDENTIAL_SECRET=NAME)
    with pytest.raises(UpstreamError, match="tell the operators"):
        await world.redeem(entra)
    world.kept[NAME] = SECRET
    assert await world.redeem(entra) == ADA.object_id
