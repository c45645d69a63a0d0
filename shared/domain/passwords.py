"""What is recorded of the app passwords that this service manages for one connection.

An app password (Graph calls it a password credential) has a key id, by which it is removed, and a secret, which only
Key Vault holds.
"""

from __future__ import annotations

import re

from shared.domain.model import Instant, Record

PRODUCT = "keyvault-connections"

_NAME = re.compile(rf"{PRODUCT} ([0-9a-f-]{{36}}) (\d{{1,9}}) ([0-9a-f-]{{36}})")


class AppKey(Record):
    """One app password and the secret version that holds it."""

    key_id: str
    version: str
    issued: bool = True
    """By this service; otherwise it is the user's own, which was taken over."""
    ends_at: Instant | None = None


class Pending(Record):
    """A password that was issued and is not yet proven."""

    key: AppKey
    issued_at: Instant
    check_at: Instant
    """When to try it next: a fresh password may be unknown to parts of Entra for minutes."""
    proven_at: Instant | None = None
    """When it worked first. One success does not prove that all replicas know it."""
    repeated: bool = False
    """The secret version may have a twin that nobody wrote down."""


class Debt(Record):
    """A password to be removed, with everything that is needed to do it."""

    key_id: str | None
    """None: whatever this connection's attempts may have left there, found by name."""
    version: str
    """The secret version that holds it."""
    tenant_id: str
    client_id: str
    object_id: str
    since: Instant
    issued: bool = True
    """By this service; otherwise it is the user's own, which was replaced."""
    before: int = 0
    """Without a key id: only attempts before this one are meant."""
    ends_at: Instant | None = None
    auth_version: str | None = None
    """The secret version to sign in with; None while the connection's present credential is of the same app."""


class Passwords(Record):
    """The managed passwords of the connection's app. At rest two, while rotating three."""

    object_id: str
    """Of the app registration, as Graph names it."""
    active: AppKey | None = None
    """None when the user's own secret is in use and its key id is not known."""
    inactive: AppKey | None = None
    """The former one: instances that still hold it go on working until the next rotation."""
    pending: Pending | None = None

    @property
    def key_ids(self) -> frozenset[str]:
        """Every key id that is recorded here."""
        pending = self.pending.key if self.pending else None
        return frozenset(key.key_id for key in (self.active, self.inactive, pending) if key is not None)


def display_name(connection_id: str, attempt: int, run_id: str) -> str:
    """The name of a password: unique to one attempt, so that one whose answer was lost can be found and removed."""
    return f"{PRODUCT} {connection_id} {attempt} {run_id}"


def attempt_of(name: str | None, connection_id: str) -> int | None:
    """The attempt of this connection that a password was issued by; None for anybody else's."""
    found = _NAME.fullmatch(name or "")
    return int(found[2]) if found and found[1] == connection_id else None
