"""Back to nothing: a creation that failed frees its name, then what it stored is removed."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta

from shared.domain import creation
from shared.domain.connection import LONGEST_RUN, Lifecycle, Row
from shared.domain.errors import ConcurrentChange, ProductError
from shared.services.advance import WHILE_SOMEBODY_WAITS, Advance
from shared.services.ports import Clock, Stored, Vault
from shared.services.rows import Rows

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Stage:
    """How far a creation came."""

    secret_put: bool = False
    """Something secret may be in Key Vault."""
    putting: bool = False
    """The request that stores it has not been answered."""
    public: dict[str, str] = field(default_factory=dict)
    """What was proven: should it be an app that rotates, the row that is given up tells which claim to release."""


class Undoing:
    """`await undo(stored, stage, may_land_late=…)`."""

    def __init__(self, *, rows: Rows, vault: Vault, advance: Advance, clock: Clock) -> None:
        self._rows = rows
        self._vault = vault
        self._advance = advance
        self._clock = clock

    async def __call__(self, stored: Stored, stage: Stage, *, may_land_late: bool) -> Row | None:
        """Free the name, then remove what was stored; the row if it turns out to have been made after all.

        Raises nothing of its own: what cannot be done now stays owed by the row.
        """
        row = stored.row

        def given_up(present: Row) -> Row:
            check_reserved(present, row)
            # a secret still on its way may land after its removal: the row stays to remove it once more
            until = self._clock() + (LONGEST_RUN if may_land_late else timedelta())
            until = max([until, *(leftover.at for leftover in present.leftovers)])
            return creation.given_up(present.showing(credentials=stage.public), until)

        try:
            if not (stage.secret_put or row.leftovers or row.outbox):  # and nothing is left of an earlier try
                await self._rows.remove(stored)
                return None
            if await self._rows.change_from(stored, given_up) is None:
                raise ConcurrentChange
            if may_land_late:
                await self._vault.delete(row.secret_name)
            await self._advance(row.org_id, row.id, only=WHILE_SOMEBODY_WAITS)
        except ConcurrentChange:
            return await self._made_or_discarded(row)
        except ProductError as fault:
            log.warning("connection.cleanup-left connectionId=%s reason=%s", row.id, fault.code)
        return None

    async def _made_or_discarded(self, row: Row) -> Row | None:
        """Either our activation won though its answer was lost, or the reservation ran out while we were slow.

        In the second case nobody but us knows of the secret that we stored.
        """
        try:
            present = await self._rows.read(row.org_id, row.id)
            if present is not None and present.row.lifecycle is Lifecycle.ACTIVE:
                return present.row
            await self._vault.delete(row.secret_name)
        except ProductError as fault:
            log.error("connection.secret-left secretName=%s reason=%s", row.secret_name, fault.code)
        return None


def check_reserved(row: Row, reserved: Row) -> None:
    """Raise `ConcurrentChange` unless `row` is still that reservation, whatever background work wrote in between."""
    if row.lifecycle is not Lifecycle.CREATING or row.secret_name != reserved.secret_name:
        raise ConcurrentChange
