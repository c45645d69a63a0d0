"""The queue that carries work to the workers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

WORK_QUEUE = "work"


@dataclass(frozen=True, slots=True)
class Work:
    """Which connection to look at. It says nothing of what to do; the row does."""

    org_id: str
    connection_id: str

    @property
    def message(self) -> str:
        """The body of its message: ids only."""
        return json.dumps({"orgId": self.org_id, "connectionId": self.connection_id}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Release:
    """Work, and from when on (UTC) a worker may take it."""

    work: Work
    at: datetime


class WorkQueue(Protocol):
    """Messages to workers. At least once, in no order."""

    async def send(self, releases: Sequence[Release]) -> None:
        """Put each on the queue, hidden until its time, rounded up to a second.

        Raises `UpstreamError` when some could not be put there; the others are.
        """
