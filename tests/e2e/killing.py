"""A host that is killed while chosen requests of its are held, and what must hold once others have cleaned up."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from local.client import Client
from shared.domain.connection import Lifecycle, Row
from shared.domain.passwords import Passwords, attempt_of
from tests.e2e.storage import due_nonces, rows
from tests.e2e.world import eventually, live_secrets

StandIn = Literal["entra", "vault"]

ARRIVES_LATE: dict[str, Any] = {"hold": "before"}
"""The request arrives after the death of the worker that sent it."""
ANSWERS_NOBODY: dict[str, Any] = {"hold": "after"}
"""It was acted on, and nobody was left to see the answer."""
NEVER_ARRIVES: dict[str, Any] = {"hold": "before", "refuse": True}

PATIENCE = 90.0
"""A new password is proven twice, 15 seconds apart."""
MINUTES_LATER = timedelta(minutes=10)
"""Whoever was at work before is known to be gone."""


@dataclass(slots=True)
class Killing:
    """The host, the tenant whose apps it manages, the requests that are held, and how far ahead its clock is."""

    client: Client
    tenant: str
    secrets_before: set[str]
    """Of other tests."""
    holds: int = 0
    ahead: timedelta = timedelta()

    async def hold(self, stand_in: StandIn, match: str, how: dict[str, Any]) -> None:
        """Hold the next such request until the host is dead."""
        await self._faults(stand_in, "POST", {"match": match, **how})
        self.holds += 1

    async def all_held(self) -> None:
        """Wait until each request that was asked for has come and is held. The clients wait 10 seconds for answers."""

        async def seen() -> tuple[int, int]:
            states = [await self._faults("entra", "GET"), await self._faults("vault", "GET")]
            return sum(state["waiting"] for state in states), sum(state["held"] for state in states)

        await eventually(seen, lambda counts: counts == (0, self.holds), patience=10)

    async def kill(self) -> None:
        """SIGKILL; after it, what was held goes on."""
        await self.client.stack.processes.stop("host", how=signal.SIGKILL)
        await self._faults("entra", "DELETE")
        await self._faults("vault", "DELETE")
        self.holds = 0
        await asyncio.sleep(0.5)

    async def restart(self, *, later: timedelta) -> None:
        """A new host, whose clock is so much later than the one's before."""
        self.ahead += later
        self.client.stack.settings["CLOCK_AHEAD_SECONDS"] = str(int(self.ahead.total_seconds()))
        await self.client.stack.start_host()

    async def come_to_rest(self) -> None:
        """Let end what is under way, then whatever looks for leftovers minutes later, in a host of its own."""
        await eventually(self._under_way, lambda ids: not ids, patience=PATIENCE)
        await self.kill()
        await self.restart(later=MINUTES_LATER)
        await eventually(self.unrest, lambda complaints: not complaints, patience=PATIENCE)

    async def reserved_in_vain(self) -> list[str]:
        """Connections whose creator is dead and that the timer has not come to yet."""
        found = await rows(self.client.stack.settings["AzureWebJobsStorage"])
        return [row.id for row in found if row.lifecycle is Lifecycle.CREATING]

    async def _under_way(self) -> list[str]:
        found = await rows(self.client.stack.settings["AzureWebJobsStorage"])
        return [row.id for row in found if row.run or row.exchange]

    async def unrest(self) -> list[str]:
        """All that is not as it must be once nothing is under way (I2, I3 and I7 of the architecture)."""
        storage = self.client.stack.settings["AzureWebJobsStorage"]
        found = await rows(storage)
        secrets = (await self.client.vault("GET", "state"))["secrets"]
        new = {name: secrets[name] for name in await live_secrets(self.client) - self.secrets_before}
        directory = (await self.client.entra("GET", "state"))["directory"]
        apps = [app for app in directory["applications"] if app["tenant"] == self.tenant]
        return [
            *_unfinished(found, await due_nonces(storage)),
            *_strange_secrets(found, new),
            *_strange_passwords(found, apps),
        ]

    async def _faults(self, stand_in: StandIn, method: str, body: Any = None) -> Any:
        speak = self.client.entra if stand_in == "entra" else self.client.vault
        return await speak(method, "faults", body)


def _unfinished(found: Sequence[Row], due: set[str]) -> Iterator[str]:
    for row in found:
        owed = (row.run, row.exchange, row.outbox, row.debts, row.superseded, row.leftovers, row.sweep_at)
        if row.lifecycle is not Lifecycle.ACTIVE or any(owed):
            yield f"{row.id} is {row.lifecycle} and owes {owed}"
        if row.due is not None and row.due.nonce not in due:
            yield f"{row.id} would not be found by the timer"


def _strange_secrets(found: Iterable[Row], secrets: dict[str, Any]) -> Iterator[str]:
    active = {row.secret_name: str(row.active_version).rsplit("/", 1)[-1] for row in found}
    for name, secret in secrets.items():
        readable = [version["version"] for version in secret["versions"] if version["enabled"]]
        if readable != [active.pop(name, None)]:
            yield f"{name}: {readable} can be read"
    yield from (f"{name} is gone" for name in active)


def _strange_passwords(found: Iterable[Row], apps: Iterable[dict[str, Any]]) -> Iterator[str]:
    known = {row.id: (row.passwords or Passwords(object_id="")).key_ids for row in found}
    for app in apps:
        ours = [(owner, each) for each in app["passwords"] if (owner := _owner(each["displayName"])) is not None]
        if len(ours) > 2:
            yield f"app {app['appId']} has {len(ours)} managed passwords"
        for owner, password in ours:
            if password["keyId"] not in known.get(owner, ()):
                yield f"nobody knows the password {password['displayName']}"


def _owner(name: str | None) -> str | None:
    """The connection that a password of ours was issued for."""
    owner = (name or "").split(" ")[1:2]
    return owner[0] if owner and attempt_of(name, owner[0]) is not None else None
