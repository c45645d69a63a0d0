"""What one page of a list costs in requests and rows, however much there is. An emulator's time would say nothing."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from azure.data.tables.aio import TableClient, TableServiceClient

from local import bulk
from local.meter import Meter
from shared.adapters.tables import client, connection_entities
from shared.adapters.tables.audit import MAX_MONTHS, AzureAuditTrail
from shared.adapters.tables.connections import AzureConnectionTable
from shared.domain.audit import SYSTEM, Action, audited
from shared.domain.connection import Row
from shared.services.ports import Page
from tests.contract.tables import project, row
from tests.fakes.clock import START

SIZES = (10, 1_000, 10_000)
LIMIT = 100
HARD_TO_ORDER = ("a", "a-1", "a-b", "a1", "ab")
HERE = project()


@asynccontextmanager
async def metered_table(connection_string: str) -> AsyncIterator[tuple[TableClient, Meter]]:
    """A table of its own."""
    meter = Meter()
    options = {**client.OPTIONS, "raw_response_hook": meter}
    async with TableServiceClient.from_connection_string(connection_string, **options) as service:
        yield await service.create_table(f"cost{uuid.uuid4().hex[:12]}"), meter


def connections(first: int, last: int) -> list[Row]:
    """Connections by number: of no project and of a project by turns, the first ones under names hard to order."""
    names = [*HARD_TO_ORDER, *(f"n-{number:05d}" for number in range(len(HARD_TO_ORDER), last))]
    return [row(names[number], project=HERE if number % 2 else None) for number in range(first, last)]


def entities(rows: Sequence[Row], prefix: str) -> list[dict[str, Any]]:
    """What a list reads of these connections: the rows of one index."""
    derived = [item for each in rows for item in connection_entities.index(each).items()]
    return [entity for key, entity in derived if key.startswith(prefix)]


def names_of(page: Page) -> list[str]:
    """The names that a page shows."""
    return [item.connection.name for item in page.items]


@pytest.mark.parametrize(
    ("index", "method", "project_id", "scans"),
    [
        pytest.param("n!", "page", None, 1, id="all of an organisation"),
        pytest.param("p!", "available", HERE.id, 2, id="available in a project"),
    ],
)
async def test_a_page_costs_the_same_among_ten_connections_and_ten_thousand(
    azurite: str, index: str, method: str, project_id: str | None, scans: int
) -> None:
    async with metered_table(azurite) as (table, meter):
        read = getattr(AzureConnectionTable(table), method)
        rows: list[Row] = []
        for size in SIZES:
            more = connections(len(rows), size)
            await bulk.create(azurite, table.table_name, entities(more, index))
            rows += more
            names = [each.connection.name for each in rows]
            for skipped in (0, size // 2, size - 1):  # the first page, one from the middle, the last
                after = f"{names[skipped - 1]}!{HERE.id}" if skipped else None
                meter.reset()
                page = await read("org-1", project_id, after=after, limit=LIMIT)
                assert names_of(page) == names[skipped : skipped + LIMIT]
                assert (page.next_key is None) == (size - skipped <= LIMIT)
                assert meter.requests == scans
                assert meter.rows <= scans * (LIMIT + 1)


async def test_a_page_of_the_audit_log_reads_a_bounded_number_of_months_and_rows(azurite: str) -> None:
    async with metered_table(azurite) as (table, meter):
        trail = AzureAuditTrail(table)
        bounds = {"since": START - timedelta(days=3650), "until": START + timedelta(days=1)}
        logs = [audited(Action.READ, SYSTEM, START - timedelta(days=days)) for days in (0, 1, 2, 3, 40, 1500)]
        await trail.add("org-1", logs)
        found: list[object] = []
        after, calls = None, 0
        while after is not None or not calls:
            meter.reset()
            page = await trail.page("org-1", connection_id=None, after=after, limit=2, **bounds)
            assert meter.requests <= MAX_MONTHS
            assert meter.rows <= 2 + 1
            found += page.items
            after, calls = page.next_key, calls + 1
        assert found == [log.model_dump(mode="json") for log in logs]
        meter.reset()
        await trail.page("org-1", connection_id=None, after=None, limit=1, **bounds)
        assert (meter.requests, meter.rows) == (1, 2)
