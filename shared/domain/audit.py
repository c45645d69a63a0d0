"""Who did what to which connection, when, from where, and how it went."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Self

from shared.domain.caller import Caller
from shared.domain.model import Instant, Record


class Action(StrEnum):
    """What is audited."""

    CREATE = "connection.create"
    READ = "connection.read"
    UPDATE = "connection.update"
    DELETE = "connection.delete"
    USE = "connection.use"
    CONNECT = "connection.connect"
    """Somebody signed in through a connect link."""
    RECONNECT = "connection.reconnect"
    """Somebody signed in through a connect link for a connection that exists."""
    ROTATE = "connection.rotate"
    """Somebody asked for a rotation; how the run went is `ROTATION`."""
    ROTATION = "rotation.run"
    PASSWORDS_LEFT = "rotation.passwords-left"
    """App passwords of this service that nobody could remove."""
    AUDIT = "audit.read"
    PROJECT_CREATE = "project.create"
    PROJECT_DELETE = "project.delete"
    PROJECTS = "project.manage"


class ActorType(StrEnum):
    """What kind of party acted."""

    CALLER = "caller"
    """A program or person with a bearer token of this API."""
    VISITOR = "visitor"
    """Somebody who signed in through a connect link."""
    SYSTEM = "system"


class Outcome(StrEnum):
    """How it went."""

    SUCCESS = "success"
    FAILURE = "failure"


class Actor(Record):
    """Who acted. Ids are Entra object ids; the address is what the platform's front end saw."""

    type: ActorType
    object_id: str | None = None
    app_id: str | None = None
    name: str | None = None
    address: str | None = None

    @property
    def title(self) -> str:
        """What to call them where people read it."""
        return self.name or self.app_id or self.object_id or self.type.value


class Origin(Record):
    """Who acted, and by which request."""

    actor: Actor
    request_id: str | None = None

    @classmethod
    def of(cls, caller: Caller) -> Self:
        """The caller of this request."""
        actor = Actor(
            type=ActorType.CALLER,
            object_id=caller.object_id,
            app_id=caller.app_id,
            name=caller.name,
            address=caller.address,
        )
        return cls(actor=actor, request_id=caller.request_id)


SYSTEM = Origin(actor=Actor(type=ActorType.SYSTEM))
"""The service itself, on schedule."""


class AuditLog(Record):
    """One line of the audit log. The id is fixed when the thing happens, so writing it twice leaves one."""

    id: str
    at: Instant
    action: Action
    outcome: Outcome
    reason: str | None = None
    """Of a failure: its error code, or what a rotation says of itself."""
    actor: Actor
    connection_id: str | None = None
    connection_name: str | None = None
    request_id: str | None = None


def audited(
    action: Action,
    origin: Origin,
    now: datetime,
    *,
    connection_id: str | None = None,
    connection_name: str | None = None,
    reason: str | None = None,
) -> AuditLog:
    """A new line; a `reason` makes it a failure."""
    return AuditLog(
        id=uuid.uuid4().hex,
        at=now,
        action=action,
        outcome=Outcome.SUCCESS if reason is None else Outcome.FAILURE,
        reason=reason,
        actor=origin.actor,
        connection_id=connection_id,
        connection_name=connection_name,
        request_id=origin.request_id,
    )
