"""What the use cases need from the outside world, shaped by intent.

Every method may raise `UpstreamError` or one of its kinds; an `UpstreamTimeout` says that the call may have acted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from shared.domain.connection import Connection, DueHint, OutboxEntry, Row
from shared.domain.project import Project

Clock = Callable[[], datetime]
"""Now, in UTC."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A row as it was read, with the tag that guards the next write (RFC 9110 section 8.8.3)."""

    row: Row
    etag: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a list: the sanitised copy, and whether its project names its callers."""

    connection: Connection
    project_restricted: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list, and the place within it after which the next part begins (None at the end)."""

    items: Sequence[Listed]
    next_key: str | None


class ConnectionTable(Protocol):
    """The rows of table `connections`. A write covers the row and everything derived from it, or nothing."""

    async def get(self, org_id: str, connection_id: str) -> Stored | None:
        """The row, whatever its lifecycle."""

    async def insert(self, row: Row) -> Stored:
        """Write a new row. Raises `NameTaken`, `ConcurrentChange` (the id exists) or `NotFound` (no such project)."""

    async def replace(self, before: Stored, after: Row) -> Stored:
        """Write `after` if the row is still `before`. Raises `ConcurrentChange` otherwise, never for our own write."""

    async def remove(self, before: Stored) -> None:
        """Remove the row if it is still `before`; removing what is gone is done. Raises `ConcurrentChange`."""

    async def page(self, org_id: str, project_id: str | None, *, after: str | None, limit: int) -> Page:
        """Visible connections ordered by name: one range scan. All of the organisation's without `project_id`."""


class ProjectTable(Protocol):
    """The projects, in the same partition as their connections."""

    async def get(self, org_id: str, project_id: str) -> Project | None:
        """The project, or None."""

    async def all(self, org_id: str) -> Sequence[Project]:
        """Every project of the organisation, ordered by id."""

    async def insert(self, project: Project) -> None:
        """Write a new project. Raises `NameTaken` when its slug is in use."""

    async def remove(self, org_id: str, project_id: str) -> None:
        """Remove it. Raises `NotFound`, or `Conflict` while it has connections, one being created included."""


@dataclass(frozen=True, slots=True)
class DueRow:
    """A hint that a connection owes something since `hint.at`."""

    org_id: str
    connection_id: str
    hint: DueHint
    sent: int
    """How often it was put on the queue."""
    written_at: datetime
    etag: str


class DueTable(Protocol):
    """One hint per connection at its next action."""

    async def put(self, org_id: str, connection_id: str, hint: DueHint) -> None:
        """Write the hint; it is read from its time on."""

    async def remove(self, org_id: str, connection_id: str, hint: DueHint) -> None:
        """Remove the hint; removing what is gone is done."""

    def due(self, now: datetime, *, limit: int) -> AsyncIterator[DueRow]:
        """Up to `limit` hints that are due and not lately sent, oldest hour first."""

    async def mark_sent(self, rows: Sequence[DueRow], *, resend_after: datetime) -> None:
        """Do not read these again before `resend_after`."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A secret version just written."""

    id: str
    """The full id, `https://…/secrets/name/version`."""
    maybe_repeated: bool = False
    """The request was sent more than once, so a twin version may exist that nobody knows."""


class Vault(Protocol):
    """Key Vault: the only place that holds secrets."""

    async def put(self, name: str, value: str, *, tags: Mapping[str, str]) -> StoredVersion:
        """A new version of the secret."""

    async def get(self, version_id: str) -> str:
        """The value of that version. Raises `NotFound` when it does not exist or is disabled."""

    async def disable(self, version_id: str) -> None:
        """Make the version unreadable; done when it does not exist."""

    async def disable_older_than(self, version_id: str) -> bool:
        """Make every version of that secret unreadable that is certainly older than `version_id`.

        True when no other readable version is left. A newer one, or one of the same second, is left alone: another
        worker may be about to promote it.
        """

    async def delete(self, name: str) -> None:
        """Delete the secret with all its versions; done when it does not exist."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What Entra granted. The tokens never show in a repr."""

    tenant_id: str
    account_id: str
    account_name: str | None
    refresh_token: str = field(repr=False)
    access_token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Authorization:
    """A sign-in that was begun: where the browser goes, and what must be remembered until it comes back."""

    url: str
    flow: dict[str, Any] = field(repr=False)


class Entra(Protocol):
    """The authority. A refusal for good is `GrantRefused`; a passing one is an `UpstreamError`."""

    async def begin(self, tenant: str, *, redirect_uri: str, state: str, form_post: bool) -> Authorization:
        """Prepare a sign-in with PKCE (RFC 7636) and a nonce."""

    async def finish(self, tenant: str, flow: Mapping[str, Any], answer: Mapping[str, str]) -> Grant:
        """Redeem the code in Entra's answer to `flow`; checks state, nonce, audience, issuer and tenant."""

    async def redeem(self, tenant: str, code: str, *, redirect_uri: str, verifier: str | None) -> Grant:
        """Redeem a code that the caller brought."""

    async def refresh(self, tenant_id: str, refresh_token: str) -> Grant:
        """Exchange a refresh token for a new one (RFC 6749 section 6). The old one stays valid."""

    async def tenant_of(self, domain: str) -> str:
        """The id of the tenant that verified `domain`. Raises `BadRequest` when there is none."""


@dataclass(frozen=True, slots=True)
class Link:
    """A connect link: what will be created when somebody with the right signs in."""

    flow_id: str
    org_id: str
    connection_id: str
    tenant: str | None
    requested_by: str
    body: dict[str, Any]
    created_at: datetime
    expires_at: datetime
    state: str
    message: str | None
    return_url: str | None
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One press of the link's button. Keyed by the hash of its state; `sealed` opens with the raw state only."""

    state_hash: str
    flow_id: str
    cookie_hash: str
    sealed: str
    expires_at: datetime
    etag: str = ""


class FlowTable(Protocol):
    """Links and attempts of the OAuth flow."""

    async def put_link(self, link: Link) -> None:
        """Write a new link."""

    async def get_link(self, flow_id: str) -> Link | None:
        """The link, expired or not."""

    async def settle_link(self, flow_id: str, state: str, message: str | None) -> None:
        """Record an outcome. Success is never overwritten by failure."""

    async def put_attempt(self, attempt: Attempt) -> None:
        """Write a new attempt."""

    async def get_attempt(self, state_hash: str) -> Attempt | None:
        """The attempt, expired or not."""

    async def remove_attempt(self, attempt: Attempt) -> bool:
        """Use the attempt up: of two who try, one is told True."""


class Records(Protocol):
    """Where outbox entries go: append-only tables, newest first."""

    async def deliver(self, row: Row, entries: Sequence[OutboxEntry]) -> None:
        """Write the entries; writing one twice leaves one."""
