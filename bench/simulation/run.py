"""One run: connections whose rotations are all due, instances that work on them, and somebody who looks on."""

from __future__ import annotations

import asyncio
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.simulation.meter import Meter, quotas
from bench.simulation.platform import SimulatedQueue, instance, timer
from bench.simulation.services import Door, MeteredAuthority, MeteredGraph, MeteredVault, QuickConnectionTable
from shared import bootstrap
from shared.domain import creation
from shared.domain.connection import RotationStatus, Row
from shared.domain.creation import NewConnection, Proof, RotationPlan
from shared.domain.credential import ClientSecret, Method
from shared.domain.due import plan_hint
from shared.domain.model import to_utc_millis
from shared.domain.passwords import AppKey, Passwords
from shared.domain.schedule import IntervalUnit, RotateAt
from shared.services.ports import Clock
from shared.web.application import Application
from tests.fakes.app_authority import Password
from tests.fakes.application import settings_for_tests
from tests.fakes.audit import FakeAuditTrail
from tests.fakes.claims import FakeClaimTable
from tests.fakes.due import FakeDueTable
from tests.fakes.entra import FakeEntra
from tests.fakes.flows import FakeFlowTable
from tests.fakes.history import FakeRotationHistory
from tests.fakes.tables import FakeProjectTable, Partitions
from tests.fakes.vault_probe import FakeVaultProbe

DUE = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
"""When all rotations are due, and where virtual time begins."""

ORG = "a0000000-0000-4000-8000-000000000001"
MADE = DUE - timedelta(days=30)
EVERY_MONTH = RotationPlan(rotation_interval=30, rotate_at_utc=RotateAt(hours=3, minutes=0))

SKEW_SECONDS = 0.05
"""How far an instance's clock is off at most."""

LONGEST_SECONDS = 4 * 3600
"""In virtual time; a run that takes longer is given up."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is due, and where it runs."""

    connections: int
    tenants: int
    seed: int
    instances: int = 12
    """Fewer than the platform would run, which adds one for each 16 messages that wait."""
    graph_window: float = 10.0
    """Seconds within which Graph holds to its limits. The published ones are 18,000 writes of a tenant in 300 seconds,
    and 3,000 of an app in 150: bursts that are refused here would pass there."""
    propagation: tuple[float, float] = (5.0, 120.0)
    """Seconds until a new password is known everywhere, at random for each app."""


class Simulation:
    """Lives through one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._chance = random.Random(scenario.seed)
        self._loop = asyncio.get_running_loop()
        self.meter = Meter(self._loop.time, quotas(scenario.graph_window))
        clock, door = self._clock_off_by(0), Door(self._chance)
        self._door = door
        self._table = QuickConnectionTable(door, self._written)
        self._vault = MeteredVault(door, self.meter, self._changed)
        self._apps = MeteredAuthority(clock, door, self.meter)
        self._graph = MeteredGraph(clock, door, self._apps, self.meter, self._changed)
        self._due = FakeDueTable(clock, door)
        self._queue = SimulatedQueue(clock, self._chance)
        self._history, self._audit, self._claims = FakeRotationHistory(door), FakeAuditTrail(door), FakeClaimTable(door)
        self._owners: dict[str, str] = {}
        """The connection of each secret name and client id."""
        self._unfinished: set[str] = set()
        self._all_finished = asyncio.Event()
        self.promoted: dict[str, float] = {}
        """When each connection's rotation succeeded."""
        self.moments = 0
        """How often an active credential was looked at."""
        self.without_credential = 0
        """How often it would not have authenticated."""
        self.failed = 0
        """Rotations that were given up until their next date."""

    @property
    def added(self) -> list[tuple[str, float]]:
        """Tenant and propagation of each app, in the order in which Graph was first asked for a password of theirs."""
        apps = self._apps.apps
        return [
            (tenant, apps[tenant, client].propagation.total_seconds())
            for tenant, client in dict.fromkeys(self._graph.added)
        ]

    async def live(self) -> float:
        """Until every rotation is over and every former password removed: the seconds it took."""
        rows = [self._made() for _ in range(self._scenario.connections)]
        await asyncio.gather(*(self._due.put(row.org_id, row.id, row.due) for row in rows if row.due))
        began = self._loop.time()
        applications = [self._application() for _ in range(self._scenario.instances)]
        work = [asyncio.create_task(timer(applications[0], self._chance))]
        work += [asyncio.create_task(instance(each, self._queue, self._chance)) for each in applications]
        finished = asyncio.create_task(self._all_finished.wait())
        await asyncio.wait({*work, finished}, timeout=LONGEST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        ended = self._loop.time()
        for task in (*work, finished):
            task.cancel()
        for result in await asyncio.gather(*work, return_exceptions=True):
            if not isinstance(result, asyncio.CancelledError):
                raise RuntimeError("an instance died") from result
        if self._unfinished:
            raise RuntimeError(f"{len(self._unfinished)} rotations did not end")
        return ended - began

    def _made(self) -> Row:
        """A connection that has rotated before: its app has the password in use, and the former one."""
        number = len(self._owners) // 2
        tenant_id, client_id = str(uuid.UUID(int=number % self._scenario.tenants)), self._id()
        app = self._apps.register(tenant_id, client_id)
        app.propagation = timedelta(seconds=self._chance.uniform(*self._scenario.propagation))
        new = NewConnection(
            name=f"vault-{number}", method=Method.CLIENT_SECRET, is_auto_rotation_enabled=True, rotation=EVERY_MONTH
        )
        row = creation.reserved(new, org_id=ORG, connection_id=self._id(), project=None, salt=self._id(), now=MADE)
        keys = []
        for age in ("former", "present"):
            secret = ClientSecret(tenant_id=tenant_id, client_id=client_id, client_secret=f"{age} {client_id}")
            password = Password(secret.client_secret, key_id=self._id())
            app.passwords.append(password)
            version = self._vault.hold(row.secret_name, secret.model_dump_json())
            keys.append(AppKey(key_id=password.key_id, version=version))
        proof = Proof(public={"tenantId": tenant_id, "clientId": client_id}, submitted={}, secret=None)
        row = creation.activated(row, proof, keys[1].version, repeated=False, now=MADE, unit=IntervalUnit.DAYS)
        row = row.rotating(next_rotation_at=DUE).having(
            passwords=Passwords(object_id=app.object_id, active=keys[1], inactive=keys[0])
        )
        row = row.having(due=plan_hint(row, MADE, nonce="first"))
        self._table.put(row)
        self._owners |= {row.secret_name: row.id, client_id: row.id}
        self._unfinished.add(row.id)
        return row

    def _id(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))

    def _clock_off_by(self, seconds: float) -> Clock:
        off = timedelta(seconds=self._chance.uniform(-seconds, seconds))
        return lambda: to_utc_millis(DUE + off + timedelta(seconds=self._loop.time()))

    def _application(self) -> Application:
        """One more instance of the product."""
        clock = self._clock_off_by(SKEW_SECONDS)
        return bootstrap.build(
            settings_for_tests(),
            connections=self._table,
            projects=FakeProjectTable(Partitions(), self._door),
            due=self._due,
            queue=self._queue,
            flows=FakeFlowTable(self._door),
            history=self._history,
            audit=self._audit,
            vault=self._vault,
            entra=FakeEntra(clock, self._door),
            apps=self._apps,
            graph=self._graph,
            claims=self._claims,
            probe=FakeVaultProbe(self._door),
            clock=clock,
        )

    def _written(self, row: Row) -> None:
        """After each row write: who is done, and does every active credential work?"""
        self._look_at(row)
        shown = row.connection.rotation
        if row.run is not None or shown is None or row.id not in self._unfinished:
            return
        if shown.rotation_status is RotationStatus.FAILED:
            self.failed += 1
        elif shown.last_rotated_at is None:
            return
        else:
            self.promoted.setdefault(row.id, self._loop.time())
        if not row.debts and not row.superseded:
            self._unfinished.discard(row.id)
        if not self._unfinished:
            self._all_finished.set()

    def _changed(self, name: str) -> None:
        self._look_at(self._table.stored[self._owners[name]].row)

    def _look_at(self, row: Row) -> None:
        self.moments += 1
        secret = self._vault.secret(row.active_version or "")
        app = self._apps.apps[row.connection.credentials["tenantId"], row.connection.credentials["clientId"]]
        now = self._clock_off_by(0)()
        self.without_credential += secret is None or not any(
            each.value == secret.client_secret and (each.known_from is None or each.known_from <= now)
            for each in app.passwords
        )
