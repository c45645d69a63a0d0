"""What the contract tests of the tables share: the tables under test, and rows to put in them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from azure.data.tables.aio import TableClient, TableServiceClient

from shared.adapters.tables import client
from shared.adapters.tables.connections import AzureConnectionTable
from shared.adapters.tables.due import AzureDueTable
from shared.adapters.tables.flows import AzureFlowTable
from shared.adapters.tables.projects import AzureProjectTable
from shared.adapters.tables.records import AzureRecords
from shared.domain import creation
from shared.domain.connection import Lifecycle, Method, Row
from shared.domain.creation import NewConnection
from shared.domain.project import Project
from shared.services.ports import ConnectionTable, DueTable, FlowTable, ProjectTable, Records
from tests.fakes.clock import START, FakeClock
from tests.fakes.due import FakeDueTable
from tests.fakes.faults import Faults
from tests.fakes.flows import FakeFlowTable
from tests.fakes.records import FakeRecords
from tests.fakes.tables import FakeConnectionTable, FakeProjectTable, Partitions

QUICK = {"read_timeout": 1.0, "retry_backoff_factor": 0.01}
"""Client options that make a lost answer a matter of a second."""


class History(Protocol):
    """Reads what `Records` delivered, newest first."""

    async def __call__(self, org_id: str, connection_id: str) -> list[dict[str, Any]]:
        """The records of one connection."""


@dataclass(frozen=True, slots=True)
class Tables:
    """One implementation of every table port."""

    connections: ConnectionTable
    projects: ProjectTable
    due: DueTable
    flows: FlowTable
    records: Records
    history: History
    clock: FakeClock


def fake_tables() -> Tables:
    """In memory."""
    clock, faults, partitions = FakeClock(), Faults(), Partitions()
    records = FakeRecords(faults)

    async def history(org_id: str, connection_id: str) -> list[dict[str, Any]]:
        return list(records.history(org_id, connection_id))

    return Tables(
        connections=FakeConnectionTable(partitions, faults),
        projects=FakeProjectTable(partitions, faults),
        due=FakeDueTable(clock, faults),
        flows=FakeFlowTable(faults),
        records=records,
        history=history,
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
        main, rotations = await table("connections"), await table("rotations")

        async def history(org_id: str, connection_id: str) -> list[dict[str, Any]]:
            parameters = {"partition": f"{org_id}!{connection_id}"}
            entities = rotations.query_entities("PartitionKey eq @partition", parameters=parameters)
            return [json.loads(entity["record"]) async for entity in entities]

        yield Tables(
            connections=AzureConnectionTable(main),
            projects=AzureProjectTable(main),
            due=AzureDueTable(await table("due"), clock),
            flows=AzureFlowTable(await table("flows")),
            records=AzureRecords(rotations),
            history=history,
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


async def names(table: ConnectionTable, project_id: str | None = None, *, limit: int = 100) -> list[str]:
    """The names that a list shows, read in pages of `limit`."""
    found: list[str] = []
    after: str | None = None
    while True:
        page = await table.page("org-1", project_id, after=after, limit=limit)
        assert len(page.items) <= limit
        found += [item.connection.name for item in page.items]
        if page.next_key is None:
            return found
        after = page.next_key
