"""What the contract tests of Graph share: the implementations under test, and who owns the app registration."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from local.entra.directory import Application
from shared.adapters.graph import AzureGraph
from shared.domain.credential import ClientSecret
from shared.domain.errors import DirectoryRefused, ProductError
from shared.services.ports import AppAuthority, Clock, Graph, GraphSession, NewPassword, Registration
from tests.contract.app_authorities import CLIENT_ID, OTHER_TENANT_ID, TENANT_ID, RealApps, real_apps
from tests.fakes.app_authority import App, FakeAppAuthority, Password
from tests.fakes.clock import FakeClock
from tests.fakes.faults import Faults
from tests.fakes.graph import FakeGraph

OTHER_CLIENT_ID = "d0000000-0000-4000-8000-0000000000a2"
SECRET = "the-apps-own-secret"
LEAKY_SECRET = "a-secret-in-an-answer-that-nobody-can-use"
KEY_ID = "e0000000-0000-4000-8000-000000000001"
OTHER_KEY_ID = "e0000000-0000-4000-8000-000000000002"
NAME = "keyvault-connections connection run 1"

Listed = tuple[str, str | None]
"""A key id and a display name."""


class Owner(Protocol):
    """What people do to the app registration, which may manage its passwords unless they say otherwise."""

    async def add_secret(self, value: str, *, key_id: str, name: str | None = None, ends: datetime) -> None:
        """Add a password by hand."""

    async def add_secret_to_other(self, value: str, *, key_id: str, ends: datetime) -> None:
        """Register another app in the same tenant, with a password."""

    async def forbid_managing(self) -> None:
        """Withdraw the permission."""

    async def forbid_secrets(self) -> None:
        """Let a policy of the tenant allow no new ones."""

    async def accept_personal_accounts(self) -> None:
        """Widen who may sign in."""

    async def live_elsewhere(self) -> None:
        """Let the registration be another tenant's, where the app is known still."""

    async def delete(self) -> None:
        """Delete the registration."""

    def passwords(self, client_id: str = CLIENT_ID) -> list[Listed]:
        """Which there are, oldest first."""


@dataclass(frozen=True, slots=True)
class GraphUnderTest:
    """One implementation, where one app is registered that may manage itself."""

    graph: Graph
    authority: AppAuthority
    owner: Owner
    clock: Clock


@dataclass(frozen=True, slots=True)
class RealGraph(GraphUnderTest):
    """The real adapter over the stand-in."""

    apps: RealApps

    @property
    def app(self) -> Application:
        """The registration, as the stand-in keeps it."""
        found = self.apps.stand_in.entra.directory.application(CLIENT_ID)
        assert found is not None
        return found


class FakeOwner:
    """`Owner` at the fake."""

    def __init__(self, apps: FakeAppAuthority, app: App) -> None:
        self._apps = apps
        self._app = app

    async def add_secret(self, value: str, *, key_id: str, name: str | None = None, ends: datetime) -> None:
        """See `Owner`."""
        self._app.passwords.append(Password(value, ends, key_id, name))

    async def add_secret_to_other(self, value: str, *, key_id: str, ends: datetime) -> None:
        """See `Owner`."""
        self._apps.register(TENANT_ID, OTHER_CLIENT_ID).passwords.append(Password(value, ends, key_id))

    async def forbid_managing(self) -> None:
        """See `Owner`."""
        self._app.may_manage = False

    async def forbid_secrets(self) -> None:
        """See `Owner`."""
        self._app.forbids_secrets = True

    async def accept_personal_accounts(self) -> None:
        """See `Owner`."""
        self._app.holds_two = True

    async def live_elsewhere(self) -> None:
        """See `Owner`."""
        self._app.home = False

    async def delete(self) -> None:
        """See `Owner`."""
        del self._apps.apps[TENANT_ID, CLIENT_ID]

    def passwords(self, client_id: str = CLIENT_ID) -> list[Listed]:
        """See `Owner`."""
        return [(each.key_id, each.display_name) for each in self._apps.passwords(TENANT_ID, client_id)]


class RealOwner:
    """`Owner` at the stand-in."""

    def __init__(self, apps: RealApps) -> None:
        self._apps = apps

    async def add_secret(self, value: str, *, key_id: str, name: str | None = None, ends: datetime) -> None:
        """See `Owner`."""
        await self._add(CLIENT_ID, value, key_id, ends, name)

    async def add_secret_to_other(self, value: str, *, key_id: str, ends: datetime) -> None:
        """See `Owner`."""
        await self._change(appId=OTHER_CLIENT_ID, tenant=TENANT_ID, displayName="another")
        await self._add(OTHER_CLIENT_ID, value, key_id, ends)

    async def forbid_managing(self) -> None:
        """See `Owner`."""
        await self._change(graphRoles=[])

    async def forbid_secrets(self) -> None:
        """See `Owner`."""
        await self._change(forbidsSecrets=True)

    async def accept_personal_accounts(self) -> None:
        """See `Owner`."""
        await self._change(signInAudience="AzureADandPersonalMicrosoftAccount")

    async def live_elsewhere(self) -> None:
        """See `Owner`."""
        await self._change(tenant=OTHER_TENANT_ID, signInAudience="AzureADMultipleOrgs")

    async def delete(self) -> None:
        """See `Owner`."""
        directory = self._apps.stand_in.entra.directory
        directory.applications = [each for each in directory.applications if each.app_id != CLIENT_ID]

    def passwords(self, client_id: str = CLIENT_ID) -> list[Listed]:
        """See `Owner`."""
        app = self._apps.stand_in.entra.directory.application(client_id)
        return [(each.key_id, each.display_name) for each in app.passwords] if app else []

    async def _add(self, client_id: str, value: str, key_id: str, ends: datetime, name: str | None = None) -> None:
        body = {"secretText": value, "keyId": key_id, "displayName": name, "endDateTime": ends.isoformat()}
        await self._apps.control.post(f"applications/{client_id}/passwords", body)

    async def _change(self, **changes: Any) -> None:
        await self._apps.control.post("applications", {"appId": CLIENT_ID, **changes})


async def fake_graph() -> GraphUnderTest:
    """In memory; the app has one password."""
    clock, faults = FakeClock(), Faults()
    apps = FakeAppAuthority(clock, faults)
    app = apps.register(TENANT_ID, CLIENT_ID)
    made = GraphUnderTest(FakeGraph(clock, faults, apps), apps, FakeOwner(apps, app), clock)
    await _add_own(made)
    return made


@asynccontextmanager
async def real_graph(folder: Path, state: Path) -> AsyncIterator[RealGraph]:
    """The real adapter, with a new stand-in behind it; the app has one password."""
    async with real_apps(folder, state) as apps:
        roles = {"appId": CLIENT_ID, "graphRoles": ["Application.ReadWrite.OwnedBy"]}
        await apps.control.post("applications", roles)
        graph = AzureGraph(url=apps.stand_in.graph, authority=apps.authority, transport=apps.transport)
        made = RealGraph(graph, apps.authority, RealOwner(apps), apps.clock, apps)
        await _add_own(made)
        yield made


async def _add_own(graph: GraphUnderTest) -> None:
    """The password that the app signs in with."""
    await graph.owner.add_secret(SECRET, key_id=KEY_ID, name="by hand", ends=graph.clock() + timedelta(days=90))


def own(secret: str = SECRET) -> ClientSecret:
    """The app's credential."""
    return ClientSecret(tenant_id=TENANT_ID, client_id=CLIENT_ID, client_secret=secret)


async def opened(graph: GraphUnderTest) -> tuple[GraphSession, Registration]:
    """Signed in, and the registration."""
    session = await graph.graph.sign_in(own())
    found = await session.registration()
    assert found is not None
    return session, found


async def add(graph: GraphUnderTest, session: GraphSession, app: Registration, name: str = NAME) -> NewPassword:
    """A new password, good for a month."""
    return await session.add_password(app.object_id, display_name=name, ends_at=graph.clock() + timedelta(days=30))


def secrets_in(text: str) -> list[str]:
    """Which secrets of these tests `text` shows."""
    return [secret for secret in (SECRET, LEAKY_SECRET) if secret in text]


async def failure(act: Awaitable[object]) -> ProductError:
    """How it failed, without a word of any secret."""
    with pytest.raises(ProductError) as caught:
        await act
    told = [*traceback.format_exception(caught.value), repr(caught.value), *map(str, caught.value.args)]
    assert secrets_in("".join(told)) == []
    return caught.value


async def refusal(act: Awaitable[object]) -> str:
    """What people are told of a refusal for good."""
    error = await failure(act)
    assert isinstance(error, DirectoryRefused)
    return error.message
