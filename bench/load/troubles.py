"""What goes wrong on purpose: a share of all upstream calls, and the host's death."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from bench.load.caller import Caller
from bench.load.samples import Gap
from local.client import KEY_VAULT, Client
from local.environment import storage_connection_string
from local.ports import ADDRESS, Ports, Refused
from local.stack import Stack

SHARE = 0.01
"""Of the calls to Entra, Graph, the managed identity endpoint, Key Vault, the event topic, Table and Queue Storage."""

KINDS: list[dict[str, Any]] = [
    {"status": 429, "body": {"error": {"code": "TooManyRequests", "message": "Slow down."}}},
    {"status": 500, "body": {"error": {"code": "InternalServerError", "message": "A fault on purpose."}}},
    {"status": 503, "body": {"error": {"code": "ServiceUnavailable", "message": "A fault on purpose."}}},
    {"lose_answer": True},
    {"refuse": True},
]

STORAGE_ERROR = "<?xml version='1.0'?><Error><Code>{0}</Code><Message>A fault on purpose.</Message></Error>"
STORAGE_KINDS: list[dict[str, Any]] = [
    *(
        {"status": status, "body": STORAGE_ERROR.format(code), "headers": {"x-ms-error-code": code}}
        for status, code in ((500, "InternalError"), (503, "ServerBusy"))
    ),
    {"lose_answer": True},
    {"refuse": True},
]

LAST_PORT = 65_535
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Relays:
    """The host's way to Azurite, on which calls fail; the run itself reads Azurite directly."""

    table: int
    queue: int

    @classmethod
    def beside(cls, ports: Ports) -> Relays:
        """On the two ports that follow a stack's. Raises `Refused` where there are none."""
        table, queue = (max(ports.all()) + number for number in (1, 2))
        if queue > LAST_PORT:
            raise Refused(f"PORT={ports.api} cannot be: two ports after the stack's are needed, up to {queue}.")
        return cls(table, queue)

    def connection_string(self, ports: Ports) -> str:
        """What the host is told in place of Azurite's."""
        return storage_connection_string(replace(ports, table=self.table, queue=self.queue))

    async def start(self, stack: Stack) -> None:
        """Each as a process of the stack's. Raises `StackError`."""
        for name, port, behind in (
            ("table-relay", self.table, stack.ports.table),
            ("queue-relay", self.queue, stack.ports.queue),
        ):
            command = [sys.executable, "-m", "local.relay", "--port", str(port), "--to", f"http://{ADDRESS}:{behind}"]
            await stack.processes.start(name, command, port=port)


class Upstream:
    """The control planes of the stand-ins and the relays."""

    def __init__(self, client: Client, relays: Relays) -> None:
        stack = client.stack
        self._kinds = {
            "Entra and Graph": KINDS, "Key Vault": KINDS, "event topic": KINDS,
            "Table Storage": STORAGE_KINDS, "Queue Storage": STORAGE_KINDS,
        }  # fmt: skip
        storage = (f"http://{ADDRESS}:{port}" for port in (relays.table, relays.queue))
        self._planes = dict(zip(self._kinds, (stack.entra, stack.vault, stack.topic, *storage), strict=True))
        self._client = client

    async def fail(self, seed: int) -> None:
        """Let the share of calls fail from now on, each kind as often as the others."""
        for number, (name, plane) in enumerate(self._planes.items()):
            kinds = self._kinds[name]
            for kind, fault in enumerate(kinds):
                chance = {"share": SHARE / len(kinds), "seed": seed + 10 * number + kind}
                await self._client.json("POST", f"{plane}/_control/faults", {"match": "", **fault, **chance})

    async def behave(self) -> None:
        """No call fails from now on."""
        for plane in self._planes.values():
            await self._client.json("DELETE", f"{plane}/_control/faults")

    async def counts(self) -> dict[str, dict[str, Any]]:
        """Calls, and those that failed by kind, of each service; and of all."""
        found = {}
        for name, plane in self._planes.items():
            counted = await self._client.json("GET", f"{plane}/_control/faults/counts")
            found[name] = {"calls": counted["requests"], "failed": counted["met"]}
        total: Counter[str] = Counter()
        for each in found.values():
            total.update(each["failed"])
        found["all"] = {"calls": sum(each["calls"] for each in found.values()), "failed": dict(total)}
        return found


async def kill_and_restart(client: Client, caller: Caller) -> float:
    """SIGKILL the host and start it again; the seconds until it answered 200."""
    gap = Gap(killed=time.monotonic())
    caller.samples.gaps.append(gap)
    caller.host_up.clear()
    await client.stack.processes.stop("host", how=signal.SIGKILL)
    await client.stack.start_host()
    async with asyncio.timeout(READY_SECONDS):
        while (await client.api("GET", f"{KEY_VAULT}?limit=1"))[0] != 200:  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.1)
    gap.ready = time.monotonic()
    caller.host_up.set()
    return gap.ready - gap.killed
