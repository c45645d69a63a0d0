"""Microsoft Graph: the app registration that a connection signs in as, and its passwords."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.domain.credential import ClientSecret


@dataclass(frozen=True, slots=True)
class ListedPassword:
    """An app password as Graph lists it: `hint` is the first three characters of its secret."""

    key_id: str
    display_name: str | None
    hint: str | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Registration:
    """An app registration."""

    object_id: str
    passwords: Sequence[ListedPassword]
    holds_two: bool
    """It accepts personal accounts, and such a registration holds two passwords at most."""


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password as it is told once. The secret never shows in a repr."""

    key_id: str
    secret: str = field(repr=False)
    ends_at: datetime


class GraphSession(Protocol):
    """Graph, signed in as one app. A refusal for good is `DirectoryRefused`; a passing one an `UpstreamError`."""

    async def registration(self) -> Registration | None:
        """The app's own registration; None when the tenant it signed in to is not the registration's home."""

    async def add_password(self, object_id: str, *, display_name: str, ends_at: datetime) -> NewPassword:
        """Add a password. Sent once: after `UpstreamTimeout` one may exist whose secret nobody knows."""

    async def remove_password(self, object_id: str, key_id: str) -> None:
        """Remove a password; removing what is gone, or whose app is gone, is done."""


class Graph(Protocol):
    """The way to Graph."""

    async def sign_in(self, credential: ClientSecret) -> GraphSession:
        """Take one token as the app. Raises `GrantRefused` when Entra does not accept the credential."""
