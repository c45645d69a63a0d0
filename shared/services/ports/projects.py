"""The projects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.project import Project


class ProjectTable(Protocol):
    """The projects, in the same partition as their connections."""

    async def get(self, org_id: str, project_id: str) -> Project | None:
        """The project, or None."""

    async def all(self, org_id: str) -> Sequence[Project]:
        """Every project of the organisation, ordered by id."""

    async def insert(self, project: Project) -> None:
        """Write a new project. Raises `NameTaken` when its slug is in use."""

    async def remove(self, org_id: str, project_id: str) -> None:
        """Remove it. Raises `NotFound`, or `Conflict` while it has connections, one being created included."""
