"""The rows about connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.domain.connection import Connection, Row


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
    place: str
    """Where it stands in this list: `after` it comes the next."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list, and the place within it after which the next part begins (None at the end)."""

    items: Sequence[Listed]
    next_key: str | None


class ConnectionTable(Protocol):
    """The rows of table `connections`. A write covers the row and everything derived from it, or nothing."""

    async def get(self, org_id: str, connection_id: str) -> Stored | None:
        """The row, whatever its lifecycle."""

    async def find(self, org_id: str, name: str, project_id: str | None) -> str | None:
        """The id of the visible connection of that name, in the project or among those of none."""

    async def find_by_key(self, org_id: str, key: str) -> str | None:
        """The id of the connection that was created under that idempotency key, whatever its lifecycle."""

    async def insert(self, row: Row) -> Stored:
        """Write a new row.

        Raises `NameTaken`, `NotFound` (no such project) or `ConcurrentChange` (the id exists, or the idempotency key).
        """

    async def replace(self, before: Stored, after: Row) -> Stored:
        """Write `after` if the row is still `before`. Raises `ConcurrentChange` otherwise, never for our own write.

        Raises `NameTaken` when `after` has another name and that one is in use.
        """

    async def remove(self, before: Stored) -> None:
        """Remove the row if it is still `before`; removing what is gone is done. Raises `ConcurrentChange`."""

    async def scan(self, *, after: str | None, limit: int) -> tuple[Sequence[Stored], str | None]:
        """The rows of every organisation, whatever their lifecycle, and the place after which the next part begins."""

    async def page(self, org_id: str, project_id: str | None, *, after: str | None, limit: int) -> Page:
        """Visible connections ordered by name: one range scan. All of the organisation's without `project_id`."""

    async def available(self, org_id: str, project_id: str | None, *, after: str | None, limit: int) -> Page:
        """Visible connections of no project, and those of `project_id`, ordered by name: one range scan each."""
