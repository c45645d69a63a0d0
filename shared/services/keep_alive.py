"""Keep-alive: renewing a stored refresh token before it is old, whether the connection is used or not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from pydantic import ValidationError

from shared.domain import rotation, standing
from shared.domain.connection import LONGEST_RUN, Hold, Row
from shared.domain.errors import ConcurrentChange, GrantRefused, NotFound
from shared.domain.keep_alive import is_same_exchange
from shared.domain.owed import Action
from shared.services.grants import GrantExchange
from shared.services.invocation import current_request_id
from shared.services.ports import Clock, Stored, StoredVersion, Vault
from shared.services.promoting import promote
from shared.services.rows import Rows

log = logging.getLogger(__name__)

REFUSED_PAUSE = timedelta(days=1)
"""Until a grant is tried again that Entra refuses for a reason that an administrator can mend."""


class KeepAlive:
    """A step for `Advance`: new secret version first, then one row write that promotes it."""

    def __init__(
        self,
        *,
        rows: Rows,
        vault: Vault,
        exchange: GrantExchange,
        clock: Clock,
        lease: timedelta = rotation.LEASE,
    ) -> None:
        self._rows = rows
        self._vault = vault
        self._exchange = exchange
        self._clock = clock
        self._lease = lease

    async def renew(self, stored: Stored) -> Stored | None:
        """One try. It is written down first: a later one knows that this may have left a version behind."""
        begun = await self._rows.save(stored, self._attempted(stored.row))
        tried = begun.row
        try:
            version = await self._exchange(tried, {"attempt": str(tried.exchange)})
        except GrantRefused as refused:
            refusal = refused
            await self._end(tried, lambda row: standing.refused(row, refusal, self._clock()))
        except (NotFound, ValidationError):  # the text of the latter could quote what it could not read
            await self._end(tried, lambda row: standing.unreadable(row, self._clock()))
        else:
            return await self._promote(begun, version)
        return None

    def _attempted(self, row: Row) -> Row:
        now, held = self._clock(), row.holds.get(Action.KEEP_ALIVE)
        hold = Hold(until=now + self._lease, tries=held.tries if held else 0, reason="being worked on")
        return row.without_exchange(now).having(
            exchange=row.attempts + 1,
            attempts=row.attempts + 1,
            holds={**row.holds, Action.KEEP_ALIVE: hold},
        )

    async def _promote(self, begun: Stored, version: StoredVersion) -> Stored | None:
        now, tried = self._clock(), begun.row

        def in_use(row: Row) -> Row:
            former = (row.active_version,) if row.active_version else ()
            renewed = row.released(Action.KEEP_ALIVE).having(
                active_version=version.id, superseded=(*row.superseded, *former), stored_at=now, exchange=None
            )
            if version.maybe_repeated:
                renewed = renewed.swept_after(now + LONGEST_RUN)
            return standing.worked(renewed, now)

        after = await promote(
            self._rows, self._vault, begun, version, is_same=lambda row: is_same_exchange(row, tried), in_use=in_use
        )
        request_id = current_request_id() or "-"
        log.info("grant.renewed orgId=%s connectionId=%s requestId=%s", tried.org_id, tried.id, request_id)
        return after

    async def _end(self, tried: Row, judge: Callable[[Row], Row]) -> None:
        """Entra refuses the grant: the row says so, and a connection that is dead owes no more renewals."""

        def ended(row: Row) -> Row:
            if not is_same_exchange(row, tried):
                raise ConcurrentChange
            now = self._clock()
            judged = judge(row).without_exchange(now)
            hold = Hold(until=now + REFUSED_PAUSE, tries=0, reason=judged.connection.status.reason or "refused")
            return judged.having(holds={**judged.holds, Action.KEEP_ALIVE: hold})

        after = await self._rows.change(tried.org_id, tried.id, ended)
        if after is not None:
            log.warning(
                "grant.refused orgId=%s connectionId=%s state=%s", tried.org_id, tried.id, after.connection.status.state
            )
