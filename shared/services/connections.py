"""Creating, reading and deleting connections."""

from __future__ import annotations

import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.domain import creation, rotation
from shared.domain.caller import Caller
from shared.domain.connection import Connection, Lifecycle, Row
from shared.domain.creation import NewConnection, Proof
from shared.domain.errors import BadRequest, ConcurrentChange, Conflict, NameTaken, NotFound, ProductError
from shared.domain.project import Project
from shared.domain.schedule import IntervalUnit, Trigger
from shared.services.advance import Advance
from shared.services.ports import Clock, ConnectionTable, ProjectTable, Stored, Vault
from shared.services.rows import Rows

log = logging.getLogger(__name__)

Prove = Callable[[], Awaitable[Proof]]
"""Shows at Entra that the credential works. It may spend something that works once, so it comes after all checks."""

MAX_SECRET_BYTES = 25_000
"""Key Vault holds values of at most 25 KB (https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates)."""


class Connections:
    """The connections of all organisations; every method works inside the caller's own."""

    def __init__(
        self,
        *,
        rows: Rows,
        table: ConnectionTable,
        projects: ProjectTable,
        vault: Vault,
        advance: Advance,
        clock: Clock,
        unit: IntervalUnit,
    ) -> None:
        self._rows = rows
        self._table = table
        self._projects = projects
        self._vault = vault
        self._advance = advance
        self._clock = clock
        self._unit = unit

    async def project_for(self, caller: Caller, project_id: str | None) -> Project | None:
        """The project a new connection goes into. Raises `BadRequest` when the caller has no such project."""
        if project_id is None:
            return None
        project = await self._projects.get(caller.org_id, project_id)
        if project is None or not project.admits(caller):
            raise BadRequest(f"Could not find project with ID {project_id}")
        return project

    async def create(
        self,
        org_id: str,
        new: NewConnection,
        *,
        project: Project | None,
        prove: Prove,
        connection_id: str | None = None,
    ) -> Connection:
        """Reserve the name, prove the credential, store it, make the connection active.

        Whatever fails, the name is free again and nothing secret is left; what a crash leaves, `Advance` cleans.
        With a `connection_id` that is active already, that connection is the answer.
        """
        row = creation.reserved(
            new,
            org_id=org_id,
            connection_id=connection_id or str(uuid.uuid4()),
            project=project,
            salt=secrets.token_hex(16),
            now=self._clock(),
        )
        try:
            stored = await self._rows.insert(row)
        except NameTaken:
            raise NameTaken(f'An App Connection with the name "{new.name}" already exists') from None
        except NotFound:
            raise BadRequest(f"Could not find project with ID {new.project_id}") from None
        except ConcurrentChange:
            return await self._made_already(org_id, row.id)
        return await self._complete(stored, prove)

    async def _made_already(self, org_id: str, connection_id: str) -> Connection:
        present = await self._rows.read(org_id, connection_id)
        if present is not None and present.row.lifecycle is Lifecycle.ACTIVE:
            return present.row.connection
        raise Conflict("Another sign-in for this connection is being completed; try again in a few minutes")

    async def _complete(self, stored: Stored, prove: Prove) -> Connection:
        """From reserved to active, or back to nothing."""
        stage = _Stage()
        try:
            done = await self._activate(stored, prove, stage)
        except BaseException as fault:  # cancellation too must not leave a half-made connection
            made = await self._undo(stored, stage)
            if made is None or not isinstance(fault, ProductError):
                raise
            return made
        log.info("connection.created orgId=%s connectionId=%s", done.row.org_id, done.row.id)
        return done.row.connection

    async def _activate(self, stored: Stored, prove: Prove, stage: _Stage) -> Stored:
        proof = await prove()
        if len(proof.secret.encode()) > MAX_SECRET_BYTES:
            raise BadRequest("The credential is larger than Key Vault can hold (25 KB)")
        stage.secret_put = True
        tags = {"connectionId": stored.row.id}
        version = await self._vault.put(stored.row.secret_name, proof.secret, tags=tags)
        after = creation.activated(
            stored.row, proof, version.id, swept=version.maybe_repeated, now=self._clock(), unit=self._unit
        )
        return await self._rows.save(stored, after)

    async def _undo(self, stored: Stored, stage: _Stage) -> Connection | None:
        """Free the name, then remove what was stored; the connection if it turns out to have been made after all.

        Raises nothing of its own: what cannot be done now stays owed by the row.
        """
        row = stored.row
        try:
            if not stage.secret_put:
                await self._rows.remove(stored)
                return None
            await self._rows.save(stored, creation.given_up(row, self._clock()))
            await self._advance(row.org_id, row.id)
        except ConcurrentChange:
            return await self._made_or_discarded(row)
        except ProductError as fault:
            log.warning("connection.cleanup-left connectionId=%s reason=%s", row.id, fault.code)
        return None

    async def _made_or_discarded(self, row: Row) -> Connection | None:
        """Either our activation won though its answer was lost, or the reservation ran out while we were slow.

        In the second case nobody but us knows of the secret that we stored.
        """
        try:
            present = await self._rows.read(row.org_id, row.id)
            if present is not None and present.row.lifecycle is Lifecycle.ACTIVE:
                return present.row.connection
            await self._vault.delete(row.secret_name)
        except ProductError as fault:
            log.error("connection.secret-left secretName=%s reason=%s", row.secret_name, fault.code)
        return None

    async def get(self, caller: Caller, connection_id: str) -> Connection:
        """The connection. Raises `NotFound` when it does not exist for this caller."""
        stored = await self._rows.read(caller.org_id, connection_id)
        if stored is None or not await self._shows(caller, stored.row):
            raise _not_found(connection_id)
        return stored.row.connection

    async def page(
        self, caller: Caller, project_id: str | None, *, after: str | None, limit: int
    ) -> tuple[list[Connection], str | None]:
        """Connections ordered by name and the key where the next page begins; without what the caller may not see."""
        page = await self._table.page(caller.org_id, project_id, after=after, limit=limit)
        admitted: dict[str, bool] = {}
        for listed in page.items:
            project = listed.connection.project_id
            if listed.project_restricted and project is not None and project not in admitted:
                admitted[project] = await self._admitted(caller, project)
        shown = [item.connection for item in page.items if admitted.get(item.connection.project_id or "", True)]
        return shown, page.next_key

    async def delete(self, caller: Caller, connection_id: str) -> Connection:
        """Gone for callers at once and the name free; the credential is removed when nobody can be using it."""
        now = self._clock()
        return await self._edit(caller, connection_id, lambda row: creation.deleted(row, now))

    async def rotate(self, caller: Caller, connection_id: str) -> Connection:
        """Owe a rotation now, whether or not auto rotation is on. One under way already serves."""
        now, run_id = self._clock(), str(uuid.uuid4())

        def edit(row: Row) -> Row:
            if row.connection.rotation is None:
                raise NotFound("Credential rotation is not configured for this connection")
            return rotation.requested(row, run_id, Trigger.MANUAL, now)

        return await self._edit(caller, connection_id, edit)

    async def _edit(self, caller: Caller, connection_id: str, edit: Callable[[Row], Row]) -> Connection:
        await self.get(caller, connection_id)

        def visible_edit(row: Row) -> Row:
            if row.lifecycle is not Lifecycle.ACTIVE:
                raise _not_found(connection_id)
            return edit(row)

        changed = await self._rows.change(caller.org_id, connection_id, visible_edit)
        if changed is None:
            raise _not_found(connection_id)
        return changed.connection

    async def _shows(self, caller: Caller, row: Row) -> bool:
        if row.lifecycle is not Lifecycle.ACTIVE:
            return False
        project = row.connection.project_id
        return not row.project_restricted or project is None or await self._admitted(caller, project)

    async def _admitted(self, caller: Caller, project_id: str) -> bool:
        project = await self._projects.get(caller.org_id, project_id)
        return project is not None and project.admits(caller)


@dataclass(slots=True)
class _Stage:
    """How far a creation came: past this point something secret may be in Key Vault."""

    secret_put: bool = False


def _not_found(connection_id: str) -> NotFound:
    return NotFound(f"Could not find App Connection with ID {connection_id}")
