"""Mending a connection in place: another grant for the same id, name and rules.

The grant in use works until the row names the new one, and keeps working if anything fails before.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from shared.domain import editing
from shared.domain.audit import Action, Actor, ActorType
from shared.domain.connection import Lifecycle, Row
from shared.domain.creation import Proof
from shared.domain.errors import BadRequest, ConcurrentChange, NotFound
from shared.domain.schedule import IntervalUnit
from shared.services.background import Background
from shared.services.creating import Visit
from shared.services.discarding import discard
from shared.services.ports import Clock, Grant, Link, StoredVersion, Vault
from shared.services.proving import Proving
from shared.services.rows import Rows, not_found

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A grant in Key Vault that no row names yet, and the time from which on it may be swept."""

    version: StoredVersion
    sweep_at: datetime | None


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

        Raises `BadRequest` when somebody else signed in than the link allows, `NotFound` when the connection is gone,
        `ConcurrentChange` when it took so long that the new version may have been swept.
        """
        seen = await self._rows.active(link.org_id, link.connection_id)
        proof = self._proving.of_grant(await redeem(), link.tenant)
        _check_account(seen, link, proof)
        stored = await self._stored(link, proof)
        try:
            after = await self._rows.change(
                link.org_id, link.connection_id, lambda row: self._reconnected(row, link, proof, stored, visit)
            )
        except (BadRequest, ConcurrentChange, NotFound):  # for certain: the new version is nobody's
            await discard(self._vault, stored.version.id, connection_id=link.connection_id)
            raise
        if after is None:
            raise not_found(link.connection_id)
        self._background.look_at(after)
        log.info("connection.reconnected orgId=%s connectionId=%s", link.org_id, link.connection_id)

    async def _stored(self, link: Link, proof: Proof) -> _Stored:
        """A new secret version, announced first: should this die, the sweep finds what no row names."""

        def announced(row: Row) -> Row:
            if row.lifecycle is not Lifecycle.ACTIVE:
                raise not_found(link.connection_id)
            return row.expecting_version(self._clock())

        row = await self._rows.change(link.org_id, link.connection_id, announced)
        if row is None:
            raise not_found(link.connection_id)
        version = await self._vault.put(row.secret_name, proof.secret or "", tags={"connectionId": row.id})
        return _Stored(version, row.sweep_at)

    def _reconnected(self, row: Row, link: Link, proof: Proof, stored: _Stored, visit: Visit) -> Row:
        if row.active_version == stored.version.id:
            return row  # our own write won, its answer was lost, and somebody wrote since
        if row.lifecycle is not Lifecycle.ACTIVE:
            raise not_found(link.connection_id)
        if row.may_have_swept(stored.sweep_at):
            raise ConcurrentChange("Signing in took too long. Open the connect link again and sign in")
        _check_account(row, link, proof)  # somebody may have been faster with another account
        now = self._clock()
        after = editing.with_credentials(row, proof, stored.version.id, now=now, unit=self._unit)
        visitor = Actor(
            type=ActorType.VISITOR,
            object_id=proof.account_id,
            name=proof.account_name,
            address=visit.origin.actor.address,
        )
        line = row.line(Action.RECONNECT, visit.origin.model_copy(update={"actor": visitor}), now)
        return editing.counted(after.having(reconnected_by=link.flow_id), now).recording(line)


def _check_account(row: Row, link: Link, proof: Proof) -> None:
    """Raise `BadRequest` when the link is for the account in use only and another one signed in."""
    if not link.allow_different_account and proof.account_id != row.account_id:
        raise BadRequest(
            "Another account signed in than the one that this connection was made with. Open the connect link "
            "again and choose that account, or ask for a link that allows a different account."
        )
