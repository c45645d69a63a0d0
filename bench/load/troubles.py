"""What goes wrong on purpose: a share of all upstream calls, and the host's death."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from typing import Any

from bench.load.caller import Caller
from bench.load.samples import Gap
from local.client import KEY_VAULT, Client

SHARE = 0.01
"""Of the calls to Entra, Graph, the managed identity endpoint, Key Vault and the event topic."""

KINDS: list[dict[str, Any]] = [
    {"status": 429, "body": {"error": {"code": "TooManyRequests", "message": "Slow down."}}},
    {"status": 500, "body": {"error": {"code": "InternalServerError", "message": "A fault on purpose."}}},
    {"status": 503, "body": {"error": {"code": "ServiceUnavailable", "message": "A fault on purpose."}}},
    {"lose_answer": True},
    {"refuse": True},
]

READY_SECONDS = 60.0


class Upstream:
    """The control planes of the stand-ins that fail."""

    def __init__(self, client: Client) -> None:
        stack = client.stack
        self._planes = {"Entra and Graph": stack.entra, "Key Vault": stack.vault, "event topic": stack.topic}
        self._client = client

    async def fail(self, seed: int) -> None:
        """Let the share of calls fail from now on, each kind as often as the others."""
        for number, plane in enumerate(self._planes.values()):
            for kind, fault in enumerate(KINDS):
                chance = {"share": SHARE / len(KINDS), "seed": seed + 10 * number + kind}
                await self._client.json("POST", f"{plane}/_control/faults", {"match": "", **fault, **chance})

    async def behave(self) -> None:
        """No call fails from now on."""
        for plane in self._planes.values():
            await self._client.json("DELETE", f"{plane}/_control/faults")

    async def counts(self) -> dict[str, dict[str, Any]]:
        """Calls, and those that failed by kind, of each stand-in; and of all."""
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
