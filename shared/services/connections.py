"""Reading, deleting and rotating connections, each inside the caller's own organisation."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence

from shared.domain import creation, rotation
from shared.domain.audit import Action, Origin
from shared.domain.caller import Caller
from shared.domain.connection import Connection, Lifecycle, Row
from shared.domain.errors import BadRequest, NotFound
from shared.domain.forecast import Forecast, forecast
from shared.domain.project import Project
from shared.domain.schedule import IntervalUnit, Trigger
from shared.services.background import Background
from shared.services.ports import Clock, ConnectionTable, Listed, Page, ProjectTable, RecordPage, RotationHistory
from shared.services.rows import Rows, not_found


class Connections:
    """The connections of all organisations. What a caller may not know of does not exist for them."""

    def __init__(
        self,
        *,
        rows: Rows,
        table: ConnectionTable,
        projects: ProjectTable,
        history: RotationHistory,
        background: Background,
        clock: Clock,
        unit: IntervalUnit,
    ) -> None:
        self._rows = rows
        self._table = table
        self._projects = projects
        self._history = history
        self._background = background
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

    async def get(self, caller: Caller, connection_id: str) -> Row:
        """The connection. Raises `NotFound` when it does not exist for this caller."""
        stored = await self._rows.read(caller.org_id, connection_id)
        if stored is None or not await self._shows(caller, stored.row):
            raise not_found(connection_id)
        return stored.row

    async def look_up(self, org_id: str, connection_id: str) -> tuple[Row, Project | None]:
        """The row, and its project where that names its callers: for whoever asks more than once who may see it.

        Raises `NotFound`.
        """
        row = await self._rows.active(org_id, connection_id)
        project_id = row.connection.project_id
        restricted = row.project_restricted and project_id is not None
        return row, await self._projects.get(org_id, str(project_id)) if restricted else None

    async def get_by_name(self, caller: Caller, name: str, project_id: str | None) -> Row:
        """The connection of that name in the project, or among those of none. Raises `NotFound`."""
        connection_id = await self._table.find(caller.org_id, name, project_id)
        stored = await self._rows.read(caller.org_id, connection_id) if connection_id else None
        if stored is None or stored.row.connection.name != name or not await self._shows(caller, stored.row):
            scope = "project" if project_id else "organization"
            raise NotFound(f"Could not find App Connection with name {name} in {scope} scope.")
        return stored.row

    async def is_taken(self, org_id: str, name: str, project_id: str | None) -> bool:
        """Whether a visible connection has that name, for a refusal before anybody takes trouble."""
        return await self._table.find(org_id, name, project_id) is not None

    async def page(
        self, caller: Caller, project_id: str | None, *, after: str | None, limit: int
    ) -> tuple[list[Connection], str | None]:
        """Connections ordered by name and the key where the next page begins; without what the caller may not see."""
        return await self._shown(
            caller, lambda place: self._table.page(caller.org_id, project_id, after=place, limit=limit), after
        )

    async def available(
        self, caller: Caller, project_id: str | None, *, after: str | None, limit: int
    ) -> tuple[list[Connection], str | None]:
        """The same of the connections of no project and those of `project_id`."""
        return await self._shown(
            caller, lambda place: self._table.available(caller.org_id, project_id, after=place, limit=limit), after
        )

    async def rotations(self, caller: Caller, connection_id: str, *, after: str | None, limit: int) -> RecordPage:
        """The finished rotation runs, newest first. Raises `NotFound`."""
        await self.get(caller, connection_id)
        return await self._history.page(caller.org_id, connection_id, after=after, limit=limit)

    async def delete(self, caller: Caller, connection_id: str) -> Row:
        """Gone for callers at once and the name free; the credential is removed when nobody can be using it."""
        now = self._clock()

        def edit(row: Row) -> Row:
            return creation.deleted(row, now).recording(row.line(Action.DELETE, Origin.of(caller), now))

        row = await self._edit(caller, connection_id, edit)
        self._background.look_at(row)
        return row

    async def rotate(self, caller: Caller, connection_id: str) -> tuple[Row, bool]:
        """Owe a rotation now, whether or not auto rotation is on, and tell whether it is a new one.

        One under way already serves.
        """
        now, run_id, begun = self._clock(), str(uuid.uuid4()), False

        def edit(row: Row) -> Row:
            nonlocal begun
            if row.connection.rotation is None:
                raise _not_configured()
            after = rotation.requested(row, run_id, Trigger.MANUAL, now)
            begun = after is not row
            return after.recording(row.line(Action.ROTATE, Origin.of(caller), now)) if begun else row

        return await self._edit(caller, connection_id, edit), begun

    async def forecast(self, caller: Caller, connection_id: str) -> tuple[Row, Forecast]:
        """What a rotation would do now, changing nothing. Raises `NotFound`."""
        row = await self.get(caller, connection_id)
        if row.connection.rotation is None:
            raise _not_configured()
        return row, forecast(row, self._clock(), self._unit)

    async def _edit(self, caller: Caller, connection_id: str, edit: Callable[[Row], Row]) -> Row:
        await self.get(caller, connection_id)

        tried: list[Row] = []

        def visible_edit(row: Row) -> Row:
            if tried and tried[-1].lifecycle is row.lifecycle is Lifecycle.DELETING:
                return row  # it was to be deleted and it is, by us or by somebody else
            if row.lifecycle is not Lifecycle.ACTIVE:
                raise not_found(connection_id)
            tried.append(edit(row))
            return tried[-1]

        changed = await self._rows.change(caller.org_id, connection_id, visible_edit)
        if changed is None:
            raise not_found(connection_id)
        return changed

    async def _shows(self, caller: Caller, row: Row) -> bool:
        if row.lifecycle is not Lifecycle.ACTIVE:
            return False
        project = row.connection.project_id
        return not row.project_restricted or project is None or await self._admitted(caller, project)

    async def _shown(
        self, caller: Caller, turn: Callable[[str | None], Awaitable[Page]], after: str | None
    ) -> tuple[list[Connection], str | None]:
        """The first page from `after` that shows anything, and the last place on it that the caller may know of."""
        while True:
            page = await turn(after)
            hidden = await self._hidden_projects(caller, page.items)
            shown = [item for item in page.items if item.connection.project_id not in hidden]
            if shown or page.next_key is None:
                place = page.next_key and (shown[-1].place if shown else None)
                return [item.connection for item in shown], place
            after = page.next_key

    async def _hidden_projects(self, caller: Caller, items: Sequence[Listed]) -> set[str]:
        restricted = {item.connection.project_id or "" for item in items if item.project_restricted}
        projects = sorted(restricted - {""})
        admitted = await asyncio.gather(*(self._admitted(caller, project) for project in projects))
        return {project for project, is_admitted in zip(projects, admitted, strict=True) if not is_admitted}

    async def _admitted(self, caller: Caller, project_id: str) -> bool:
        project = await self._projects.get(caller.org_id, project_id)
        return project is not None and project.admits(caller)


def _not_configured() -> NotFound:
    return NotFound("Credential rotation is not configured for this connection")
