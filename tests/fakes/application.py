"""The whole application over fakes."""

from __future__ import annotations

from datetime import timedelta

from shared import bootstrap
from shared.domain.quota import PERIOD
from shared.services.ports import Telemetry, Work
from shared.settings import Settings
from shared.web.application import Application
from shared.web.auth import BearerAuth
from tests.fakes.app_authority import FakeAppAuthority
from tests.fakes.audit import FakeAuditTrail
from tests.fakes.claims import FakeClaimTable
from tests.fakes.clock import FakeClock
from tests.fakes.due import FakeDueTable
from tests.fakes.entra import ADA, FakeEntra
from tests.fakes.events import FakeEventTopic
from tests.fakes.faults import Faults
from tests.fakes.flows import FakeFlowTable
from tests.fakes.graph import FakeGraph
from tests.fakes.history import FakeRotationHistory
from tests.fakes.queue import FakeWorkQueue
from tests.fakes.tables import FakeConnectionTable, FakeProjectTable, Partitions
from tests.fakes.vault import FakeVault
from tests.fakes.vault_probe import FakeVaultProbe


class FakeApplication:
    """The use cases, the world that they act on, and the door between the two."""

    def __init__(self, settings: Settings, auth: BearerAuth | None, telemetry: Telemetry | None = None) -> None:
        self.settings = settings
        self.clock = FakeClock()
        self.faults = Faults()
        partitions = Partitions()
        self.connections = FakeConnectionTable(partitions, self.faults)
        self.projects = FakeProjectTable(partitions, self.faults)
        self.due = FakeDueTable(self.clock, self.faults)
        self.queue = FakeWorkQueue(self.clock, self.faults)
        self.flows = FakeFlowTable(self.faults)
        self.history = FakeRotationHistory(self.faults)
        self.audit = FakeAuditTrail(self.faults)
        self.vault = FakeVault(self.faults)
        self.entra = FakeEntra(self.clock, self.faults)
        self.apps = FakeAppAuthority(self.clock, self.faults)
        self.graph = FakeGraph(self.clock, self.faults, self.apps)
        self.claims = FakeClaimTable(self.faults)
        self.probe = FakeVaultProbe(self.faults)
        self.topic = FakeEventTopic(self.faults)
        self._auth = auth
        self._telemetry = telemetry
        self.app = self._built()

    def restart(self) -> None:
        """The process died and a new one takes over: only what the outside world holds is left."""
        self.faults.restart()
        self.app = self._built()

    def another_process(self) -> Application:
        """A second instance in the same world, with a memory of its own."""
        return self._built()

    async def tick(self) -> list[Work]:
        """One tick of the timer; each message that may be taken by now is delivered once."""
        await self.app.dispatch.tick()
        work = self.queue.take()
        for item in work:
            await self.app.advance(item.org_id, item.connection_id)
        return work

    async def run(self, duration: timedelta) -> None:
        """Let time pass, a tick each period; those that would find nothing are left out."""
        end = self.clock() + duration
        while self.clock() < end:
            wait = max(min(self.due.readable_from(end), self.queue.readable_from(end)) - self.clock(), PERIOD)
            self.clock.advance(min(-(-wait // PERIOD) * PERIOD, end - self.clock()))
            await self.tick()

    def _built(self) -> Application:
        return bootstrap.build(
            self.settings,
            connections=self.connections,
            projects=self.projects,
            due=self.due,
            queue=self.queue,
            flows=self.flows,
            history=self.history,
            audit=self.audit,
            vault=self.vault,
            entra=self.entra,
            apps=self.apps,
            graph=self.graph,
            claims=self.claims,
            probe=self.probe,
            topic=self.topic if self.settings.event_topic else None,
            telemetry=self._telemetry,
            clock=self.clock,
            auth=self._auth,
        )


def settings_for_tests(**changes: str) -> Settings:
    """Settings that no test needs to care about, changed by their environment names."""
    usual = {
        "ENVIRONMENT": "development",
        "PUBLIC_URL": "https://connections.example",
        "ALLOWED_TENANTS": ADA.tenant_id,
        "API_AUDIENCE": "a0000000-0000-4000-8000-0000000000a2",
        "VAULT_URL": "https://credentials.vault.azure.net",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "OAUTH_CLIENT_ID": "a0000000-0000-4000-8000-0000000000a1",
        "RETURN_ORIGINS": "https://portal.example",
    }
    return Settings.from_environment(usual | changes)


def fake_application(
    settings: Settings | None = None, *, auth: BearerAuth | None = None, telemetry: Telemetry | None = None
) -> FakeApplication:
    """A fresh world with an application in it."""
    return FakeApplication(settings or settings_for_tests(), auth, telemetry)
