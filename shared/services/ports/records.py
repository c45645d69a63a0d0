"""Append-only records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import JsonValue

from shared.domain.audit import AuditLog
from shared.domain.connection import OutboxEntry


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Part of a list of records, newest first, and the place after which the next part begins (None at the end).

    A page may be short, or empty, and still have a next one.
    """

    items: Sequence[dict[str, JsonValue]]
    next_key: str | None


class RotationHistory(Protocol):
    """The finished rotation runs of each connection."""

    async def add(self, org_id: str, connection_id: str, entries: Sequence[OutboxEntry]) -> None:
        """Write the entries; writing one twice leaves one."""

    async def page(self, org_id: str, connection_id: str, *, after: str | None, limit: int) -> RecordPage:
        """The runs of one connection: one range scan."""


class AuditTrail(Protocol):
    """The audit log of each organisation."""

    async def add(self, org_id: str, logs: Sequence[AuditLog]) -> None:
        """Write the lines; writing one twice leaves one."""

    async def page(
        self,
        org_id: str,
        *,
        connection_id: str | None,
        since: datetime,
        until: datetime,
        after: str | None,
        limit: int,
    ) -> RecordPage:
        """The lines with `since` <= time < `until`: of one connection, or of the whole organisation."""
