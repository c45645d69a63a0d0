"""The small things that a row owes: cleaning up after a creation or deletion, delivering records, retiring versions."""

from __future__ import annotations

import logging
from datetime import timedelta

from shared.domain import creation, expiry
from shared.domain.audit import SYSTEM, AuditLog
from shared.domain.audit import Action as AuditAction
from shared.domain.connection import Row
from shared.domain.errors import ConcurrentChange
from shared.domain.events import waiting
from shared.domain.owed import Action
from shared.services.enrolment import Claims
from shared.services.ports import AuditTrail, Clock, RotationHistory, Stored, Vault
from shared.services.rows import Rows

log = logging.getLogger(__name__)

WAIT_FOR_TOPIC = timedelta(minutes=5)
"""A deleted row stays until the topic has taken its events, and is looked at so long after the topic's next try."""


class Housekeeping:
    """Steps for `Advance`; each one is done again without harm."""

    def __init__(
        self,
        *,
        rows: Rows,
        vault: Vault,
        history: RotationHistory,
        audit: AuditTrail,
        claims: Claims,
        clock: Clock,
    ) -> None:
        self._rows = rows
        self._claims = claims
        self._vault = vault
        self._history = history
        self._audit = audit
        self._clock = clock

    async def clean_up_reservation(self, stored: Stored) -> None:
        """The creator is gone: fence it off first; the removal of what it stored is owed from here on."""
        now = self._clock()
        line = stored.row.line(AuditAction.CREATE, SYSTEM, now, reason="abandoned")
        await self._rows.save(stored, creation.given_up(stored.row, now).recording(line))
        log.info("connection.reservation-cleaned connectionId=%s", stored.row.id)

    async def purge(self, stored: Stored) -> None:
        """Nobody uses the credential any more: remove the secret, then the row.

        A row whose events are still on their way, or whose idempotency key is still remembered, stays without it.
        """
        row = stored.row
        await self._delete_leftovers(row)
        if not row.secret_deleted:
            await self._vault.delete(row.secret_name)
        now = self._clock()
        if row.idempotency is not None and row.idempotency.expires_at > now:
            await self._rows.save(stored, row.having(secret_deleted=True, deadline=row.idempotency.expires_at))
            return
        if waiting(row):
            held = row.holds.get(Action.PUBLISH)
            next_try = max(now, held.until) if held else now
            await self._rows.save(stored, row.having(secret_deleted=True, deadline=next_try + WAIT_FOR_TOPIC))
            return
        await self._deliver(row)
        await self._claims.release(row)
        await self._rows.remove(stored)
        log.info("connection.purged orgId=%s connectionId=%s", row.org_id, row.id)

    async def settle(self, stored: Stored) -> Stored:
        """Deliver the records in the outbox and make superseded secret versions unreadable."""
        row = stored.row
        await self._deliver(row)
        for version in row.superseded:
            await self._vault.disable(version)
        settled = row.having(outbox=tuple(waiting(row)), superseded=()).released(Action.SETTLE)
        return await self._rows.save(stored, settled)

    async def sweep(self, stored: Stored) -> None:
        """Make every secret version unreadable that the row does not name.

        Whoever begins to write one writes the row first. So the row is read again after the listing: unchanged, it
        proves that no version of the list can still be promoted.
        """
        row = stored.row
        versions = await self._vault.readable_versions(row.secret_name)
        present = await self._rows.read(row.org_id, row.id)
        if present is None or present.etag != stored.etag:
            raise ConcurrentChange
        named = {row.active_version, *row.superseded, *(debt.auth_version for debt in row.debts)}
        for version in versions:
            if version not in named:
                await self._vault.disable(version)
        await self._rows.save(stored, row.having(sweep_at=None).released(Action.SWEEP))

    async def warn(self, stored: Stored) -> None:
        """The end of the credential is near: the status says so."""
        await self._rows.save(stored, expiry.warned(stored.row, self._clock()).released(Action.WARN))
        log.warning("connection.expiry-warned orgId=%s connectionId=%s", stored.row.org_id, stored.row.id)

    async def forget_key(self, stored: Stored) -> None:
        """The idempotency key has served its time."""
        await self._rows.save(stored, stored.row.having(idempotency=None).released(Action.FORGET_KEY))

    async def clear_leftovers(self, stored: Stored) -> None:
        """Delete the secrets of earlier tries."""
        await self._delete_leftovers(stored.row)
        await self._rows.save(stored, stored.row.having(leftovers=()).released(Action.CLEAR_LEFTOVERS))

    async def _delete_leftovers(self, row: Row) -> None:
        for leftover in row.leftovers:
            await self._vault.delete(leftover.secret_name)

    async def _deliver(self, row: Row) -> None:
        rotations = [entry for entry in row.outbox if entry.kind == "rotation"]
        lines = [AuditLog.model_validate(entry.body) for entry in row.outbox if entry.kind == "audit"]
        if rotations:
            await self._history.add(row.org_id, row.id, rotations)
        if lines:
            await self._audit.add(row.org_id, lines)
