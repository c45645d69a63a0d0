"""Table `connections`: the rows and what is derived from them, changed together in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableErrorCode, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient
from pydantic import ValidationError

from shared.adapters.azure_errors import translate, translated
from shared.adapters.tables import client, keys, properties
from shared.adapters.tables.client import SERVICE
from shared.adapters.tables.connection_entities import Operation, changes, index, row_entity, row_key, transaction
from shared.domain.connection import Connection, Row
from shared.domain.errors import ConcurrentChange, NameTaken, NotFound, ProductError
from shared.services.ports import Listed, Page, Stored

log = logging.getLogger(__name__)

CONFLICTS = frozenset({404, 409, 412})
MAX_TOP = 1000

Reason = Callable[[Operation, Stored | None], Awaitable[ProductError]]
"""Tells why a change was refused, from the operation that was and the row as it is now."""


class AzureConnectionTable:
    """`ConnectionTable` on Azure Table Storage."""

    def __init__(self, table: TableClient) -> None:
        self._client = table

    async def get(self, org_id: str, connection_id: str) -> Stored | None:
        """See `ConnectionTable`."""
        entity = await self._entity(org_id, keys.connection(connection_id))
        return None if entity is None else _stored(entity)

    async def find(self, org_id: str, name: str, project_id: str | None) -> str | None:
        """See `ConnectionTable`."""
        entity = await self._entity(org_id, keys.unique_name(name, project_id))
        return str(entity["connectionId"]) if entity is not None and entity["listed"] else None

    async def find_by_key(self, org_id: str, key: str) -> str | None:
        """See `ConnectionTable`."""
        entity = await self._entity(org_id, keys.idempotency(key))
        return None if entity is None else str(entity["connectionId"])

    async def scan(self, *, after: str | None, limit: int) -> tuple[Sequence[Stored], str | None]:
        """See `ConnectionTable`. A place is a partition and a row key; the service keeps both in order."""
        partition, _, key = (after or "").partition(" ")
        low, high = keys.connection_range()
        query = (
            "RowKey gt @low and RowKey lt @high and "
            "(PartitionKey gt @partition or (PartitionKey eq @partition and RowKey gt @key ))"
        )
        found: list[Any] = []
        with translated(SERVICE):
            entities = self._client.query_entities(
                query,
                parameters={"low": low, "high": high, "partition": partition, "key": key},
                results_per_page=limit,
            )
            async for entity in entities:
                found.append(entity)
                if len(found) == limit:
                    break
        rows = [stored for entity in found if (stored := _readable(entity)) is not None]
        last = found[-1] if len(found) == limit else None
        return rows, f"{last['PartitionKey']} {last['RowKey']}" if last else None

    async def insert(self, row: Row) -> Stored:
        """See `ConnectionTable`.

        A row of a project touches the project's row on condition that it exists: a project and its last connection
        cannot be deleted and created past each other.
        """
        operations: list[Operation] = [("create", row_entity(row)), *changes({}, index(row))]
        if row.connection.project_id is not None:
            touched = {
                "PartitionKey": row.org_id,
                "RowKey": keys.project(row.connection.project_id),
                "touchedBy": row.id,
            }
            # Without a condition of ours the client sends `If-Match: *`: an update of what exists, never an upsert.
            operations.append(("update", touched, {"mode": UpdateMode.MERGE}))

        async def reason(refused: Operation, present: Stored | None) -> ProductError:
            # An idempotency key in use comes before a name in use: the name may be that of the same request.
            if present is not None or await self._is_key_taken(row):
                return ConcurrentChange()
            if refused[0] == "update":
                return NotFound("The project does not exist")
            return await self._name_or_change(row, refused)

        return await self._commit(operations, row, reason)

    async def replace(self, before: Stored, after: Row) -> Stored:
        """See `ConnectionTable`."""
        operations: list[Operation] = [
            ("update", row_entity(after), {"mode": UpdateMode.REPLACE, **_unchanged(before)}),
            *changes(index(before.row), index(after)),
        ]

        async def reason(refused: Operation, present: Stored | None) -> ProductError:
            if present is None or present.etag != before.etag:
                return ConcurrentChange()
            return await self._name_or_change(after, refused)

        return await self._commit(operations, after, reason)

    async def remove(self, before: Stored) -> None:
        """See `ConnectionTable`."""
        key = {"PartitionKey": before.row.org_id, "RowKey": keys.connection(before.row.id)}
        operations: list[Operation] = [("delete", key, _unchanged(before)), *changes(index(before.row), {})]
        try:
            await self._client.submit_transaction(transaction(operations), **client.RESENT)
        except AzureError as error:
            if await self.get(before.row.org_id, before.row.id) is None:
                return
            if _refused(error, operations) is not None:
                raise ConcurrentChange from error
            raise translate(SERVICE, error) from error

    async def page(self, org_id: str, project_id: str | None, *, after: str | None, limit: int) -> Page:
        """See `ConnectionTable`."""
        low, high = keys.name_range(project_id)
        # `!` is the lowest character that occurs: what sorts from `name!` on is what comes after `name`.
        found = await self._scan(org_id, f"{low}{after or ''}!", high, limit + 1)
        return _page([(entity["RowKey"].removeprefix(low), entity) for entity in found], limit)

    async def available(self, org_id: str, project_id: str | None, *, after: str | None, limit: int) -> Page:
        """See `ConnectionTable`. Each scan reads as if the other found nothing, so the merged page is complete."""
        name, _, scope = (after or "").partition("!")
        scans = []
        for each in [None, project_id] if project_id else [None]:
            low, high = keys.scope_range(each)
            start = f"{low}{name}" if scope < (each or "") else f"{low}{name}!"
            scans.append(self._scan(org_id, start, high, limit + 1))
        found = [(_place(entity), entity) for scan in await asyncio.gather(*scans) for entity in scan]
        return _page(sorted(found, key=lambda each: each[0]), limit)

    async def check(self) -> None:
        """Raise `UpstreamError` unless the table can be read."""
        with translated(SERVICE):
            query = "PartitionKey eq @none"
            async for _ in self._client.query_entities(query, parameters={"none": "-"}, results_per_page=1):
                return

    async def _entity(self, org_id: str, key: str) -> Any | None:
        with translated(SERVICE):
            try:
                return await self._client.get_entity(org_id, key)
            except ResourceNotFoundError:
                return None

    async def _scan(self, org_id: str, start: str, end: str, most: int) -> list[Any]:
        found: list[Any] = []
        with translated(SERVICE):
            entities = self._client.query_entities(
                "PartitionKey eq @org and RowKey ge @start and RowKey lt @end and listed eq true",
                parameters={"org": org_id, "start": start, "end": end},
                select=["RowKey", "copy", "restricted"],
                results_per_page=min(most, MAX_TOP),
            )
            async for entity in entities:  # a page may be short or empty and still carry a continuation token
                found.append(entity)
                if len(found) == most:
                    break
        return found

    async def _commit(self, operations: Sequence[Operation], row: Row, reason: Reason) -> Stored:
        """Send the transaction; on any doubt, read the row again: our `writeId` in it means that we won.

        The pipeline sends again what got no answer, so our own success can come back as 409 or 412.
        """
        try:
            etag = await self._sent(operations)
        except AzureError as error:
            present = await self.get(row.org_id, row.id)
            if present is not None and present.row.write_id == row.write_id:
                return present
            refused = _refused(error, operations)
            if refused is None:
                raise translate(SERVICE, error) from error
            raise await reason(refused, present) from error
        return Stored(row, etag)

    async def _sent(self, operations: Sequence[Operation]) -> str:
        """The row's new ETag. A change of the row alone needs no transaction, which costs the client thrice as much."""
        match operations:
            case [("update", entity, options)]:
                return str((await self._client.update_entity(entity, **options))["etag"])
            case _:
                return str((await self._client.submit_transaction(transaction(operations), **client.RESENT))[0]["etag"])

    async def _is_key_taken(self, row: Row) -> bool:
        return row.idempotency is not None and await self.find_by_key(row.org_id, row.idempotency.key) is not None

    async def _name_or_change(self, row: Row, refused: Operation) -> ProductError:
        """What stood in the way of an index row.

        The refused operation tells, whatever has become of its entity since. An answer that names none counts as the
        first, which is the row itself: then the name's row tells.
        """
        taken = refused[0] == "create" and row_key(refused) in keys.names(row)
        if not taken:
            holder = await self._entity(row.org_id, keys.unique_name(row.connection.name, row.connection.project_id))
            taken = holder is not None and holder["connectionId"] != row.id
        return NameTaken("The name is in use") if taken else ConcurrentChange()


def _unchanged(before: Stored) -> dict[str, Any]:
    return {"etag": before.etag, "match_condition": MatchConditions.IfNotModified}


def _refused(error: AzureError, operations: Sequence[Operation]) -> Operation | None:
    """The operation that the present state stood in the way of; None where the transaction failed otherwise."""
    if not isinstance(error, HttpResponseError) or _code(error) == TableErrorCode.TABLE_NOT_FOUND:
        return None
    if error.status_code in CONFLICTS:
        index = int(error.index) if isinstance(error, TableTransactionError) else 0
        return operations[min(index, len(operations) - 1)]
    return None


def _code(error: HttpResponseError) -> object:
    return getattr(error, "error_code", None)  # documented, but set outside the class


def _place(entity: Any) -> str:
    _, scope, name = entity["RowKey"].split("!")
    return f"{name}!{scope}"


def _page(found: Sequence[tuple[str, Any]], limit: int) -> Page:
    """Up to `limit` of what was found, each under its place in the list."""
    items = [Listed(_listed(entity["copy"]), bool(entity["restricted"]), place) for place, entity in found[:limit]]
    return Page(items, found[limit - 1][0] if len(found) > limit else None)


@lru_cache(maxsize=1000)
def _listed(copy: str) -> Connection:
    """What callers see of a connection. Lists read the same copies again and again, and a record never changes."""
    return Connection.model_validate_json(copy)


def _stored(entity: Any) -> Stored:
    return Stored(Row.model_validate_json(properties.joined("row", entity)), str(entity.metadata["etag"]))


def _readable(entity: Any) -> Stored | None:
    """The row, or None for one that this version of the service cannot read: it must not hide its neighbours."""
    try:
        return _stored(entity)
    except (KeyError, ValidationError):
        log.error("upkeep.row-unreadable partition=%s key=%s", entity["PartitionKey"], entity["RowKey"])
        return None
