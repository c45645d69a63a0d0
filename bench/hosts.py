"""The product and the floor over HTTP: two functions hosts of the same kind, each in its own process."""

from __future__ import annotations

import sys
from typing import Any

from bench import examples
from bench.world import BenchError, World
from local.client import Client

FLOOR_ROOT = "bench/floor_app"
FLOOR_OFFSET = 8
"""The floor's port, counted from the stack's base: right after the stack's own."""


class Hosts:
    """Both, running. Started by the first measure that needs them."""

    def __init__(self, world: World, client: Client) -> None:
        self._world = world
        self._floor_url = f"http://127.0.0.1:{world.stack.ports.api + FLOOR_OFFSET}/api/floor"
        self._client = client

    @classmethod
    async def started(cls, world: World) -> Hosts:
        """Start them unless they run."""
        if world.hosts is None:
            stack = world.stack
            await stack.start_host()
            port = stack.ports.api + FLOOR_OFFSET
            command = [sys.executable, "-m", "local.host", "--port", str(port), "--root", FLOOR_ROOT]
            await stack.processes.start("floor", command, port=port, env=stack.settings)
            client = await world.client()
            world.hosts = cls(world, client)
            told = {"written": await examples.creation(world, client), "link": await examples.link(world, client)}
            await world.hosts.floor("POST", "examples", told)
        return world.hosts

    @staticmethod
    async def stopped(world: World) -> None:
        """Stop them where they run: the product's would take the messages of a queue that this process fills."""
        if world.hosts is not None:
            world.hosts = None
            await world.stack.processes.stop("host")
            await world.stack.processes.stop("floor")

    async def product(self, client: Client, method: str, path: str, body: Any = None) -> Any:
        """A call of the product that must succeed; its JSON."""
        status, answer = await client.api(method, path, body)
        if status != 200:
            raise BenchError(f"{method} {path} answered {status}: {answer}")
        return answer

    async def floor(self, method: str, what: str, body: Any = None) -> Any:
        """A call of the floor that must succeed; its JSON."""
        return await self._client.json(method, f"{self._floor_url}/{what}", body)

    def pid(self) -> int:
        """The process of the product."""
        return self._world.stack.processes.pid("host")
