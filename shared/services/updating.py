"""Changing a connection: one row write, and before it, where credentials come along, their proof and a secret version.

Two callers at once: the second to write meets another revision than the one it saw, and is told so. Background work in
between is no obstacle: the edit is applied to the newest row.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from shared.domain import editing
from shared.domain.audit import Action, Origin
from shared.domain.caller import Caller
from shared.domain.connection import LONGEST_RUN, Lifecycle, Row, credentials_hash
from shared.domain.creation import Proof
from shared.domain.credential import AppCredential
from shared.domain.editing import Edit
from shared.domain.errors import ConcurrentChange, Conflict, NameTaken, NotFound, PreconditionFailed, UpstreamError
from shared.domain.schedule import IntervalUnit
from shared.services.background import Background
from shared.services.connections import Connections, not_found
from shared.services.creating import name_taken
from shared.services.ports import Clock, StoredVersion, Vault
from shared.services.proving import Proving, SubmittedCode, submitted_parts
from shared.services.rows import Rows

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Update:
    """What a caller wants changed. `revisions` are those that its `If-Match` admits; None is any."""

    edit: Edit
    submitted: SubmittedCode | AppCredential | None = None
    secret_key_id: str | None = None
    revisions: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class _Replacement:
    """A proven credential and where it is stored; `sweep_at` is what the row owed before it was announced."""

    proof: Proof
    version: StoredVersion | None
    announced: datetime | None = None
    sweep_at: datetime | None = None


class Updating:
    """Callers' edits."""

    def __init__(
        self,
        *,
        connections: Connections,
        rows: Rows,
        vault: Vault,
        proving: Proving,
        background: Background,
        clock: Clock,
        unit: IntervalUnit,
    ) -> None:
        self._connections = connections
        self._rows = rows
        self._vault = vault
        self._proving = proving
        self._background = background
        self._clock = clock
        self._unit = unit

    async def update(self, caller: Caller, connection_id: str, update: Update) -> Row:
        """The changed row, or the present one when nothing changes.

        Raises `NotFound`, `PreconditionFailed`, `NameTaken`, `Conflict` (another caller was faster), `BadRequest`.
        """
        seen = await self._connections.get(caller, connection_id)
        if update.revisions is not None and seen.revision not in update.revisions:
            raise PreconditionFailed("The connection has changed since the version that If-Match names; read it again")
        editing.edited(seen, update.edit, self._clock(), self._unit)  # raises before anything is spent
        replacement = await self._replacement(seen, update)
        try:
            after = await self._rows.change(
                caller.org_id, connection_id, lambda row: self._applied(row, seen, update, replacement, caller)
            )
        except (Conflict, NotFound) as refusal:  # for certain: the new version is nobody's
            await self._discard(seen, replacement)
            if isinstance(refusal, NameTaken):
                raise name_taken(update.edit.name or seen.connection.name) from None
            raise
        if after is None:
            raise not_found(connection_id)
        self._background.look_at(after)
        return after

    async def _replacement(self, seen: Row, update: Update) -> _Replacement | None:
        """Prove and store what was submitted; None when that is what the connection was last given."""
        submitted = update.submitted
        if submitted is None or self._is_known(seen, submitted):
            return None
        proof = await self._proving.of(submitted)()
        if proof.secret is None:
            return _Replacement(proof, None)
        announced = self._clock() + LONGEST_RUN
        before = await self._rows.change(seen.org_id, seen.id, lambda row: _announced(row, seen, announced))
        if before is None:
            raise not_found(seen.id)
        version = await self._vault.put(seen.secret_name, proof.secret, tags={"connectionId": seen.id})
        return _Replacement(proof, version, announced, seen.sweep_at)

    def _is_known(self, seen: Row, submitted: SubmittedCode | AppCredential) -> bool:
        """Whether the connection was last given just this, so that a secret rotated away is not put back."""
        if isinstance(submitted, SubmittedCode):
            return False
        return credentials_hash(submitted_parts(submitted), seen.hash_salt) == seen.connection.credentials_hash

    def _applied(self, row: Row, seen: Row, update: Update, replacement: _Replacement | None, caller: Caller) -> Row:
        _check_unchanged(row, seen)
        now = self._clock()
        after = editing.edited(row, update.edit, now, self._unit)
        if replacement is not None:
            version = replacement.version
            after = editing.with_credentials(after, replacement.proof, version.id if version else None, now=now)
            if version is not None and not version.maybe_repeated and row.sweep_at == replacement.announced:
                after = after.having(sweep_at=replacement.sweep_at)
        key_id = update.secret_key_id
        if after is row:
            return row if key_id in (None, row.secret_key_id) else row.having(secret_key_id=key_id)
        after = after.having(secret_key_id=key_id or (None if replacement else row.secret_key_id))
        return editing.counted(after, now).recording(after.line(Action.UPDATE, Origin.of(caller), now))

    async def _discard(self, seen: Row, replacement: _Replacement | None) -> None:
        """Make a version unreadable that no row will name. Left behind, the sweep that was announced finds it."""
        if replacement is None or replacement.version is None:
            return
        try:
            await self._vault.disable(replacement.version.id)
        except UpstreamError as fault:
            log.warning("connection.version-left connectionId=%s reason=%s", seen.id, fault.service)


def _announced(row: Row, seen: Row, until: datetime) -> Row:
    """The row that knows of a secret version on its way: should its writer die, it is looked for."""
    _check_unchanged(row, seen)
    return row.having(sweep_at=max(until, row.sweep_at or until))


def _check_unchanged(row: Row, seen: Row) -> None:
    if row.lifecycle is not Lifecycle.ACTIVE:
        raise not_found(seen.id)
    if row.revision != seen.revision:
        raise ConcurrentChange
