"""Table `connections`: the rows and what is derived from them, changed together in one transaction."""

from __future__ import annotations

from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from shared.adapters.azure_errors import translate, translated
from shared.adapters.tables import keys
from shared.adapters.tables.client import SERVICE
from shared.domain.connection import Connection, Lifecycle, Row
from shared.domain.errors import ConcurrentChange, NameTaken, NotFound, ProductError
from shared.services.ports import Listed, Page, Stored

MAX_ROW_CHARS = 32_000
"""A string property holds 64 KiB of UTF-16; Azurite would take more than the service does."""

CONFLICTS = frozenset({404, 409, 412})
MAX_TOP = 1000

Operation = tuple[str, dict[str, Any]] | tuple[str, dict[str, Any], dict[str, Any]]


class AzureConnectionTable:
    """`ConnectionTable` on Azure Table Storage."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def get(self, org_id: str, connection_id: str) -> Stored | None:
        """See `ConnectionTable`."""
        with translated(SERVICE):
            try:
                entity = await self._client.get_entity(org_id, keys.connection(connection_id))
            except ResourceNotFoundError:
                return None
        return Stored(Row.model_validate_json(entity["row"]), str(entity.metadata["etag"]))

    async def insert(self, row: Row) -> Stored:
        """See `ConnectionTable`.

        A row of a project touches the project's row on condition that it exists: a project and its last connection
        cannot be deleted and created past each other.
        """
        operations: list[Operation] = [("create", _row_entity(row))]
        operations += [("create", entity) for entity in _index(row).values()]
        if row.connection.project_id is not None:
            touched = {
                "PartitionKey": row.org_id,
                "RowKey": keys.project(row.connection.project_id),
                "touchedBy": row.id,
            }
            # Without a condition of ours the client sends `If-Match: *`: an update of what exists, never an upsert.
            operations.append(("update", touched, {"mode": UpdateMode.MERGE}))
        return await self._commit(operations, row)

    async def replace(self, before: Stored, after: Row) -> Stored:
        """See `ConnectionTable`."""
        unchanged = {"etag": before.etag, "match_condition": MatchConditions.IfNotModified}
        operations: list[Operation] = [("update", _row_entity(after), {"mode": UpdateMode.REPLACE, **unchanged})]
        operations += _index_changes(_index(before.row), _index(after))
        return await self._commit(operations, after)

    async def remove(self, before: Stored) -> None:
        """See `ConnectionTable`."""
        unchanged = {"etag": before.etag, "match_condition": MatchConditions.IfNotModified}
        operations: list[Operation] = [("delete", _row_entity(before.row), unchanged)]
        operations += _index_changes(_index(before.row), {})
        try:
            await self._client.submit_transaction(operations)
        except AzureError as error:
            present = await self.get(before.row.org_id, before.row.id)
            if present is None:
                return
            if _is_conflict(error):
                raise ConcurrentChange from error
            raise translate(SERVICE, error) from error

    async def page(self, org_id: str, project_id: str | None, *, after: str | None, limit: int) -> Page:
        """See `ConnectionTable`."""
        low, high = keys.name_range(project_id)
        query = "PartitionKey eq @org and RowKey gt @after and RowKey lt @high and listed eq true"
        found: list[dict[str, Any]] = []
        with translated(SERVICE):
            entities = self._client.query_entities(
                query,
                parameters={"org": org_id, "after": low + (after or ""), "high": high},
                select=["RowKey", "copy", "restricted"],
                results_per_page=min(limit + 1, MAX_TOP),
            )
            async for entity in entities:  # a page may be short or empty and still carry a continuation token
                found.append(entity)
                if len(found) > limit:
                    break
        items = [
            Listed(Connection.model_validate_json(entity["copy"]), bool(entity["restricted"]))
            for entity in found[:limit]
        ]
        return Page(items, found[limit - 1]["RowKey"].removeprefix(low) if len(found) > limit else None)

    async def check(self) -> None:
        """Raise `UpstreamError` unless the table can be read."""
        with translated(SERVICE):
            query = "PartitionKey eq @none"
            async for _ in self._client.query_entities(query, parameters={"none": "-"}, results_per_page=1):
                return

    async def _commit(self, operations: list[Operation], row: Row) -> Stored:
        """Send the transaction; on any doubt, read the row again: our `writeId` in it means that we won.

        The pipeline sends again what got no answer, so our own success can come back as 409 or 412.
        """
        try:
            results = await self._client.submit_transaction(operations)
        except AzureError as error:
            present = await self.get(row.org_id, row.id)
            if present is not None and present.row.write_id == row.write_id:
                return present
            raise _lost(error, operations, present) from error
        return Stored(row, results[0]["etag"])


def _lost(error: AzureError, operations: list[Operation], present: Stored | None) -> ProductError:
    """Why a transaction that is certainly not ours in the table did not go through."""
    if not _is_conflict(error):
        return translate(SERVICE, error)
    inserting = operations[0][0] == "create"
    if inserting and isinstance(error, TableTransactionError) and error.status_code == 404:
        return NotFound("The project does not exist")
    if inserting and present is None:
        return NameTaken("The name is in use")
    return ConcurrentChange()


def _is_conflict(error: AzureError) -> bool:
    return isinstance(error, HttpResponseError) and error.status_code in CONFLICTS


def _row_entity(row: Row) -> dict[str, Any]:
    """The row's JSON, and beside it a few columns for people who look at the table."""
    document = row.model_dump_json()
    if len(document) > MAX_ROW_CHARS:
        raise RuntimeError(f"row {row.id} has outgrown a table property")
    return {
        "PartitionKey": row.org_id,
        "RowKey": keys.connection(row.id),
        "row": document,
        "name": row.connection.name,
        "lifecycle": row.lifecycle.value,
        "state": row.connection.status.state.value,
        "due": row.due.at if row.due else None,
    }


def _index(row: Row) -> dict[str, dict[str, Any]]:
    """Everything derived from the row, by row key: a pure function, so that a change is a difference of two."""
    if row.lifecycle is Lifecycle.DELETING:
        return {}
    listed = row.lifecycle is Lifecycle.ACTIVE
    return {
        key: {
            "PartitionKey": row.org_id,
            "RowKey": key,
            "connectionId": row.id,
            "listed": listed,
            "copy": row.connection.model_dump_json() if listed else "",
            "restricted": row.project_restricted,
        }
        for key in keys.names(row)
    }


def _index_changes(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[Operation]:
    changes: list[Operation] = [("delete", entity) for key, entity in before.items() if key not in after]
    for key, entity in after.items():
        if key not in before:
            changes.append(("create", entity))
        elif before[key] != entity:
            changes.append(("update", entity, {"mode": UpdateMode.REPLACE}))
    return changes
