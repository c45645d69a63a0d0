"""Connect links and their attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.domain.audit import Origin


@dataclass(frozen=True, slots=True)
class Link:
    """A connect link: what will be created when somebody with the right signs in."""

    flow_id: str
    org_id: str
    connection_id: str
    tenant: str | None
    requested: Origin
    """Who made the link, and by which request."""
    body: dict[str, Any]
    created_at: datetime
    expires_at: datetime
    state: str
    message: str | None
    return_url: str | None
    reconnect: bool = False
    """The connection exists: it gets another grant."""
    allow_different_account: bool = False
    """Whether whoever signs in for a reconnect may be somebody else, or of another tenant."""
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

    async def remove_expired(self, before: datetime, *, limit: int) -> int:
        """Remove up to `limit` links and attempts that expired before that time; how many there were."""

    async def put_attempt(self, attempt: Attempt) -> None:
        """Write a new attempt."""

    async def get_attempt(self, state_hash: str) -> Attempt | None:
        """The attempt, expired or not."""

    async def remove_attempt(self, attempt: Attempt) -> bool:
        """Use the attempt up: of two who try, one is told True."""
