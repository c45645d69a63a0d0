"""Creating, reading and deleting projects."""

from __future__ import annotations

import uuid

from shared.domain.audit import Action, Origin
from shared.domain.caller import Caller
from shared.domain.errors import NotFound
from shared.domain.project import Project, slug_of
from shared.services.auditing import Auditing
from shared.services.ports import Clock, ProjectTable


class Projects:
    """The projects of the caller's organisation."""

    def __init__(self, *, table: ProjectTable, auditing: Auditing, clock: Clock) -> None:
        self._table = table
        self._auditing = auditing
        self._clock = clock

    async def create(
        self,
        caller: Caller,
        *,
        name: str,
        slug: str | None,
        type_: str,
        description: str | None,
        callers: tuple[str, ...],
    ) -> Project:
        """A new project. Raises `NameTaken` when the slug is in use."""
        project_id = str(uuid.uuid4())
        project = Project(
            id=project_id,
            name=name,
            slug=slug or f"{slug_of(name) or 'project'}-{project_id[:4]}",
            type=type_,
            org_id=caller.org_id,
            description=description,
            callers=callers,
            created_at=self._clock(),
        )
        await self._table.insert(project)
        await self._auditing.note(caller.org_id, Action.PROJECT_CREATE, Origin.of(caller))
        return project

    async def all(self, caller: Caller) -> list[Project]:
        """Every project of the organisation, ordered by name."""
        return sorted(await self._table.all(caller.org_id), key=lambda project: (project.name, project.id))

    async def get(self, caller: Caller, project_id: str) -> Project:
        """The project. Raises `NotFound`."""
        project = await self._table.get(caller.org_id, project_id)
        if project is None:
            raise NotFound(f"Could not find project with ID {project_id}")
        return project

    async def delete(self, caller: Caller, project_id: str) -> Project:
        """Remove the project. Raises `NotFound`, or `Conflict` while it has connections."""
        project = await self.get(caller, project_id)
        await self._table.remove(caller.org_id, project_id)
        await self._auditing.note(caller.org_id, Action.PROJECT_DELETE, Origin.of(caller))
        return project
