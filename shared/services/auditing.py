"""The audit log: what its readers see, and what is written to it outside of any connection's row."""

from __future__ import annotations

import logging
from datetime import datetime

from shared.domain.audit import Action, AuditLog, Origin, audited
from shared.domain.errors import UpstreamError
from shared.services.invocation import current_request_id
from shared.services.ports import AuditTrail, Clock, RecordPage

log = logging.getLogger(__name__)


class Auditing:
    """Successful changes of connections reach the log through their rows; here is the rest."""

    def __init__(self, *, trail: AuditTrail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock

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
        """The organisation's lines, newest first."""
        return await self._trail.page(
            org_id, connection_id=connection_id, since=since, until=until, after=after, limit=limit
        )

    async def record(self, org_id: str, line: AuditLog) -> None:
        """Write the line of what must not happen without one. Raises `UpstreamError`: the same may be written again."""
        await self._trail.add(org_id, [line])

    async def note(
        self,
        org_id: str,
        action: Action,
        origin: Origin,
        *,
        connection_id: str | None = None,
        connection_name: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Write a line at once. What it tells of has happened already, so a fault here is logged and not raised."""
        line = audited(
            action,
            origin,
            self._clock(),
            connection_id=connection_id,
            connection_name=connection_name,
            reason=reason,
        )
        await self._write(org_id, line)

    async def _write(self, org_id: str, line: AuditLog) -> None:
        log.info(
            "outcome action=%s outcome=%s requestId=%s orgId=%s connectionId=%s reason=%s",
            line.action, line.outcome, line.request_id or current_request_id() or "-",
            org_id, line.connection_id or "-", line.reason or "-",
        )  # fmt: skip
        try:
            await self._trail.add(org_id, [line])
        except UpstreamError as fault:
            log.error("audit.not-written orgId=%s action=%s reason=%s", org_id, line.action, fault.code)
