"""Handing out Key Vault tokens: from memory as long as that is safe, else one call to Entra at a time.

A token in memory serves while at least `MIN_LIFE` of it is left and a row read at most `FRESH` ago still names the
credential that it came from: what a caller may no more see, or has replaced or deleted, is out of use within a minute.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from shared.domain import standing
from shared.domain.audit import Action, AuditLog, Origin, audited
from shared.domain.caller import Caller
from shared.domain.connection import Lifecycle, Row
from shared.domain.errors import ConnectionBroken, NotFound, UpstreamError
from shared.domain.measures import Metric
from shared.domain.project import Project
from shared.services.auditing import Auditing
from shared.services.connections import Connections
from shared.services.ports import AppToken, Clock, Telemetry
from shared.services.rows import not_found
from shared.services.telemetry import NoTelemetry
from shared.services.using import Using

Key = tuple[str, str]
"""Organisation and connection."""
Result = TypeVar("Result")

MIN_LIFE = timedelta(minutes=5)
FRESH = timedelta(seconds=60)
JUST_NOW = timedelta(seconds=1)
"""How long nobody is thought to have judged a connection since its row was read."""
REFUSAL_KEPT = timedelta(seconds=30)
"""How long a refusal that a change at Entra may end is repeated without asking Entra again."""
MAX_ENTRIES = 10_000


@dataclass(slots=True)
class _Entry:
    """What is in memory of one connection."""

    row: Row
    project: Project | None
    read_at: datetime
    token: AppToken | None = None
    broken: ConnectionBroken | None = None
    broken_at: datetime | None = None
    lines: dict[str, AuditLog] = field(default_factory=dict)
    """By caller: the audit line about this token. Its answer lost, the same is written again, and leaves one."""
    told: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """By caller: the writing of that line."""

    def admits(self, caller: Caller) -> bool:
        """Whether the connection exists for that caller."""
        return not self.row.project_restricted or (self.project is not None and self.project.admits(caller))

    def refused_lately(self, now: datetime) -> bool:
        """Whether asking Entra again so soon would be in vain."""
        recent = self.broken_at is not None and now - self.broken_at < REFUSAL_KEPT
        return recent and self.row.refused == self.row.in_use

    def refusal(self) -> ConnectionBroken | NotFound:
        """Why there is no token; a new one each time, or it would keep the frames of all that it was raised in."""
        if self.broken is None:
            return not_found(self.row.id)
        return ConnectionBroken(self.broken.message, self.broken.details)

    def serves(self, now: datetime) -> bool:
        """Whether the token lasts."""
        return self.token is not None and self.token.expires_at - now >= MIN_LIFE


class Tokens:
    """`await tokens.token(caller, connection_id)`."""

    def __init__(
        self,
        *,
        connections: Connections,
        use: Using,
        auditing: Auditing,
        clock: Clock,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._connections = connections
        self._use = use
        self._auditing = auditing
        self._clock = clock
        self._telemetry = telemetry or NoTelemetry()
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._flights: dict[tuple[str, Key], asyncio.Task[_Entry]] = {}

    def note(self, row: Row) -> None:
        """This process wrote `row`: a token that it makes useless is out of use at once, not only within a minute."""
        key = row.org_id, row.id
        entry = self._entries.get(key)
        if entry is None:
            return
        if row.lifecycle is not Lifecycle.ACTIVE or row.in_use != entry.row.in_use or standing.is_dead(row):
            del self._entries[key]

    async def token(self, caller: Caller, connection_id: str) -> AppToken:
        """A token for Key Vault with at least five minutes to live.

        Raises `NotFound`, `ConnectionBroken` when Entra refuses the credential, `UpstreamError` for what passes.
        Audited once for each caller and token, before it is given out.
        """
        began = time.perf_counter()
        try:
            source, token = await self._found(caller, connection_id)
        except ConnectionBroken:
            self._telemetry.count(Metric.ACCESS_TOKEN_REFUSED, reason="needs-reconnect")
            raise
        except UpstreamError:
            self._telemetry.count(Metric.ACCESS_TOKEN_REFUSED, reason="upstream")
            raise
        self._telemetry.record(Metric.ACCESS_TOKEN_DURATION, (time.perf_counter() - began) * 1000, source=source)
        return token

    async def _found(self, caller: Caller, connection_id: str) -> tuple[str, AppToken]:
        """Where it came from, and the token."""
        key, source = (caller.org_id, connection_id), "memory"
        entry = self._entries.get(key)
        if entry is None or self._clock() - entry.read_at > FRESH:
            source = "row"
            entry = await self._together("read", key, self._read)
        if not entry.admits(caller):
            raise not_found(connection_id)
        if not entry.serves(self._clock()):
            source = "entra"
            entry = await self._together("sign-in", key, self._signed_in)
        token = entry.token
        if token is None:
            raise entry.refusal()
        await self._tell(entry, caller)
        return source, token

    async def _together(self, what: str, key: Key, act: Callable[[Key], Coroutine[Any, Any, _Entry]]) -> _Entry:
        """One at a time for each connection; who comes meanwhile waits along. A caller who leaves ends nothing."""
        flight = self._flights.get((what, key))
        if flight is None:
            flight = self._flights[what, key] = _task(act(key))
            flight.add_done_callback(lambda _: self._flights.pop((what, key), None))
        return await asyncio.shield(flight)

    async def _read(self, key: Key) -> _Entry:
        """What is known of the connection, once its row was read again."""
        try:
            row, project = await self._connections.look_up(*key)
        except NotFound:
            self._entries.pop(key, None)
            raise
        known = self._entries.get(key)
        if known is None or known.row.in_use != row.in_use:
            known = _Entry(row, project, self._clock())
        known.row, known.project, known.read_at = row, project, self._clock()
        return self._remember(key, known)

    async def _signed_in(self, key: Key) -> _Entry:
        entry, now = self._entries.get(key) or await self._read(key), self._clock()
        if entry.serves(now):
            return entry
        died_before = standing.is_dead(entry.row) and entry.read_at < now
        if died_before or entry.broken_at is not None:
            entry = await self._read(key)  # it says more since: the judgement, or that somebody mended it
            if entry.refused_lately(now):
                return entry
        try:
            if standing.is_dead(entry.row):
                raise standing.broken(entry.row)
            row, token = await self._use(entry.row, fresh=now - entry.read_at < JUST_NOW)
        except ConnectionBroken as broken:
            refused = _Entry(entry.row, entry.project, entry.read_at, broken=broken, broken_at=now)
            return self._remember(key, refused) if self._entries.get(key) is entry else refused
        except NotFound:
            self._entries.pop(key, None)
            raise
        return self._remember(key, _Entry(row, entry.project, entry.read_at, token=token))

    def _remember(self, key: Key, entry: _Entry) -> _Entry:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
        return entry

    async def _tell(self, entry: _Entry, caller: Caller) -> None:
        """Audit the caller's first use of this token. Unwritten, the next request tries again."""
        told = entry.told.get(caller.object_id)
        if told is None or _has_failed(told):
            told = entry.told[caller.object_id] = _task(self._auditing.record(caller.org_id, self._line(entry, caller)))
        await asyncio.shield(told)

    def _line(self, entry: _Entry, caller: Caller) -> AuditLog:
        if caller.object_id not in entry.lines:
            name = entry.row.connection.name
            entry.lines[caller.object_id] = audited(
                Action.USE, Origin.of(caller), self._clock(), connection_id=entry.row.id, connection_name=name
            )
        return entry.lines[caller.object_id]


def _has_failed(task: asyncio.Task[None]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _task(work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
    """A task whose failure is not complained of when everybody who waited for it has left."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task
