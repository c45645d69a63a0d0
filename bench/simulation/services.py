"""Key Vault, Entra, Graph and the tables of the simulation: the fakes of the tests, with latencies and quotas."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from bench.simulation.meter import Meter
from shared.domain.connection import Row
from shared.domain.credential import AppCredential, ClientSecret
from shared.domain.errors import ConcurrentChange
from shared.services.ports import AppToken, Audience, Clock, NewPassword, Registration, Stored, StoredVersion
from tests.fakes.app_authority import FakeAppAuthority
from tests.fakes.faults import Faults
from tests.fakes.graph import FakeGraph, FakeSession
from tests.fakes.tables import FakeConnectionTable, Partitions
from tests.fakes.vault import FakeVault

SECONDS = {"graph": 0.15, "apps": 0.12, "vault": 0.03}
TABLE_SECONDS = 0.01
"""How long calls usually take, by the first part of their name; all others are tables'."""

VAULT, ENTRA, GRAPH = "Key Vault", "Microsoft Entra ID", "Microsoft Graph"

Changed = Callable[[str], None]
"""Called with the name of a secret or the client id of an app after each change that could end a working credential."""


class Door(Faults):
    """Lets every call take its time: half to twice as long as usual."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def call(self, name: str) -> AbstractAsyncContextManager[bool]:  # type: ignore[override]  # see `_Passage`
        """See `Faults`."""
        usual = SECONDS.get(name.partition(".")[0], TABLE_SECONDS)
        return _Passage(usual * (0.5 + 1.5 * self._chance.random()))


class _Passage(AbstractAsyncContextManager[bool]):
    """One call on its way. A class, since a generator takes longer than most of what it is made for here."""

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __aenter__(self) -> bool:
        await asyncio.sleep(self._seconds)
        return False

    async def __aexit__(self, *failure: object) -> None:
        return None


class MeteredVault(FakeVault):
    """Key Vault with its quotas."""

    def __init__(self, door: Door, meter: Meter, changed: Changed) -> None:
        super().__init__(door)
        self._meter = meter
        self._changed = changed

    async def put(self, name: str, value: str, *, tags: Mapping[str, str]) -> StoredVersion:
        """See `Vault`."""
        await self._meter.take(VAULT, ("versions",))
        return await super().put(name, value, tags=tags)

    async def get(self, version_id: str) -> str:
        """See `Vault`."""
        await self._meter.take(VAULT, ("vault",))
        return await super().get(version_id)

    async def disable(self, version_id: str) -> None:
        """See `Vault`."""
        await self._meter.take(VAULT, ("vault",))
        await super().disable(version_id)
        self._changed(version_id.rsplit("/", 2)[1])

    def hold(self, name: str, value: str) -> str:
        """A version that is there already."""
        return self._add(name, value, {})

    def secret(self, version_id: str) -> ClientSecret | None:
        """What a version holds, without a call."""
        version = self._find(version_id)
        return ClientSecret.model_validate_json(version.value) if version is not None and version.enabled else None


class MeteredAuthority(FakeAppAuthority):
    """Entra, whose calls count and meet no quota."""

    def __init__(self, clock: Clock, door: Door, meter: Meter) -> None:
        super().__init__(clock, door)
        self._meter = meter

    async def app_token(self, credential: AppCredential, audience: Audience = Audience.VAULT) -> AppToken:
        """See `AppAuthority`."""
        await self._meter.take(ENTRA)
        return await super().app_token(credential, audience)


class MeteredGraph(FakeGraph):
    """Microsoft Graph with its quotas for writes."""

    def __init__(self, clock: Clock, door: Door, apps: FakeAppAuthority, meter: Meter, changed: Changed) -> None:
        super().__init__(clock, door, apps)
        self._meter = meter
        self.changed = changed
        self.added: list[tuple[str, str]] = []
        """The apps, by tenant and client id, in the order in which passwords were added."""

    async def sign_in(self, credential: ClientSecret) -> FakeSession:
        """See `Graph`."""
        await self._meter.take(ENTRA)
        return _MeteredSession(await super().sign_in(credential), self, self._meter, credential)


class _MeteredSession(FakeSession):
    """`GraphSession` whose writes count for the app and for its tenant."""

    def __init__(self, session: FakeSession, graph: MeteredGraph, meter: Meter, credential: ClientSecret) -> None:
        vars(self).update(vars(session))
        self._graph = graph
        self._meter = meter
        self._app_named = credential.tenant_id, credential.client_id
        self._keys = ("tenant", credential.tenant_id), ("app", *self._app_named)

    async def registration(self) -> Registration | None:
        """See `GraphSession`."""
        await self._meter.take(GRAPH)
        return await super().registration()

    async def add_password(self, object_id: str, *, display_name: str, ends_at: datetime) -> NewPassword:
        """See `GraphSession`."""
        await self._meter.take(GRAPH, *self._keys)
        self._graph.added.append(self._app_named)
        return await super().add_password(object_id, display_name=display_name, ends_at=ends_at)

    async def remove_password(self, object_id: str, key_id: str) -> None:
        """See `GraphSession`."""
        await self._meter.take(GRAPH, *self._keys)
        await super().remove_password(object_id, key_id)
        self._graph.changed(self._app_named[1])


class QuickConnectionTable(FakeConnectionTable):
    """Rows by id, without their JSON and without looking for taken names: ten thousand are read and written often."""

    def __init__(self, door: Door, written: Callable[[Row], None]) -> None:
        super().__init__(Partitions(), door)
        self._door = door
        self._written = written
        self.stored: dict[str, Stored] = {}
        self._etag = 0

    def put(self, row: Row) -> Stored:
        """Write a row, without a call."""
        self._etag += 1
        self.stored[row.id] = Stored(row, str(self._etag))
        return self.stored[row.id]

    async def get(self, org_id: str, connection_id: str) -> Stored | None:  # noqa: ARG002 -- there is only one
        """See `ConnectionTable`."""
        async with self._door.call("connections.get"):
            return self.stored.get(connection_id)

    async def replace(self, before: Stored, after: Row) -> Stored:
        """See `ConnectionTable`."""
        async with self._door.call("connections.replace"):
            if self.stored[after.id].etag != before.etag:
                raise ConcurrentChange
            stored = self.put(after)
            self._written(after)
            return stored
