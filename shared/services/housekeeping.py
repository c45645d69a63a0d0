"""The small things that a row owes: cleaning up after a creation or deletion, delivering records, retiring versions."""

from __future__ import annotations

import logging

from shared.domain import creation
from shared.domain.owed import Action
from shared.services.ports import Clock, Records, Stored, Vault
from shared.services.rows import Rows

log = logging.getLogger(__name__)


class Housekeeping:
    """Steps for `Advance`; each one is done again without harm."""

    def __init__(self, *, rows: Rows, vault: Vault, records: Records, clock: Clock) -> None:
        self._rows = rows
        self._vault = vault
        self._records = records
        self._clock = clock

    async def clean_up_reservation(self, stored: Stored) -> None:
        """The creator is gone: fence it off first; the removal of what it stored is owed from here on."""
        await self._rows.save(stored, creation.given_up(stored.row, self._clock()))
        log.info("connection.reservation-cleaned connectionId=%s", stored.row.id)

    async def purge(self, stored: Stored) -> None:
        """Nobody uses the credential any more: remove the secret, then the row."""
        await self._vault.delete(stored.row.secret_name)
        await self._rows.remove(stored)
        log.info("connection.purged orgId=%s connectionId=%s", stored.row.org_id, stored.row.id)

    async def settle(self, stored: Stored) -> None:
        """Deliver the outbox and make superseded secret versions unreadable."""
        row = stored.row
        if row.outbox:
            await self._records.deliver(row, row.outbox)
        for version in row.superseded:
            await self._vault.disable(version)
        uncertain = row.sweep_versions
        if row.superseded and row.sweep_versions and row.active_version is not None:
            uncertain = not await self._vault.disable_older_than(row.active_version)
        settled = row.having(outbox=(), superseded=(), sweep_versions=uncertain)
        await self._rows.save(stored, settled.released(Action.SETTLE))
