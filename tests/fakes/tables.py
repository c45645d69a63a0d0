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

Claim = tuple[str, ...]
"""What one row of an organisation may hold only: a name in a scope, or an idempotency key."""


@dataclass(slots=True)
class Partitions:
    """What both tables share. Rows are kept as the JSON that a real table would hold, with their ETags."""

    documents: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    holders: dict[Claim, set[str]] = field(default_factory=dict)
    """The ids of those who hold something, so that thousands of rows need not be read to find them."""
    projects: dict[tuple[str, str], Project] = field(default_factory=dict)
    _etags: Iterator[int] = field(default_factory=count)

    def read(self, org_id: str, connection_id: str) -> Stored | None:
        """The row of that id."""
        found = self.documents.get((org_id, connection_id))
        return None if found is None else Stored(Row.model_validate_json(found[0]), found[1])

    def write(self, row: Row) -> Stored:
        """Keep the row under a new ETag."""
        self._release(row.org_id, row.id)
        etag = f'W/"{next(self._etags)}"'
        self.documents[row.org_id, row.id] = (row.model_dump_json(), etag)
        for claim in _claims(row):
            self.holders.setdefault(claim, set()).add(row.id)
        return Stored(row, etag)

    def remove(self, org_id: str, connection_id: str) -> None:
        """Forget the row."""
        self._release(org_id, connection_id)
        del self.documents[org_id, connection_id]

    def _release(self, org_id: str, connection_id: str) -> None:
        stored = self.read(org_id, connection_id)
        for claim in _claims(stored.row) if stored is not None else ():
            self.holders[claim].discard(connection_id)

    def of(self, org_id: str, claim: Claim) -> list[Row]:
        """The rows that hold it."""
        found = (self.read(org_id, connection_id) for connection_id in self.holders.get(claim, ()))
        return [stored.row for stored in found if stored is not None]

    def rows(self, org_id: str) -> Iterator[Row]:
        """The organisation's rows, whatever their lifecycle."""
        for (owner, _), (document, _) in self.documents.items():
            if owner == org_id:
                yield Row.model_validate_json(document)

    def holds_name(self, row: Row) -> bool:
        """Whether another row holds the name that `row` wants."""
        return row.lifecycle is not Lifecycle.DELETING and bool(self.holders.get(_name_of(row), set()) - {row.id})

    def holds_key(self, row: Row) -> bool:
        """Whether another row answers for the idempotency key that `row` is made under."""
        key = row.idempotency.key if row.idempotency else None
        return key is not None and bool(self.holders.get(_key(row.org_id, key), set()) - {row.id})


def _claims(row: Row) -> Iterator[Claim]:
    if row.lifecycle is not Lifecycle.DELETING:
        yield _name_of(row)
    if row.idempotency is not None:
        yield _key(row.org_id, row.idempotency.key)


def _name_of(row: Row) -> Claim:
    return _name(row.org_id, row.connection.name, row.connection.project_id)


def _name(org_id: str, name: str, project_id: str | None) -> Claim:
    return "name", org_id, name, project_id or ""


def _key(org_id: str, key: str) -> Claim:
    return "key", org_id, key


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
            holders = self._partitions.of(org_id, _name(org_id, name, project_id))
            return next((row.id for row in holders if row.lifecycle is Lifecycle.ACTIVE), None)

    async def find_by_key(self, org_id: str, key: str) -> str | None:
        """See `ConnectionTable`."""
        async with self._faults.call("connections.find_by_key"):
            return next((row.id for row in self._partitions.of(org_id, _key(org_id, key))), None)

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
            self._partitions.remove(before.row.org_id, before.row.id)

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
        _, etag = self._partitions.documents.get((before.row.org_id, before.row.id), ("", None))
        if etag != before.etag:
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
