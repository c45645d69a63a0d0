"""Changing a connection: one row write, and before it, where credentials come along, their proof and a secret version.

Two callers at once: the second to write meets another revision than the one it saw, and is told so. Background work in
between is no obstacle: the edit is applied to the newest row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.domain import editing, standing
from shared.domain.audit import Action, Origin
from shared.domain.caller import Caller
from shared.domain.connection import Lifecycle, Row, credentials_hash
from shared.domain.creation import Enrolled, Proof
from shared.domain.credential import AppCredential
from shared.domain.editing import Edit
from shared.domain.errors import ConcurrentChange, Conflict, NameTaken, NotFound, PreconditionFailed
from shared.domain.schedule import IntervalUnit
from shared.services.background import Background
from shared.services.connections import Connections
from shared.services.creating import name_taken
from shared.services.discarding import discard
from shared.services.enrolment import Claims
from shared.services.ports import Clock, StoredVersion, Vault
from shared.services.proving import Proving, SubmittedCode, submitted_parts
from shared.services.rows import Rows, not_found


@dataclass(frozen=True, slots=True)
class Update:
    """What a caller wants changed. `revisions` are those that its `If-Match` admits; None is any."""

    edit: Edit
    submitted: SubmittedCode | AppCredential | None = None
    secret_key_id: str | None = None
    revisions: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class _Replacement:
    """A proven credential and where it is stored; `sweep_at` is what the row owed when it was announced."""

    proof: Proof
    version: StoredVersion | None
    announced: datetime | None = None
    sweep_at: datetime | None = None

    def is_named_by(self, row: Row) -> bool:
        """Whether the row has it in use already."""
        return self.version is not None and row.active_version == self.version.id

    @property
    def is_whole(self) -> bool:
        """Whether the one version is all that its writing made."""
        return self.version is not None and not self.version.maybe_repeated


class Updating:
    """Callers' edits."""

    def __init__(
        self,
        *,
        connections: Connections,
        rows: Rows,
        vault: Vault,
        proving: Proving,
        claims: Claims,
        background: Background,
        clock: Clock,
        unit: IntervalUnit,
    ) -> None:
        self._connections = connections
        self._rows = rows
        self._vault = vault
        self._proving = proving
        self._claims = claims
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
        await self._check_name(seen, update.edit.name)
        wanted = editing.edited(seen, update.edit, self._clock(), self._unit)  # raises before anything is spent
        wanted = wanted.having(secret_key_id=update.secret_key_id or seen.secret_key_id)
        replacement = await self._replacement(seen, wanted, update)
        enrolled = await self._enrolled(seen, wanted) if replacement is None else None

        def edit(row: Row) -> Row:
            if replacement is not None and replacement.is_named_by(row):
                return row  # our own write won, its answer was lost, and somebody wrote since
            changed = self._applied(row, seen, update, replacement, enrolled)
            if changed.revision == row.revision:
                return changed
            return changed.recording(changed.line(Action.UPDATE, Origin.of(caller), self._clock()))

        try:
            after = await self._rows.change(caller.org_id, connection_id, edit)
        except (Conflict, NotFound) as refusal:  # for certain: the new version is nobody's
            if replacement is not None and replacement.version is not None:
                await discard(self._vault, replacement.version.id, connection_id=seen.id)
            if isinstance(refusal, NameTaken):
                raise name_taken(update.edit.name or seen.connection.name) from None
            raise
        if after is None:
            raise not_found(connection_id)
        await self._claims.release(seen, now=after)
        self._background.look_at(after)
        return after

    async def _check_name(self, seen: Row, name: str | None) -> None:
        """Tell of a name in use before anything is spent; the write itself has the last word."""
        scope = seen.connection.project_id
        if name not in (None, seen.connection.name) and await self._connections.is_taken(seen.org_id, str(name), scope):
            raise name_taken(str(name))

    async def _enrolled(self, seen: Row, wanted: Row) -> Enrolled | None:
        """The app whose rotation is switched on without another credential."""
        enabling = wanted.connection.is_auto_rotation_enabled and not seen.connection.is_auto_rotation_enabled
        return await self._proving.enrolled(wanted) if enabling else None

    async def _replacement(self, seen: Row, wanted: Row, update: Update) -> _Replacement | None:
        """Prove and store what was submitted; None when that is what the connection was last given."""
        submitted = update.submitted
        if submitted is None or self._is_known(seen, submitted):
            return None
        submitting = wanted.having(secret_key_id=update.secret_key_id)
        proof = await self._proving.of(submitted)(submitting)
        if proof.secret is None:
            return _Replacement(proof, None)
        owed: datetime | None = None

        def announce(row: Row) -> Row:
            nonlocal owed
            _check_unchanged(row, seen)
            owed = row.sweep_at
            return row.expecting_version(self._clock())

        announced = await self._rows.change(seen.org_id, seen.id, announce)
        if announced is None:
            raise not_found(seen.id)
        version = await self._vault.put(seen.secret_name, proof.secret, tags={"connectionId": seen.id})
        return _Replacement(proof, version, announced.sweep_at, owed)

    def _is_known(self, seen: Row, submitted: SubmittedCode | AppCredential) -> bool:
        """Whether the connection was last given just this, so that a secret rotated away is not put back.

        One that only a person can mend is mended by submitting the same again: whether it serves is shown at Entra.
        """
        if isinstance(submitted, SubmittedCode) or standing.is_dead(seen):
            return False
        return credentials_hash(submitted_parts(submitted), seen.hash_salt) == seen.connection.credentials_hash

    def _applied(
        self, row: Row, seen: Row, update: Update, replacement: _Replacement | None, enrolled: Enrolled | None
    ) -> Row:
        _check_unchanged(row, seen)
        now = self._clock()
        if replacement is not None and row.may_have_swept(replacement.announced):
            raise ConcurrentChange
        if replacement is not None and replacement.is_whole and row.sweep_at == replacement.announced:
            row = row.having(sweep_at=replacement.sweep_at)  # nothing went astray: what was announced is over
        after = editing.edited(row, update.edit, now, self._unit)
        if replacement is not None:
            version = replacement.version
            after = editing.with_credentials(
                after, replacement.proof, version.id if version else None, now=now, unit=self._unit
            )
        if enrolled is not None and not editing.knows_its_password(after):
            if row.active_version != seen.active_version:
                raise ConcurrentChange
            after = editing.recognising(after, enrolled, now)
        key_id = update.secret_key_id
        if after is row:
            return row if key_id in (None, row.secret_key_id) else row.having(secret_key_id=key_id)
        after = after.having(secret_key_id=key_id or (None if replacement else row.secret_key_id))
        return editing.counted(after, now)


def _check_unchanged(row: Row, seen: Row) -> None:
    if row.lifecycle is not Lifecycle.ACTIVE:
        raise not_found(seen.id)
    if row.revision != seen.revision:
        raise ConcurrentChange
