"""What table `connections` holds of a row: the truth itself, and everything derived from it. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from azure.data.tables import UpdateMode

from shared.adapters.tables import keys, properties
from shared.domain.connection import Lifecycle, Row

Operation = tuple[str, dict[str, Any]] | tuple[str, dict[str, Any], dict[str, Any]]
"""One change of a transaction, as the client takes it."""

MAX_CHANGES = 100


def row_entity(row: Row) -> dict[str, Any]:
    """The row's JSON, and beside it a few columns for people who look at the table."""
    return {
        "PartitionKey": row.org_id,
        "RowKey": keys.connection(row.id),
        **properties.split("row", row.model_dump_json(), f"row {row.id}"),
        "name": row.connection.name,
        "lifecycle": row.lifecycle.value,
        "state": row.connection.status.state.value,
        "due": row.due.at if row.due else None,
    }


def index(row: Row) -> dict[str, dict[str, Any]]:
    """Everything derived from the row, by row key: a pure function, so that a change is a difference of two.

    A row being deleted has freed its name, but still answers for the idempotency key that it was created under.
    """
    derived: dict[str, dict[str, Any]] = {}
    if row.idempotency is not None:
        derived[keys.idempotency(row.idempotency.key)] = {"connectionId": row.id}
    if row.lifecycle is not Lifecycle.DELETING:
        listed = row.lifecycle is Lifecycle.ACTIVE
        shown = {
            "connectionId": row.id,
            "listed": listed,
            "copy": row.connection.model_dump_json() if listed else "",
            "restricted": row.project_restricted,
        }
        derived |= dict.fromkeys(keys.names(row), shown)
    return {key: {"PartitionKey": row.org_id, "RowKey": key, **entity} for key, entity in derived.items()}


def changes(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[Operation]:
    """What turns one index into the other."""
    operations: list[Operation] = [("delete", entity) for key, entity in before.items() if key not in after]
    for key, entity in after.items():
        if key not in before:
            operations.append(("create", entity))
        elif before[key] != entity:
            operations.append(("update", entity, {"mode": UpdateMode.REPLACE}))
    return operations


def transaction(operations: Sequence[Operation]) -> Sequence[Operation]:
    """`operations`, or `RuntimeError` where the service would refuse them; the emulator takes more.

    https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
    """
    if len(operations) > MAX_CHANGES or len({row_key(each) for each in operations}) < len(operations):
        raise RuntimeError(f"a transaction changes each entity once, and no more than {MAX_CHANGES}")
    return operations


def row_key(operation: Operation) -> str:
    """The row key of the entity that is changed."""
    return str(operation[1]["RowKey"])
