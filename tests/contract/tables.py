"""What the contract tests of the tables share: the tables under test, and rows to put in them."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from azure.data.tables.aio import TableClient, TableServiceClient

from shared.adapters.tables import client
from shared.adapters.tables.audit import AzureAuditTrail
from shared.adapters.tables.claims import AzureClaimTable
from shared.adapters.tables.connections import AzureConnectionTable
from shared.adapters.tables.due import AzureDueTable
from shared.adapters.tables.flows import AzureFlowTable
from shared.adapters.tables.history import AzureRotationHistory
from shared.adapters.tables.projects import AzureProjectTable
from shared.domain import creation
from shared.domain.connection import Idempotency, Lifecycle, Row
from shared.domain.creation import NewConnection
from shared.domain.credential import Method
from shared.domain.project import Project
from shared.services.ports import (
    AuditTrail,
    ClaimTable,
    ConnectionTable,
    DueTable,
    FlowTable,
    ProjectTable,
    RotationHistory,
)
from tests.fakes.audit import FakeAuditTrail
from tests.fakes.claims import FakeClaimTable
from tests.fakes.clock import START, FakeClock
from tests.fakes.due import FakeDueTable
from tests.fakes.faults import Faults
from tests.fakes.flows import FakeFlowTable
from tests.fakes.history import FakeRotationHistory
from tests.fakes.tables import FakeConnectionTable, FakeProjectTable, Partitions

QUICK = {"read_timeout": 1.0, "retry_backoff_factor": 0.01}
"""Client options that make a lost answer a matter of a second."""


@dataclass(frozen=True, slots=True)
class Tables:
    """One implementation of every table port."""

    connections: ConnectionTable
    projects: ProjectTable
    due: DueTable
    flows: FlowTable
    claims: ClaimTable
    history: RotationHistory
    audit: AuditTrail
    clock: FakeClock


def fake_tables() -> Tables:
    """In memory."""
    clock, faults, partitions = FakeClock(), Faults(), Partitions()
    return Tables(
        connections=FakeConnectionTable(partitions, faults),
        projects=FakeProjectTable(partitions, faults),
        due=FakeDueTable(clock, faults),
        flows=FakeFlowTable(faults),
        claims=FakeClaimTable(faults),
        history=FakeRotationHistory(faults),
        audit=FakeAuditTrail(faults),
        clock=clock,
    )


@asynccontextmanager
async def azure_tables(connection_string: str, **options: Any) -> AsyncIterator[Tables]:
    """The real adapters, over tables of their own."""
    service = TableServiceClient.from_connection_string(connection_string, **{**client.OPTIONS, **options})
    suffix = uuid.uuid4().hex[:12]
    clock = FakeClock()

    async def table(name: str) -> TableClient:
        return await service.create_table(f"{name}{suffix}")

    async with service:
        main = await table("connections")
        yield Tables(
            connections=AzureConnectionTable(main),
            projects=AzureProjectTable(main),
            due=AzureDueTable(await table("due"), clock),
            flows=AzureFlowTable(await table("flows")),
            claims=AzureClaimTable(await table("claims")),
            history=AzureRotationHistory(await table("rotations")),
            audit=AzureAuditTrail(await table("auditlogs")),
            clock=clock,
        )


def table_address(connection_string: str) -> str:
    """Where the table service listens: scheme, host and port."""
    found = re.search(r"TableEndpoint=(http://[^/;]+)", connection_string)
    assert found is not None
    return found[1]


def row(
    name: str = "prod-vault",
    *,
    org: str = "org-1",
    project: Project | None = None,
    lifecycle: Lifecycle = Lifecycle.ACTIVE,
    now: datetime = START,
) -> Row:
    """A row as it is about to be written."""
    new = NewConnection(name=name, method=Method.OAUTH, project_id=project.id if project else None)
    made = creation.reserved(
        new, org_id=org, connection_id=str(uuid.uuid4()), project=project, salt=uuid.uuid4().hex, now=now
    )
    return written(made, lifecycle=lifecycle)


def under_key(before: Row, key: str = "a-key") -> Row:
    """The row as if it had been asked for under an idempotency key."""
    return before.having(idempotency=Idempotency(key=key, fingerprint="a-request", expires_at=START))


def written(before: Row, **changes: object) -> Row:
    """The row with changes and, as for every write, a write id of its own."""
    return before.having(write_id=uuid.uuid4().hex, **changes)


def project(slug: str = "payments", *, org: str = "org-1", callers: tuple[str, ...] = ()) -> Project:
    """A project as it is about to be written."""
    return Project(
        id=str(uuid.uuid4()),
        name=slug.title(),
        type="secret-manager",
        slug=slug,
        org_id=org,
        callers=callers,
        created_at=START,
    )


async def names(
    table: ConnectionTable, project_id: str | None = None, *, limit: int = 100, available: bool = False
) -> list[str]:
    """The names that a list shows, or that are available, read in pages of `limit`."""
    read = table.available if available else table.page
    found: list[str] = []
    after: str | None = None
    while True:
        page = await read("org-1", project_id, after=after, limit=limit)
        assert len(page.items) <= limit
        found += [item.connection.name for item in page.items]
        if page.next_key is None:
            return found
        after = page.next_key
