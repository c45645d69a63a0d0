"""The life of a new connection: reserved, then active; or given up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from shared.domain import schedule
from shared.domain.connection import (
    LONGEST_RUN,
    Connection,
    Health,
    Lifecycle,
    Method,
    Rotation,
    Row,
    Status,
    credentials_hash,
    secret_name,
)
from shared.domain.model import Record
from shared.domain.project import Project
from shared.domain.schedule import IntervalUnit, RotateAt, Trigger


class RotationPlan(Record):
    """How often and when to rotate, as the caller asked."""

    rotation_interval: int
    rotate_at_utc: RotateAt


class NewConnection(Record):
    """A validated wish for a connection, without its credential."""

    name: str
    method: Method
    description: str | None = None
    project_id: str | None = None
    tenant: str | None = None
    """Tenant id or verified domain name; None where the sign-in decides."""
    is_auto_rotation_enabled: bool = False
    rotation: RotationPlan | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """A credential that was just shown to work."""

    public: dict[str, str]
    """What answers show of it."""
    submitted: dict[str, str] = field(repr=False)
    """What the caller submitted, for `credentials_hash`."""
    secret: str = field(repr=False)
    """The JSON value for Key Vault."""
    account_id: str | None = None


def reserved(
    new: NewConnection,
    *,
    org_id: str,
    connection_id: str,
    project: Project | None,
    salt: str,
    now: datetime,
) -> Row:
    """A row that holds the name while the credential is proven; nobody sees it yet."""
    return Row(
        connection=Connection(
            id=connection_id,
            name=new.name,
            description=new.description,
            org_id=org_id,
            created_at=now,
            updated_at=now,
            method=new.method,
            credentials={},
            project_id=project.id if project else None,
            project=project.ref if project else None,
            is_auto_rotation_enabled=new.is_auto_rotation_enabled,
            rotation=Rotation(**new.rotation.model_dump(by_alias=False)) if new.rotation else None,
            credentials_hash="",
            status=Status(state=Health.ACTIVE, since=now),
        ),
        lifecycle=Lifecycle.CREATING,
        hash_salt=salt,
        secret_name=secret_name(connection_id, salt[:8]),
        project_restricted=bool(project and project.callers),
        deadline=now + LONGEST_RUN,
    )


def activated(row: Row, proof: Proof, version: str, *, swept: bool, now: datetime, unit: IntervalUnit) -> Row:
    """The row once its credential is stored. Enabled rotation counts from here: the grant was just made."""
    rotation = row.connection.rotation
    if rotation is not None and row.connection.is_auto_rotation_enabled:
        rotation = rotation.model_copy(
            update={
                "next_rotation_at": schedule.after_success(
                    now,
                    now,
                    interval=rotation.rotation_interval,
                    at=rotation.rotate_at_utc,
                    trigger=Trigger.ENABLE,
                    unit=unit,
                )
            }
        )
    return row.showing(
        credentials=proof.public,
        credentials_hash=credentials_hash(proof.submitted, row.hash_salt),
        rotation=rotation,
    ).having(
        lifecycle=Lifecycle.ACTIVE,
        active_version=version,
        account_id=proof.account_id,
        sweep_versions=swept,
        deadline=None,
    )


def given_up(row: Row, now: datetime) -> Row:
    """The row of a creation that failed: the name is free, and what was stored is to be removed at once."""
    return row.having(lifecycle=Lifecycle.DELETING, deadline=now, run=None, holds={})


def deleted(row: Row, now: datetime) -> Row:
    """The row of a deleted connection: gone for callers at once; cleaned when nobody can still be working on it."""
    return given_up(row, now + LONGEST_RUN)
