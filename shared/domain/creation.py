"""The life of a new connection: reserved, then active; or given up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from shared.domain import expiry, schedule
from shared.domain.connection import (
    LONGEST_RUN,
    Connection,
    Health,
    Idempotency,
    Leftover,
    Lifecycle,
    Rotation,
    Row,
    Status,
    credentials_hash,
    secret_name,
)
from shared.domain.credential import Method
from shared.domain.debts import ended
from shared.domain.model import Record
from shared.domain.passwords import AppKey, Passwords
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
class Enrolled:
    """An app registration whose passwords this service may manage, and the key id of the submitted one."""

    object_id: str
    key_id: str
    ends_at: datetime | None = None
    """When the submitted one ends, as the registration says."""

    def passwords(self, version: str) -> Passwords:
        """What the row records of it: the submitted password is the user's own until the first promotion."""
        return Passwords(
            object_id=self.object_id,
            active=AppKey(key_id=self.key_id, version=version, issued=False, ends_at=self.ends_at),
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """A credential that was just shown to work."""

    public: dict[str, str]
    """What answers show of it."""
    submitted: dict[str, str] = field(repr=False)
    """What the caller submitted, for `credentials_hash`."""
    secret: str | None = field(repr=False)
    """The JSON value for Key Vault; None where there is nothing secret (federated)."""
    account_id: str | None = None
    account_name: str | None = None
    ends_at: datetime | None = None
    """When it ends, where it says so."""
    enrolled: Enrolled | None = None
    """The app whose rotation was enabled with it."""


def reserved(
    new: NewConnection,
    *,
    org_id: str,
    connection_id: str,
    project: Project | None,
    salt: str,
    now: datetime,
    idempotency: Idempotency | None = None,
    secret_key_id: str | None = None,
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
        idempotency=idempotency,
        secret_key_id=secret_key_id,
    )


def taken_over(given_up: Row, row: Row) -> Row:
    """The reservation `row` in place of one that was given up: what that one still owes is owed on."""
    leftover = Leftover(secret_name=given_up.secret_name, at=given_up.deadline or row.connection.created_at)
    return row.having(leftovers=(*given_up.leftovers, leftover), outbox=given_up.outbox)


def is_given_up(row: Row) -> bool:
    """Whether this is what is left of a creation that failed."""
    return row.lifecycle is Lifecycle.DELETING and not row.connection.credentials_hash


def activated(row: Row, proof: Proof, version: str | None, *, repeated: bool, now: datetime, unit: IntervalUnit) -> Row:
    """The row once its credential is stored. Enabled rotation counts from here: the credential was just proven."""
    rotation = row.connection.rotation
    if rotation is not None and row.connection.is_auto_rotation_enabled:
        rotation = rotation.model_copy(update={"next_rotation_at": first_rotation(rotation, now, unit)})
    made = row.showing(
        credentials=proof.public,
        credentials_hash=credentials_hash(proof.submitted, row.hash_salt),
        rotation=rotation,
    ).having(
        lifecycle=Lifecycle.ACTIVE,
        active_version=version,
        passwords=proof.enrolled.passwords(version) if proof.enrolled and version else None,
        account_id=proof.account_id,
        stored_at=now if row.connection.method is Method.OAUTH else None,
        ends_at=proof.ends_at,
        sweep_at=now + LONGEST_RUN if repeated else None,
        deadline=None,
    )
    made = made.judged(Health.ACTIVE, expiry.noted(made), now)
    if made.idempotency is None:
        return made
    return made.having(idempotency=made.idempotency.model_copy(update={"answer": made.connection}))


def first_rotation(rotation: Rotation, now: datetime, unit: IntervalUnit) -> datetime:
    """When a rotation that is enabled now runs first."""
    return schedule.after_success(
        now,
        now,
        interval=rotation.rotation_interval,
        at=rotation.rotate_at_utc,
        trigger=Trigger.ENABLE,
        unit=unit,
    )


def given_up(row: Row, now: datetime) -> Row:
    """The row of a creation that failed: the name is free, and what was stored is to be removed at once."""
    return _ended(row, now).having(idempotency=None)


def deleted(row: Row, now: datetime) -> Row:
    """The row of a deleted connection: gone for callers at once; cleaned when nobody can still be working on it."""
    return _ended(ended(row, now), now + LONGEST_RUN)


def _ended(row: Row, deadline: datetime) -> Row:
    return row.having(lifecycle=Lifecycle.DELETING, deadline=deadline, run=None, exchange=None, holds={}, sweep_at=None)
