"""Projects: a scope for connection names, and a list of who may know of them."""

from __future__ import annotations

import re
import unicodedata

from shared.domain.caller import Caller
from shared.domain.model import Instant, Record

MAX_SLUG_CHARS = 59
"""Of what is made of a name; five more make it unique."""


class ProjectRef(Record):
    """A project as every connection answer shows it."""

    id: str
    name: str
    type: str
    slug: str


class Project(ProjectRef):
    """A project of one organisation. Immutable once made: connections carry a copy of its reference."""

    org_id: str
    description: str | None = None
    callers: tuple[str, ...] = ()
    created_at: Instant

    @property
    def ref(self) -> ProjectRef:
        """The part that connections carry."""
        return ProjectRef(id=self.id, name=self.name, type=self.type, slug=self.slug)

    def admits(self, caller: Caller) -> bool:
        """Whether `caller` may know of this project's connections: nobody listed means everybody with the role."""
        return not self.callers or caller.object_id in self.callers


def slug_of(name: str) -> str:
    """A URL-safe form of a project name; empty when the name holds no letter or digit that has one."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")[:MAX_SLUG_CHARS].strip("-")
