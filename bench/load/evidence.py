"""What is there in the end: asked of the API as any caller would, and read behind its back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bench.load.caller import Caller
from bench.load.ledger import Wish
from bench.load.storage import DueRow, NameRow, Storage
from local.client import KEY_VAULT, Client
from shared.domain.connection import Row

AT_ONCE = 8
PAGE = 1000
GAVE_UP = "a message moves to queue"
"""The host's line where a message goes to a poison queue, which is read and emptied at once."""

Found = TypeVar("Found")


@dataclass(slots=True)
class Shown:
    """What the API shows of one wish."""

    status: int
    connection: dict[str, Any] | None = None
    token: int | None = None
    """The status of asking for a token, where the connection is there."""
    named: str | None = None
    """The id of the connection that has its name."""
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Its finished rotations."""


@dataclass(slots=True)
class Evidence:
    """Everything that a verdict may need."""

    shown: dict[str, Shown] = field(default_factory=dict)
    """By the wish's name."""
    listed: list[str] = field(default_factory=list)
    """The ids of the whole list."""
    audit: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    names: list[NameRow] = field(default_factory=list)
    due: list[DueRow] = field(default_factory=list)
    queues: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    """Key Vault's, deleted ones included."""
    apps: list[dict[str, Any]] = field(default_factory=list)
    texts: dict[str, Collection[str]] = field(default_factory=dict, repr=False)
    """All that is stored, logged or told, or was seen in a queue, by its place."""
    given_up: int = 0
    """Messages that went to a poison queue."""
    upkeep: dict[str, int] = field(default_factory=dict)
    """What a round of upkeep counted, after all of the above."""


async def collect(client: Client, caller: Caller, storage: Storage) -> Evidence:
    """Look everywhere."""
    found = Evidence()
    wishes = caller.ledger.wishes
    shown = await _few_at_once(_shown(caller, wish) for wish in wishes)
    found.shown = {wish.name: seen for wish, seen in zip(wishes, shown, strict=True)}
    listed = await _pages(caller, "GET connections", KEY_VAULT, "appConnections")
    found.listed = [connection["id"] for connection in listed]
    found.audit = await _pages(caller, "GET audit-logs", "/api/v1/audit-logs", "auditLogs")
    found.events = await client.events()
    found.rows, found.names, found.due = await storage.rows(), await storage.names(), await storage.due()
    found.queues = await storage.waiting()
    found.secrets = (await client.vault("GET", "state"))["secrets"]
    found.apps = (await client.entra("GET", "state"))["directory"]["applications"]
    logs = {path.name: path.read_text(errors="replace") for path in sorted(_logs(client).glob("*.log"))}
    found.given_up = sum(text.count(GAVE_UP) for name, text in logs.items() if name.startswith("host"))
    found.texts |= {f"log {name}": text.splitlines() for name, text in logs.items()}
    found.texts |= {f"table {name}": rows for name, rows in (await storage.tables()).items()}
    found.texts |= {f"queue {name}": messages for name, messages in storage.messages.items()}
    found.texts["the event topic"] = [json.dumps(event) for event in found.events]
    return found


def _logs(client: Client) -> Path:
    return client.stack.state / "logs"


async def _shown(caller: Caller, wish: Wish) -> Shown:
    """One wish, as a caller would look for it."""
    _, named = await caller.look(f"{KEY_VAULT}/connection-name/{wish.name}")
    by_name = named["appConnection"]["id"] if named and "appConnection" in named else None
    if (connection_id := wish.id or by_name) is None:
        return Shown(404)
    path = f"{KEY_VAULT}/{connection_id}"
    status, body = await caller.look(path)
    if status != 200:
        return Shown(status, named=by_name)
    token, answer = await caller.look(f"{path}/access-token", "POST")
    if token == 200:
        caller.ledger.keep_secret("an access token", answer["accessToken"])
    runs = await _pages(caller, "GET rotations", f"{path}/rotations", "rotations")
    return Shown(status, body["appConnection"], token, by_name, runs)


async def _pages(caller: Caller, route: str, path: str, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        status, body = await caller.look(f"{path}?limit={PAGE}{cursor}")
        if status != 200:
            caller.ledger.unexpected.append(f"{route} at the end: {status}")
            return found
        found += body[what]
        if not body.get("nextCursor"):
            return found
        cursor = f"&cursor={body['nextCursor']}"


async def _few_at_once(calls: Iterable[Awaitable[Found]]) -> list[Found]:
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(call: Awaitable[Found]) -> Found:
        async with limit:
            return await call

    return await asyncio.gather(*(one(call) for call in calls))
