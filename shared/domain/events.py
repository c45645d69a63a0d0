"""What other programs are told of: the difference of two rows, as events on their way in the row's outbox.

Every row write passes here, so no transition can be forgotten, and an event is written with the change it tells of.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from shared.domain.connection import Health, Lifecycle, OutboxEntry, RotationStatus, Row
from shared.domain.credential import Method
from shared.domain.model import Instant, Record
from shared.domain.schedule import Trigger

SOURCE = "/app-connections/azure-key-vault"
"""The CloudEvents `source` of every event."""

MAX_WAITING = 100_000
"""Characters of events that one row keeps for a topic that takes none, some two hundred of them. Beyond, the oldest go:
a connection changes a few times a day, and its row, which must be written for its rotation, has a size to keep to."""


class EventType(StrEnum):
    """The CloudEvents `type`."""

    CREATED = "connection.created"
    RECONNECTED = "connection.reconnected"
    DELETED = "connection.deleted"
    DEGRADED = "connection.degraded"
    NEEDS_RECONNECT = "connection.needs-reconnect"
    RECOVERED = "connection.recovered"
    ROTATION_SUCCEEDED = "rotation.succeeded"
    ROTATION_FAILED = "rotation.failed"


class ConnectionChanged(Record):
    """The data of each `connection.` event: how the connection stands after the change."""

    org_id: str
    connection_id: str
    name: str
    method: Method
    project_id: str | None
    state: Health
    reason: str | None
    """Of a connection that does not work: why, and what to do."""


class RotationEnded(Record):
    """The data of each `rotation.` event."""

    org_id: str
    connection_id: str
    name: str
    method: Method
    project_id: str | None
    rotation_id: str
    trigger: Trigger
    started_at: Instant
    finished_at: Instant
    attempts: int
    message: str | None
    """Of a failure: what went wrong."""


@dataclass(frozen=True, slots=True)
class Event:
    """One CloudEvent. Sent twice it has the same id, by which a receiver drops repeats."""

    id: str
    type: EventType
    subject: str
    time: datetime
    data: dict[str, JsonValue]
    sequence: str | None
    """Orders the events of one connection as strings; None of one recorded before they were numbered."""


def with_events(before: Row | None, after: Row, now: datetime) -> Row:
    """`after` with the events of the change from `before` on their way."""
    made = tuple(
        entry.model_copy(update={"body": {**entry.body, "sequence": number}})
        for number, entry in enumerate(_events(before, after, now), start=after.events_made + 1)
    )
    if not made:
        return after
    return _bounded(after.having(events_made=after.events_made + len(made)).recording(*made))


def waiting(row: Row) -> list[OutboxEntry]:
    """The events of `row` that no topic has taken yet, oldest first."""
    return [entry for entry in row.outbox if entry.kind == "event"]


def _bounded(row: Row) -> Row:
    events = waiting(row)
    size = sum(len(entry.model_dump_json()) for entry in events)
    dropped: set[str] = set()
    for entry in events:
        if size <= MAX_WAITING:
            break
        size -= len(entry.model_dump_json())
        dropped.add(entry.id)
    return row.having(outbox=tuple(entry for entry in row.outbox if entry.id not in dropped)) if dropped else row


def event_of(row: Row, entry: OutboxEntry) -> Event:
    """The event that `entry` of `row` holds."""
    body = dict(entry.body)
    kind = EventType(str(body.pop("type")))
    number = body.pop("sequence", None)
    shared: dict[str, JsonValue] = {
        "orgId": row.org_id,
        "connectionId": row.id,
        "method": row.connection.method.value,
        "projectId": row.connection.project_id,
    }
    schema = RotationEnded if kind in (EventType.ROTATION_SUCCEEDED, EventType.ROTATION_FAILED) else ConnectionChanged
    data = schema.model_validate({**shared, **body}).model_dump(mode="json")
    subject = f"organizations/{row.org_id}/connections/{row.id}"
    return Event(entry.id, kind, subject, entry.at, data, None if number is None else f"{number:010}")


def _events(before: Row | None, after: Row, now: datetime) -> Iterator[OutboxEntry]:
    """In the order in which they are told: what was done, then how the connection stands since."""
    was = before.lifecycle if before else None
    if after.lifecycle is Lifecycle.ACTIVE and was is not Lifecycle.ACTIVE:
        yield _changed(EventType.CREATED, after, now)
    if before is None or was is not Lifecycle.ACTIVE:
        return
    for run in _ended_runs(before, after):
        yield _rotation_ended(run, after, now)
    if after.lifecycle is Lifecycle.DELETING:
        yield _changed(EventType.DELETED, after, now)
        return
    if _submitted_anew(before, after):
        yield _changed(EventType.RECONNECTED, after, now)
    if after.connection.status.state is not before.connection.status.state:
        yield _changed(_JUDGEMENTS[after.connection.status.state], after, now)


_JUDGEMENTS = {
    Health.ACTIVE: EventType.RECOVERED,
    Health.DEGRADED: EventType.DEGRADED,
    Health.NEEDS_RECONNECT: EventType.NEEDS_RECONNECT,
}


def _ended_runs(before: Row, after: Row) -> list[OutboxEntry]:
    """A run that ends leaves its line for the history in the same write."""
    known = {entry.id for entry in before.outbox if entry.kind == "rotation"}
    return [entry for entry in after.outbox if entry.kind == "rotation" and entry.id not in known]


def _submitted_anew(before: Row, after: Row) -> bool:
    """Whether somebody signed in again: a caller's edit put another version in use, not rotation or keep-alive."""
    replaced = after.active_version != before.active_version and after.revision != before.revision
    return after.connection.method is Method.OAUTH and replaced


def _changed(kind: EventType, row: Row, now: datetime) -> OutboxEntry:
    status = row.connection.status
    body: dict[str, JsonValue] = {
        "type": kind.value,
        "name": row.connection.name,
        "state": status.state.value,
        "reason": status.reason,
    }
    return _entry(kind, row, f"{now.isoformat()} {row.active_version}", now, body)


def _rotation_ended(run: OutboxEntry, row: Row, now: datetime) -> OutboxEntry:
    succeeded = run.body["outcome"] == RotationStatus.SUCCESS
    kind = EventType.ROTATION_SUCCEEDED if succeeded else EventType.ROTATION_FAILED
    told = ("rotationId", "trigger", "startedAt", "finishedAt", "attempts", "message")
    body: dict[str, JsonValue] = {"type": kind.value, "name": row.connection.name}
    return _entry(kind, row, run.id, now, {**body, **{name: run.body[name] for name in told}})


def _entry(kind: EventType, row: Row, occasion: str, now: datetime, body: dict[str, JsonValue]) -> OutboxEntry:
    """The id follows from what happened, and is fixed once the row is written."""
    fixed = uuid.uuid5(uuid.NAMESPACE_URL, f"{SOURCE}/{row.org_id}/{row.id}/{kind.value}/{occasion}")
    return OutboxEntry(id=str(fixed), kind="event", at=now, body=body)
