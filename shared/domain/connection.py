"""A connection: what callers see of it, and the row that is the truth about it.

The row says what *is* and what is *owed*. Everything the background work does follows from the row alone
(see `shared.domain.owed`), so a lost, late or repeated message changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field, JsonValue

from shared.domain.audit import Action, Origin, audited
from shared.domain.credential import Method
from shared.domain.model import Instant, Record
from shared.domain.passwords import Debt, Passwords
from shared.domain.project import ProjectRef
from shared.domain.quota import Cost
from shared.domain.schedule import RotateAt, Trigger

APP = "azure-key-vault"

LONGEST_RUN = timedelta(minutes=6)
"""Longer than any function can run (`functionTimeout` in host.json plus a minute): whoever started before is gone."""


LONGEST_SKEW = timedelta(minutes=5)
"""How far the clocks of two instances may be apart."""


class Health(StrEnum):
    """Whether a connection works."""

    ACTIVE = "active"
    DEGRADED = "degraded"
    NEEDS_RECONNECT = "needs-reconnect"


class Status(Record):
    """Whether the connection works, since when, and if not why and what to do about it."""

    state: Health
    reason: str | None = None
    since: Instant


class RotationStatus(StrEnum):
    """How the newest run stands."""

    SUCCESS = "success"
    FAILED = "failed"
    IN_PROGRESS = "in-progress"


class Rotation(Record):
    """The schedule of rotation and how the newest run went."""

    rotation_interval: int
    rotate_at_utc: RotateAt
    rotation_status: RotationStatus = RotationStatus.SUCCESS
    last_rotation_message: str | None = None
    next_rotation_at: Instant | None = None
    last_rotated_at: Instant | None = None


class Connection(Record):
    """What callers see. Every key is always present; nothing here is secret."""

    id: str
    name: str
    description: str | None = None
    version: Literal[1] = 1
    org_id: str
    created_at: Instant
    updated_at: Instant
    app: Literal["azure-key-vault"] = "azure-key-vault"
    method: Method
    credentials: dict[str, str]
    is_platform_managed_credentials: Literal[False] = False
    gateway_id: None = None
    project_id: str | None = None
    project: ProjectRef | None = None
    is_auto_rotation_enabled: bool = False
    rotation: Rotation | None = None
    credentials_hash: str
    status: Status


class Lifecycle(StrEnum):
    """Where in its life the row stands. Only `active` rows are visible."""

    CREATING = "creating"
    ACTIVE = "active"
    DELETING = "deleting"


class Run(Record):
    """A rotation under way. `attempt` counts the tries that may have left a vault version behind."""

    id: str
    trigger: Trigger
    started_at: Instant
    attempt: int = 0


class Hold(Record):
    """A pause after a passing fault: the action is not tried before `until`."""

    until: Instant
    tries: int
    reason: str


class DueHint(Record):
    """Where this row's due row stands. The nonce makes each one unique, so that a slow remover meets only its own."""

    at: Instant
    nonce: str
    cost: Cost | None = None
    """What the look that it asks for spends; None in one that was written before costs were."""


class OutboxEntry(Record):
    """A record on its way to another table, written with the change it tells of and delivered after.

    The id is fixed here, so delivering twice leaves one.
    """

    id: str
    kind: Literal["rotation", "audit", "event"]
    at: Instant
    body: dict[str, JsonValue]


class Leftover(Record):
    """A secret of an earlier try at making this connection, to be deleted once nothing can arrive for it any more."""

    secret_name: str
    at: Instant


class Idempotency(Record):
    """The `Idempotency-Key` that a connection was created under: asked again within a day, the first answer again."""

    key: str
    """A hash of the caller and the key, in hex."""
    fingerprint: str
    """Tells whether a request is the same. An HMAC under the key itself, which is stored nowhere."""
    expires_at: Instant
    answer: Connection | None = None
    """What the first request was told; None while it is still being worked on."""


class Row(Record):
    """The one truth about a connection: its public part, and what only the service needs to know."""

    connection: Connection
    lifecycle: Lifecycle
    revision: int = 1
    """Counts callers' edits only."""
    write_id: str = ""
    hash_salt: str
    secret_name: str
    active_version: str | None = None
    """The full id of the Key Vault secret version that is in use."""
    account_id: str | None = None
    """The account that consented (oauth)."""
    reconnected_by: str | None = None
    """The flow id of the connect link that its grant came by last, if that was a reconnect (oauth)."""
    stored_at: Instant | None = None
    """When the stored refresh token was issued (oauth)."""
    exchange: int | None = None
    """The attempt of keep-alive that is under way, or died: it may have left a secret version behind."""
    ends_at: Instant | None = None
    """When the submitted credential ends, where it says so (certificate) or the directory does (client-secret)."""
    warned: int | None = None
    """How many days before its end the status last warned of it."""
    refused: str | None = None
    """The credential that Entra refused when it was used, as `in_use` names it. The status tells of it."""
    project_restricted: bool = False
    deadline: Instant | None = None
    """While creating: when the creator must be dead. While deleting: when nobody can still be using the credential."""
    secret_deleted: bool = False
    """While deleting: the vault has nothing of this row any more, though the row must stay for a while."""
    run: Run | None = None
    failed_apart: bool = False
    """Whether the newest run, if it failed, did so for a reason that a credential which works does not mend."""
    attempts: int = 0
    """Counts the tries of all runs, and never goes back: it tells which of two tries is the older."""
    superseded: tuple[str, ...] = ()
    """Secret versions to disable."""
    leftovers: tuple[Leftover, ...] = ()
    sweep_at: Instant | None = None
    """A try may have left a secret version that this row does not name: when whoever tried must be gone, look."""
    passwords: Passwords | None = None
    """The managed passwords of the app, once its rotation was enabled or ran (client-secret)."""
    debts: tuple[Debt, ...] = ()
    """Passwords to remove. They come here in the row write that makes their promotion impossible, and go when gone."""
    sweep_passwords_at: Instant | None = None
    """A try may have left a password that this row does not name: when whoever tried must be gone, look."""
    secret_key_id: str | None = None
    """The key id of the client secret that the caller submitted, if they told it."""
    idempotency: Idempotency | None = None
    holds: dict[str, Hold] = Field(default_factory=dict)
    """By action: a fault in one thing that is owed keeps nothing else waiting."""
    outbox: tuple[OutboxEntry, ...] = ()
    events_made: int = 0
    """Numbers the events that other programs are told of: the clocks of instances differ, and a write may make two."""
    due: DueHint | None = None

    @property
    def id(self) -> str:
        """The connection's id."""
        return self.connection.id

    @property
    def org_id(self) -> str:
        """The organisation the connection belongs to."""
        return self.connection.org_id

    @property
    def in_use(self) -> str:
        """Names the credential in use: its secret version, or what was submitted where there is no secret."""
        return self.active_version or self.connection.credentials_hash

    def line(self, action: Action, origin: Origin, now: datetime, *, reason: str | None = None) -> OutboxEntry:
        """An audit line about this connection, on its way."""
        line = audited(action, origin, now, connection_id=self.id, connection_name=self.connection.name, reason=reason)
        return OutboxEntry(id=line.id, kind="audit", at=line.at, body=line.model_dump(mode="json"))

    def recording(self, *entries: OutboxEntry) -> Row:
        """A copy with `entries` on their way."""
        return self.having(outbox=(*self.outbox, *entries))

    def having(self, **changes: object) -> Row:
        """A copy with `changes`."""
        return self.model_copy(update=changes)

    def without_exchange(self, now: datetime) -> Row:
        """A copy in which no keep-alive under way can promote anything; what it may have left is swept."""
        return self if self.exchange is None else self.having(exchange=None).swept_after(now + LONGEST_RUN)

    def expecting_version(self, now: datetime) -> Row:
        """A copy that announces a secret version which is about to be written and which the row does not name yet.

        Nothing but time keeps the sweep from it, so an instance whose clock is ahead must not come too early.
        """
        return self.swept_after(now + LONGEST_RUN + LONGEST_SKEW)

    def swept_after(self, until: datetime) -> Row:
        """A copy that sweeps after `until`, and after all that was announced before.

        Each announcement has a time of its own, so that ending one does not end another.
        """
        owed = self.sweep_at
        return self.having(sweep_at=until if owed is None else max(until, owed + timedelta(milliseconds=1)))

    def may_have_swept(self, announced: datetime | None) -> bool:
        """Whether a version that the row swept after `announced` for may have been found and disabled meanwhile."""
        return announced is not None and (self.sweep_at is None or self.sweep_at < announced)

    def released(self, action: str) -> Row:
        """A copy in which nothing holds `action` back."""
        return self.having(holds={held: hold for held, hold in self.holds.items() if held != action})

    def showing(self, **changes: object) -> Row:
        """A copy whose public part has `changes`."""
        return self.model_copy(update={"connection": self.connection.model_copy(update=changes)})

    def rotating(self, **changes: object) -> Row:
        """A copy whose rotation has `changes`; the row must have one."""
        if self.connection.rotation is None:
            raise ValueError("the connection has no rotation")
        return self.showing(rotation=self.connection.rotation.model_copy(update=changes))

    def judged(self, state: Health, reason: str | None, now: datetime) -> Row:
        """A copy whose status is `state`; `since` moves only when the state does."""
        status = self.connection.status
        if (status.state, status.reason) == (state, reason):
            return self
        since = status.since if status.state is state else now
        return self.showing(status=Status(state=state, reason=reason, since=since))


def secret_name(connection_id: str, suffix: str) -> str:
    """The Key Vault secret of one reservation of a connection.

    A name is never used twice (a soft-deleted one answers 409 for up to 90 days), and a connect link may reserve the
    same connection id again after a failure: hence the suffix.
    """
    return f"conn-{connection_id}-{suffix}"


def credentials_hash(submitted: dict[str, str], salt: str) -> str:
    """A digest of what the caller submitted, salted per row. Equal submissions to the same row give equal digests."""
    canonical = json.dumps(submitted, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(salt.encode(), canonical.encode(), hashlib.sha256).hexdigest()
