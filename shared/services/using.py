"""Using a connection's credential, and what that says of the connection."""

from __future__ import annotations

import logging
from collections.abc import Callable

from shared.domain import standing
from shared.domain.connection import Lifecycle, Row
from shared.domain.errors import GrantRefused, UpstreamUnavailable
from shared.services.ports import AppToken, Clock
from shared.services.rows import Rows, not_found
from shared.services.signing_in import SigningIn, Unusable

log = logging.getLogger(__name__)

SERVICE = "Microsoft Entra ID"
SPREADING_RETRY_SECONDS = 30.0
REPLACING_RETRY_SECONDS = 5.0
MAX_CREDENTIALS = 3
"""How many credentials are tried, should each be replaced while it is."""


class Using:
    """`await use(row)`: a token, and the row that it belongs to; `fresh` where the row was read just now."""

    def __init__(self, *, rows: Rows, sign_in: SigningIn, clock: Clock) -> None:
        self._rows = rows
        self._sign_in = sign_in
        self._clock = clock

    async def __call__(self, row: Row, *, fresh: bool = True) -> tuple[Row, AppToken]:
        """Before a connection is judged its row is read again: another credential may be in use by now.

        Raises `ConnectionBroken` once the judgement is written, `NotFound` when the connection is gone meanwhile, and
        `UpstreamError` for what passes and so says nothing of the connection.
        """
        for _ in range(MAX_CREDENTIALS):
            try:
                return await self._used(row, fresh=fresh)
            except (GrantRefused, Unusable) as fault:
                present = await self._rows.active(row.org_id, row.id)
                if present.in_use == row.in_use:
                    present = await self._judged(present, fault)
                    if present.in_use == row.in_use:
                        raise standing.broken(present) from None
                row, fresh = present, True
        text = "The credential of this connection is being replaced; try again"
        raise UpstreamUnavailable(SERVICE, text, retry_after=REPLACING_RETRY_SECONDS)

    async def _used(self, row: Row, *, fresh: bool) -> tuple[Row, AppToken]:
        """What worked is written; a row that was read a while ago may have been judged by somebody else since."""
        token = await self._sign_in(row)
        if fresh and standing.worked(row, self._clock()) is row:
            return row, token
        after = await self._changed(row, lambda present: standing.worked(present, self._clock()))
        return (after if after.in_use == row.in_use else row), token

    async def _judged(self, row: Row, fault: GrantRefused | Unusable) -> Row:
        """The row with the judgement written, or as it is now where another credential came into use meanwhile."""
        now = self._clock()
        if isinstance(fault, GrantRefused) and standing.may_be_spreading(row, now):
            text = "Entra does not know the new client secret everywhere yet; try again in half a minute"
            raise UpstreamUnavailable(SERVICE, text, retry_after=SPREADING_RETRY_SECONDS) from None

        def judged(present: Row) -> Row:
            if isinstance(fault, GrantRefused):
                return standing.refused(present, fault, now)
            return standing.unreadable(present, now)

        after = await self._changed(row, judged)
        if after.in_use == row.in_use:
            log.warning(
                "connection.refused orgId=%s connectionId=%s state=%s reason=%s",
                row.org_id, row.id, after.connection.status.state, after.connection.status.reason,
            )  # fmt: skip
        return after

    async def _changed(self, row: Row, edit: Callable[[Row], Row]) -> Row:
        """Write what was learnt of the credential in `row`, unless another one is in use by now.

        Raises `NotFound` when the connection is gone.
        """

        def guarded(present: Row) -> Row:
            if present.lifecycle is not Lifecycle.ACTIVE:
                raise not_found(row.id)
            return edit(present) if present.in_use == row.in_use else present

        after = await self._rows.change(row.org_id, row.id, guarded)
        if after is None:
            raise not_found(row.id)
        return after
