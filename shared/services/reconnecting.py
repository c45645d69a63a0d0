"""Mending a connection in place: another grant for the same id, name and rules.

The grant in use works until the row names the new one, and keeps working if anything fails before.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from shared.domain import editing
from shared.domain.audit import Action, Actor, ActorType
from shared.domain.connection import LONGEST_RUN, Lifecycle, Row
from shared.domain.creation import Proof
from shared.domain.errors import BadRequest, ConcurrentChange, NotFound, UpstreamError
from shared.domain.schedule import IntervalUnit
from shared.services.background import Background
from shared.services.connections import not_found
from shared.services.creating import Visit
from shared.services.ports import Clock, Grant, Link, StoredVersion, Vault
from shared.services.proving import Proving
from shared.services.rows import Rows

log = logging.getLogger(__name__)


class Reconnecting:
    """`await reconnect(link, redeem, visit)`."""

    def __init__(
        self,
        *,
        rows: Rows,
        vault: Vault,
        proving: Proving,
        background: Background,
        clock: Clock,
        unit: IntervalUnit,
    ) -> None:
        self._rows = rows
        self._vault = vault
        self._proving = proving
        self._background = background
        self._clock = clock
        self._unit = unit

    async def reconnect(self, link: Link, redeem: Callable[[], Awaitable[Grant]], visit: Visit) -> None:
        """Spend the sign-in and put its grant in the place of the former one.

        Raises `BadRequest` when somebody else signed in than the link allows, `NotFound` when the connection is gone.
        """
        seen = await self._active(link)
        proof = self._proving.of_grant(await redeem(), link.tenant)
        if not link.allow_different_account and proof.account_id != seen.account_id:
            raise BadRequest(
                "Another account signed in than the one that this connection was made with. Open the connect link "
                "again and choose that account, or ask for a link that allows a different account."
            )
        version = await self._stored(link, proof)
        try:
            after = await self._rows.change(
                link.org_id, link.connection_id, lambda row: self._reconnected(row, link, proof, version, visit)
            )
        except (ConcurrentChange, NotFound):  # for certain: the new version is nobody's
            await self._discard(link, version)
            raise
        if after is None:
            raise not_found(link.connection_id)
        self._background.look_at(after)
        log.info("connection.reconnected orgId=%s connectionId=%s", link.org_id, link.connection_id)

    async def _active(self, link: Link) -> Row:
        stored = await self._rows.read(link.org_id, link.connection_id)
        if stored is None or stored.row.lifecycle is not Lifecycle.ACTIVE:
            raise not_found(link.connection_id)
        return stored.row

    async def _stored(self, link: Link, proof: Proof) -> StoredVersion:
        """A new secret version, announced first: should this die, the sweep finds what no row names."""

        def announced(row: Row) -> Row:
            if row.lifecycle is not Lifecycle.ACTIVE:
                raise not_found(link.connection_id)
            return row.expecting_version(self._clock() + LONGEST_RUN)

        row = await self._rows.change(link.org_id, link.connection_id, announced)
        if row is None:
            raise not_found(link.connection_id)
        return await self._vault.put(row.secret_name, proof.secret or "", tags={"connectionId": row.id})

    def _reconnected(self, row: Row, link: Link, proof: Proof, version: StoredVersion, visit: Visit) -> Row:
        if row.active_version == version.id:
            return row  # our own write won, its answer was lost, and somebody wrote since
        if row.lifecycle is not Lifecycle.ACTIVE:
            raise not_found(link.connection_id)
        now = self._clock()
        after = editing.with_credentials(row, proof, version.id, now=now, unit=self._unit)
        visitor = Actor(
            type=ActorType.VISITOR,
            object_id=proof.account_id,
            name=proof.account_name,
            address=visit.origin.actor.address,
        )
        line = row.line(Action.RECONNECT, visit.origin.model_copy(update={"actor": visitor}), now)
        return editing.counted(after.having(reconnected_by=link.flow_id), now).recording(line)

    async def _discard(self, link: Link, version: StoredVersion) -> None:
        """Left behind, the sweep that was announced finds it."""
        try:
            await self._vault.disable(version.id)
        except UpstreamError as fault:
            log.warning("connection.version-left connectionId=%s reason=%s", link.connection_id, fault.service)
