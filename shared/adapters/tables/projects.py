"""Projects, in table `connections` beside their connections so that one transaction covers both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableTransactionError
from azure.data.tables.aio import TableClient

from shared.adapters.azure_errors import translated
from shared.adapters.tables import keys
from shared.adapters.tables.client import SERVICE
from shared.domain.errors import Conflict, NameTaken, NotFound
from shared.domain.project import Project


class AzureProjectTable:
    """`ProjectTable` on Azure Table Storage."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def get(self, org_id: str, project_id: str) -> Project | None:
        """See `ProjectTable`."""
        entity = await self._entity(org_id, project_id)
        return None if entity is None else Project.model_validate_json(entity["project"])

    async def all(self, org_id: str) -> Sequence[Project]:
        """See `ProjectTable`."""
        with translated(SERVICE):
            entities = self._client.query_entities(
                "PartitionKey eq @org and RowKey ge @low and RowKey lt @high",
                parameters={"org": org_id, "low": "j!", "high": f"j{keys.AFTER_BANG}"},
                select=["project"],
            )
            return [Project.model_validate_json(entity["project"]) async for entity in entities]

    async def insert(self, project: Project) -> None:
        """See `ProjectTable`. The project's own id in the slug's row means that our own earlier try won."""
        entity = {
            "PartitionKey": project.org_id,
            "RowKey": keys.project(project.id),
            "project": project.model_dump_json(),
        }
        slug = {"PartitionKey": project.org_id, "RowKey": keys.slug(project.slug), "projectId": project.id}
        with translated(SERVICE):
            try:
                await self._client.submit_transaction([("create", entity), ("create", slug)])
            except TableTransactionError as error:
                if error.status_code != 409:
                    raise
                if await self._entity(project.org_id, project.id) is None:
                    raise NameTaken(f'A project with the slug "{project.slug}" already exists') from None

    async def remove(self, org_id: str, project_id: str) -> None:
        """See `ProjectTable`. A connection made since the read has touched the project's row, so the ETag fails."""
        entity = await self._entity(org_id, project_id)
        if entity is None:
            raise NotFound(f"Could not find project with ID {project_id}")
        project = Project.model_validate_json(entity["project"])
        in_use = Conflict(f'The project "{project.name}" still has connections; delete them first')
        if await self._has_connections(org_id, project_id):
            raise in_use
        unchanged = {"etag": entity.metadata["etag"], "match_condition": MatchConditions.IfNotModified}
        slug = {"PartitionKey": org_id, "RowKey": keys.slug(project.slug)}
        with translated(SERVICE):
            try:
                await self._client.submit_transaction([("delete", entity, unchanged), ("delete", slug)])
            except TableTransactionError as error:
                if error.status_code == 412:
                    raise in_use from None
                if error.status_code != 404:
                    raise

    async def _has_connections(self, org_id: str, project_id: str) -> bool:
        low, high = keys.name_range(project_id)
        with translated(SERVICE):
            entities = self._client.query_entities(
                "PartitionKey eq @org and RowKey ge @low and RowKey lt @high",
                parameters={"org": org_id, "low": low, "high": high},
                select=["RowKey"],
                results_per_page=1,
            )
            async for _ in entities:
                return True
        return False

    async def _entity(self, org_id: str, project_id: str) -> Any | None:
        with translated(SERVICE):
            try:
                return await self._client.get_entity(org_id, keys.project(project_id))
            except ResourceNotFoundError:
                return None
