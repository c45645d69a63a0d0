"""Table `connections` in memory: rows and projects of each organisation, and what is derived from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from shared.domain.connection import Lifecycle, Row
from shared.domain.errors import ConcurrentChange, Conflict, NameTaken, NotFound
from shared.domain.project import Project
from shared.services.ports import Listed, Page, Stored
from tests.fakes.faults import Faults


@dataclass(slots=True)
class Partitions:
    """What both tables share. Rows are kept as the JSON that a real table would hold, with their ETags."""

    documents: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    projects: dict[tuple[str, str], Project] = field(default_factory=dict)
    _etags: Iterator[int] = field(default_factory=count)

    def read(self, org_id: str, connection_id: str) -> Stored | None:
        """The row of that id."""
        found = self.documents.get((org_id, connection_id))
        return None if found is None else Stored(Row.model_validate_json(found[0]), found[1])

    def write(self, row: Row) -> Stored:
        """Keep the row under a new ETag."""
        etag = f'W/"{next(self._etags)}"'
        self.documents[row.org_id, row.id] = (row.model_dump_json(), etag)
        return Stored(row, etag)

    def rows(self, org_id: str) -> Iterator[Row]:
        """The organisation's rows, whatever their lifecycle."""
        for (owner, _), (document, _) in self.documents.items():
            if owner == org_id:
                yield Row.model_validate_json(document)

    def holds_name(self, row: Row) -> bool:
        """Whether another row holds the name that `row` wants."""
        return row.lifecycle is not Lifecycle.DELETING and any(
            other.id != row.id
            and other.lifecycle is not Lifecycle.DELETING
            and (other.connection.name, other.connection.project_id) == (row.connection.name, row.connection.project_id)
            for other in self.rows(row.org_id)
        )

    def holds_key(self, row: Row) -> bool:
        """Whether another row answers for the idempotency key that `row` is made under."""
        return row.idempotency is not None and any(
            other.id != row.id and other.idempotency is not None and other.idempotency.key == row.idempotency.key
            for other in self.rows(row.org_id)
        )


class FakeConnectionTable:
    """`ConnectionTable` in memory."""

    def __init__(self, partitions: Partitions, faults: Faults) -> None:
        self._partitions = partitions
        self._faults = faults

    def row(self, org_id: str, connection_id: str) -> Row | None:
        """What a test looks at, past the faults."""
        stored = self._partitions.read(org_id, connection_id)
        return stored.row if stored else None

    def rows(self, org_id: str) -> list[Row]:
        """All rows of an organisation, past the faults."""
        return list(self._partitions.rows(org_id))

    def documents(self) -> list[str]:
        """The JSON of every row: what somebody who reads the table sees."""
        return [document for document, _ in self._partitions.documents.values()]

    async def get(self, org_id: str, connection_id: str) -> Stored | None:
        """See `ConnectionTable`."""
        async with self._faults.call("connections.get"):
            return self._partitions.read(org_id, connection_id)

    async def find(self, org_id: str, name: str, project_id: str | None) -> str | None:
        """See `ConnectionTable`."""
        async with self._faults.call("connections.find"):
            wanted = (name, project_id)
            found = (row for row in self._visible(org_id) if (row.connection.name, row.connection.project_id) == wanted)
            return next((row.id for row in found), None)

    async def find_by_key(self, org_id: str, key: str) -> str | None:
        """See `ConnectionTable`."""
        async with self._faults.call("connections.find_by_key"):
            rows = self._partitions.rows(org_id)
            return next((row.id for row in rows if row.idempotency is not None and row.idempotency.key == key), None)

    async def scan(self, *, after: str | None, limit: int) -> tuple[Sequence[Stored], str | None]:
        """See `ConnectionTable`."""
        async with self._faults.call("connections.scan"):
            places = sorted(f"{org_id} {connection_id}" for org_id, connection_id in self._partitions.documents)
            found = [place for place in places if place > (after or "")][:limit]
            rows = [self._partitions.read(*place.split(" ")) for place in found]
            return [row for row in rows if row is not None], found[-1] if len(found) == limit else None

    async def insert(self, row: Row) -> Stored:
        """See `ConnectionTable`."""
        async with self._faults.call("connections.insert"):
            project = row.connection.project_id
            if self._partitions.read(row.org_id, row.id) is not None or self._partitions.holds_key(row):
                raise ConcurrentChange
            if self._partitions.holds_name(row):
                raise NameTaken("The name is in use")
            if project is not None and (row.org_id, project) not in self._partitions.projects:
                raise NotFound("The project does not exist")
            return self._partitions.write(row)

    async def replace(self, before: Stored, after: Row) -> Stored:
        """See `ConnectionTable`."""
        async with self._faults.call("connections.replace"):
            self._check_unchanged(before)
            if self._partitions.holds_name(after):
                raise NameTaken("The name is in use")
            if self._partitions.holds_key(after):
                raise ConcurrentChange
            return self._partitions.write(after)

    async def remove(self, before: Stored) -> None:
        """See `ConnectionTable`."""
        async with self._faults.call("connections.remove"):
            if self._partitions.read(before.row.org_id, before.row.id) is None:
                return
            self._check_unchanged(before)
            del self._partitions.documents[before.row.org_id, before.row.id]

    async def page(self, org_id: str, project_id: str | None, *, after: str | None, limit: int) -> Page:
        """See `ConnectionTable`."""
        async with self._faults.call("connections.page"):
            if project_id is None:
                return _page({_place(row): row for row in self._visible(org_id)}, after, limit)
            rows = [row for row in self._visible(org_id) if row.connection.project_id == project_id]
            return _page({row.connection.name: row for row in rows}, after, limit)

    async def available(self, org_id: str, project_id: str | None, *, after: str | None, limit: int) -> Page:
        """See `ConnectionTable`."""
        async with self._faults.call("connections.available"):
            rows = [row for row in self._visible(org_id) if row.connection.project_id in (None, project_id)]
            return _page({_place(row): row for row in rows}, after, limit)

    def _visible(self, org_id: str) -> Iterator[Row]:
        return (row for row in self._partitions.rows(org_id) if row.lifecycle is Lifecycle.ACTIVE)

    def _check_unchanged(self, before: Stored) -> None:
        present = self._partitions.read(before.row.org_id, before.row.id)
        if present is None or present.etag != before.etag:
            raise ConcurrentChange


def _place(row: Row) -> str:
    """`!` sorts before `-`, letters and digits, as it does in the real keys."""
    return f"{row.connection.name}!{row.connection.project_id or ''}"


def _page(rows: dict[str, Row], after: str | None, limit: int) -> Page:
    places = [place for place in sorted(rows) if place > (after or "")]
    items = [Listed(rows[place].connection, rows[place].project_restricted, place) for place in places[:limit]]
    return Page(items, places[limit - 1] if len(places) > limit else None)


class FakeProjectTable:
    """`ProjectTable` in memory."""

    def __init__(self, partitions: Partitions, faults: Faults) -> None:
        self._partitions = partitions
        self._faults = faults

    async def get(self, org_id: str, project_id: str) -> Project | None:
        """See `ProjectTable`."""
        async with self._faults.call("projects.get"):
            return self._partitions.projects.get((org_id, project_id))

    async def all(self, org_id: str) -> Sequence[Project]:
        """See `ProjectTable`."""
        async with self._faults.call("projects.all"):
            return [project for (owner, _), project in sorted(self._partitions.projects.items()) if owner == org_id]

    async def insert(self, project: Project) -> None:
        """See `ProjectTable`."""
        async with self._faults.call("projects.insert"):
            projects = self._partitions.projects
            if (project.org_id, project.id) in projects:
                return
            if any(other.slug == project.slug for (org, _), other in projects.items() if org == project.org_id):
                raise NameTaken(f'A project with the slug "{project.slug}" already exists')
            projects[project.org_id, project.id] = project

    async def remove(self, org_id: str, project_id: str) -> None:
        """See `ProjectTable`."""
        async with self._faults.call("projects.remove"):
            if (org_id, project_id) not in self._partitions.projects:
                raise NotFound(f"Could not find project with ID {project_id}")
            if any(
                row.connection.project_id == project_id and row.lifecycle is not Lifecycle.DELETING
                for row in self._partitions.rows(org_id)
            ):
                raise Conflict("The project still has connections; delete them first")
            del self._partitions.projects[org_id, project_id]
