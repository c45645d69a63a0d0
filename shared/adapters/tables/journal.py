"""Append-only records, newest first: what the rotation history and the audit trail share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient
from pydantic import JsonValue

from shared.adapters.azure_errors import translated
from shared.adapters.tables import keys, properties
from shared.adapters.tables.client import SERVICE

MAX_TOP = 1000


@dataclass(frozen=True, slots=True)
class Kept:
    """A record as it was read, and its place in the list."""

    place: str
    record: dict[str, JsonValue]


def entity(partition: str, at: datetime, record_id: str, record: Mapping[str, JsonValue]) -> dict[str, Any]:
    """A record as the table holds it. Its key is fixed by what happened, so writing it twice leaves one."""
    return {
        "PartitionKey": partition,
        "RowKey": keys.newest_first(at, record_id),
        "record": properties.text(json.dumps(record), f"record {record_id}"),
    }


async def write(client: TableClient, entities: Sequence[Mapping[str, Any]]) -> None:
    """Write all of them, at once; the first failure is raised when every write has ended."""
    with translated(SERVICE):
        writes = [client.upsert_entity(each, mode=UpdateMode.REPLACE) for each in entities]
        for outcome in await asyncio.gather(*writes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome


async def read(client: TableClient, partition: str, *, after: str, before: str, most: int) -> list[Kept]:
    """Up to `most` records of one partition between two places: one range scan."""
    found: list[Kept] = []
    with translated(SERVICE):
        entities = client.query_entities(
            "PartitionKey eq @partition and RowKey gt @after and RowKey lt @before",
            parameters={"partition": partition, "after": after, "before": before},
            select=["RowKey", "record"],
            results_per_page=min(most, MAX_TOP),
        )
        async for each in entities:  # a page may be short or empty and still carry a continuation token
            found.append(Kept(each["RowKey"], json.loads(each["record"])))
            if len(found) == most:
                break
    return found
