"""The rotation history in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from shared.domain.connection import OutboxEntry
from shared.services.ports import RecordPage
from tests.fakes.faults import Faults

PLACE = re.compile(r"[0-9]{14}(![0-9A-Za-z._-]+)?")


def newest_first(at: datetime, record_id: str) -> str:
    """A place in a list of records: the later, the lower."""
    return f"{10**14 - round(at.timestamp() * 1000):014d}!{record_id}"


def page_of(records: Mapping[str, dict[str, JsonValue]], *, after: str | None, limit: int) -> RecordPage:
    """Part of a list of records, each under its place. Raises `ValueError` for an `after` that is none."""
    if after is not None and not PLACE.fullmatch(after):
        raise ValueError("not a place in a list of records")
    places = [place for place in sorted(records) if place > (after or "")]
    following = places[limit - 1] if len(places) > limit else None
    return RecordPage([records[place] for place in places[:limit]], following)


class FakeRotationHistory:
    """`RotationHistory` in memory."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._runs: dict[tuple[str, str], dict[str, dict[str, JsonValue]]] = {}

    def history(self, org_id: str, connection_id: str) -> list[dict[str, JsonValue]]:
        """What was written for one connection, newest first, past the faults."""
        runs = self._runs.get((org_id, connection_id), {})
        return [runs[place] for place in sorted(runs)]

    async def add(self, org_id: str, connection_id: str, entries: Sequence[OutboxEntry]) -> None:
        """See `RotationHistory`."""
        async with self._faults.call("history.add"):
            runs = self._runs.setdefault((org_id, connection_id), {})
            runs.update({newest_first(entry.at, entry.id): entry.body for entry in entries})

    async def page(self, org_id: str, connection_id: str, *, after: str | None, limit: int) -> RecordPage:
        """See `RotationHistory`."""
        async with self._faults.call("history.page"):
            return page_of(self._runs.get((org_id, connection_id), {}), after=after, limit=limit)
