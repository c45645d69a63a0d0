"""Using a connection's credential, and what that says of the connection."""

from __future__ import annotations

import logging
from collections.abc import Callable

from shared.domain import standing
from shared.domain.connection import Lifecycle, Row
from shared.domain.errors import GrantRefused, UpstreamUnavailable
from shared.services.ports import AppToken, Clock
from shared.services.rows import Rows
from shared.services.signing_in import SigningIn, Unusable

log = logging.getLogger(__name__)

SPREADING_RETRY_SECONDS = 30.0


class Using:
    """`await use(row)`: a token, and the row that it belongs to."""

    def __init__(self, *, rows: Rows, sign_in: SigningIn, clock: Clock) -> None:
        self._rows = rows
        self._sign_in = sign_in
        self._clock = clock

    async def __call__(self, row: Row) -> tuple[Row, AppToken]:
        """Before a connection is judged its row is read again: another credential may be in use by now.

        Raises `ConnectionBroken` once the judgement is written, `NotFound` when the connection is gone meanwhile, and
        `UpstreamError` for what passes and so says nothing of the connection.
        """
        try:
            return await self._used(row)
        except (GrantRefused, Unusable) as first:
            present = await self._rows.active(row.org_id, row.id)
            if present.in_use != row.in_use:
                try:
                    return await self._used(present)
                except (GrantRefused, Unusable) as second:
                    raise await self._judged(present, second) from None
            raise await self._judged(present, first) from None

    async def _used(self, row: Row) -> tuple[Row, AppToken]:
        token = await self._sign_in(row)
        if standing.worked(row, self._clock()) is row:
            return row, token
        return await self._changed(row, lambda present: standing.worked(present, self._clock())), token

    async def _judged(self, row: Row, fault: GrantRefused | Unusable) -> Exception:
        now = self._clock()
        if isinstance(fault, GrantRefused) and standing.may_be_spreading(row, now):
            text = "Entra does not know the new client secret everywhere yet; try again in half a minute"
            return UpstreamUnavailable("Microsoft Entra ID", text, retry_after=SPREADING_RETRY_SECONDS)

        def judged(present: Row) -> Row:
            if isinstance(fault, GrantRefused):
                return standing.refused(present, fault, now)
            return standing.unreadable(present, now)

        after = await self._changed(row, judged)
        log.warning(
            "connection.refused orgId=%s connectionId=%s state=%s reason=%s",
            row.org_id, row.id, after.connection.status.state, after.connection.status.reason,
        )  # fmt: skip
        return standing.broken(after)

    async def _changed(self, row: Row, edit: Callable[[Row], Row]) -> Row:
        """Write what was learnt of the credential in `row`, unless another one is in use by now."""

        def guarded(present: Row) -> Row:
            same = present.lifecycle is Lifecycle.ACTIVE and present.in_use == row.in_use
            return edit(present) if same else present

        after = await self._rows.change(row.org_id, row.id, guarded)
        return row if after is None else after
