"""Making a connection: reserve the name, prove the credential, store it, make the connection active; all or nothing."""

from __future__ import annotations

import logging
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain import creation
from shared.domain.audit import Action, Actor, ActorType, Origin
from shared.domain.connection import Idempotency, Lifecycle, OutboxEntry, Row
from shared.domain.creation import NewConnection, Proof
from shared.domain.editing import check_rotation_supported
from shared.domain.errors import (
    BadRequest,
    ConcurrentChange,
    Conflict,
    NameTaken,
    NotFound,
    Problem,
    ProductError,
    UpstreamTimeout,
    ValidationFailed,
)
from shared.domain.project import Project
from shared.domain.schedule import IntervalUnit
from shared.services.advance import WHILE_SOMEBODY_WAITS, Advance
from shared.services.background import Background
from shared.services.ports import Clock, ConnectionTable, Stored, StoredVersion, Vault
from shared.services.proving import MAX_SECRET_BYTES, Prove
from shared.services.rows import Rows
from shared.services.undoing import Stage, Undoing, check_reserved

log = logging.getLogger(__name__)

KEY_LIFETIME = timedelta(hours=24)
IN_PROGRESS_SECONDS = 5.0
IN_PROGRESS = "The first request with this Idempotency-Key is still being worked on"


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's `Idempotency-Key`, as hashes: which one it is, and what it was sent with."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A sign-in through a connect link: the connection id it was promised, and where the visitor came from."""

    connection_id: str
    origin: Origin


class Creating:
    """Makes connections. What a crash leaves half-made, `Advance` cleans up."""

    def __init__(
        self,
        *,
        rows: Rows,
        table: ConnectionTable,
        vault: Vault,
        advance: Advance,
        background: Background,
        clock: Clock,
        unit: IntervalUnit,
    ) -> None:
        self._rows = rows
        self._table = table
        self._vault = vault
        self._advance = advance
        self._background = background
        self._clock = clock
        self._unit = unit
        self._undo = Undoing(rows=rows, vault=vault, advance=advance, clock=clock)

    async def create(
        self,
        org_id: str,
        new: NewConnection,
        *,
        project: Project | None,
        prove: Prove,
        requested: Origin,
        secret_key_id: str | None = None,
        visit: Visit | None = None,
        key: IdempotencyKey | None = None,
    ) -> Row:
        """The new connection's row. Whatever fails, the name is free again and nothing secret is left.

        A `visit` that made its connection already, and a `key` that did, get that connection again.
        """
        check_rotation_supported(new.method, enabled=new.is_auto_rotation_enabled, rotation=new.rotation)
        if key is not None and (answered := await self._answered(org_id, key)):
            return answered
        now = self._clock()
        row = creation.reserved(
            new,
            org_id=org_id,
            connection_id=visit.connection_id if visit else str(uuid.uuid4()),
            project=project,
            salt=secrets.token_hex(16),
            now=now,
            idempotency=_remembered(key, now),
            secret_key_id=secret_key_id,
        )
        try:
            stored = await self._reserve(row, visit)
        except NameTaken:
            raise name_taken(new.name) from None
        except NotFound:
            raise BadRequest(f"Could not find project with ID {new.project_id}") from None
        except ConcurrentChange:
            if key is None:
                return await self._made_already(org_id, row.id)
            if answered := await self._answered(org_id, key):
                return answered
            raise Conflict(IN_PROGRESS, retry_after=IN_PROGRESS_SECONDS) from None
        made = await self._complete(stored, prove, requested, visit)
        self._background.look_at(made)
        log.info("connection.created orgId=%s connectionId=%s", org_id, row.id)
        return made

    async def _reserve(self, row: Row, visit: Visit | None) -> Stored:
        try:
            return await self._rows.insert(row)
        except ConcurrentChange:
            # A link promises its connection's id, so another try through it meets what the failed one left.
            present = await self._rows.read(row.org_id, row.id) if visit else None
            if present is None or not creation.is_given_up(present.row):
                raise
            return await self._rows.save(present, creation.taken_over(present.row, row))

    async def _answered(self, org_id: str, key: IdempotencyKey) -> Row | None:
        """What the first request under this key was told, or None when there was none within its lifetime."""
        connection_id = await self._table.find_by_key(org_id, key.key)
        stored = await self._rows.read(org_id, connection_id) if connection_id else None
        kept = stored.row.idempotency if stored else None
        if stored is None or kept is None or kept.key != key.key:
            return None
        if kept.expires_at <= self._clock():
            # forgetting the key is what the row owes
            await self._advance(org_id, stored.row.id, only=WHILE_SOMEBODY_WAITS)
            return None
        if kept.fingerprint != key.fingerprint:
            text = "This key was used with another body; use a new key for a new request"
            raise ValidationFailed([Problem("custom", ("Idempotency-Key",), text)])
        if kept.answer is None:
            raise Conflict(IN_PROGRESS, retry_after=IN_PROGRESS_SECONDS)
        return stored.row.having(connection=kept.answer, revision=1)

    async def _made_already(self, org_id: str, connection_id: str) -> Row:
        present = await self._rows.read(org_id, connection_id)
        if present is not None and present.row.lifecycle is Lifecycle.ACTIVE:
            return present.row
        raise Conflict("Another sign-in for this connection is being completed; try again in a few minutes")

    async def _complete(self, stored: Stored, prove: Prove, requested: Origin, visit: Visit | None) -> Row:
        """From reserved to active, or back to nothing."""
        stage = Stage()
        try:
            return await self._activate(stored, prove, stage, requested, visit)
        except BaseException as fault:  # cancellation too must not leave a half-made connection
            answered = isinstance(fault, ProductError) and not isinstance(fault, UpstreamTimeout)
            made = await self._undo(stored, stage, may_land_late=stage.putting and not answered)
            if made is None or not isinstance(fault, ProductError):
                raise
            return made

    async def _activate(
        self, stored: Stored, prove: Prove, stage: Stage, requested: Origin, visit: Visit | None
    ) -> Row:
        proof = await prove(stored.row)
        stage.public = proof.public
        version = await self._put(stored.row, proof, stage)
        now = self._clock()
        lines = _lines(stored.row, proof, requested, visit, now)

        def activated(row: Row) -> Row:
            if row.lifecycle is Lifecycle.ACTIVE and row.secret_name == stored.row.secret_name:
                return row  # our own write won, its answer was lost, and somebody wrote since
            check_reserved(row, stored.row)
            return creation.activated(
                row,
                proof,
                version.id if version else None,
                repeated=version is not None and version.maybe_repeated,
                now=now,
                unit=self._unit,
            ).recording(*lines)

        made = await self._rows.change_from(stored, activated)
        if made is None:
            raise ConcurrentChange
        return made.row

    async def _put(self, row: Row, proof: Proof, stage: Stage) -> StoredVersion | None:
        if proof.secret is None:
            return None
        if len(proof.secret.encode()) > MAX_SECRET_BYTES:
            raise BadRequest("The credential is larger than Key Vault can hold (25 KB)")
        stage.secret_put = stage.putting = True
        version = await self._vault.put(row.secret_name, proof.secret, tags={"connectionId": row.id})
        stage.putting = False
        return version


def name_taken(name: str) -> NameTaken:
    """What a caller is told of a name in use."""
    return NameTaken(f'An App Connection with the name "{name}" already exists')


def _remembered(key: IdempotencyKey | None, now: datetime) -> Idempotency | None:
    if key is None:
        return None
    return Idempotency(key=key.key, fingerprint=key.fingerprint, expires_at=now + KEY_LIFETIME)


def _lines(row: Row, proof: Proof, requested: Origin, visit: Visit | None, now: datetime) -> list[OutboxEntry]:
    """The audit lines of a creation: who asked for it, and who signed in."""
    lines = [row.line(Action.CREATE, requested, now)]
    if visit is not None:
        visitor = Actor(
            type=ActorType.VISITOR,
            object_id=proof.account_id,
            name=proof.account_name,
            address=visit.origin.actor.address,
        )
        lines.append(row.line(Action.CONNECT, visit.origin.model_copy(update={"actor": visitor}), now))
    return lines
