"""Stacks for tests: on ports that are free now, and hosts beside the first over the same emulators."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from local.client import Client
from local.entra import seed
from local.ports import is_free
from local.processes import Processes
from local.stack import Stack

PORTS_PER_STACK = 11
PROGRAM = 10
"""The offset of the port where a test may stand in for a program that a sign-in leads back to."""
HIDDEN_SECONDS = 5
"""How long a queue message in work is hidden; naming it also chooses the repository's own host over `func`."""

NEVER = "0 0 0 1 1 *"
"""A timer schedule for a host that leaves the work to another one."""


@asynccontextmanager
async def running_product(state: Path, organisations: Iterable[str], *others: tuple[str, int]) -> AsyncIterator[Stack]:
    """The product over http loopback; rotation intervals count seconds and the timer runs each second.

    `others` are hosts that tests start beside it, each an address without port and its offset: sign-ins end there too.
    """
    base = free_base()
    settings = {
        "RETURN_ORIGINS": f"http://127.0.0.1:3000,http://127.0.0.1:{base + PROGRAM}",
        "ALLOWED_TENANTS": ",".join(organisations),
        "ROTATION_INTERVAL_UNIT": "seconds",
        "WORK_SCHEDULE": "* * * * * *",
    }
    stack = Stack(base, state=state, settings=settings, hidden_seconds=HIDDEN_SECONDS)
    places = [stack.api, *(f"{address}:{base + offset}" for address, offset in others)]
    try:
        await stack.start_emulators()
        async with Client(stack, "") as control:
            uris = [place + seed.CALLBACK_PATH for place in places]
            await control.entra("POST", "applications", {"appId": seed.OAUTH_CLIENT_ID, "redirectUris": uris})
        await stack.start_host()
        yield stack
    finally:
        await stack.processes.stop_all()
    assert all_free(base), "the stack left something that still listens"


@asynccontextmanager
async def hosting(stack: Stack) -> AsyncIterator[Stack]:
    """The functions host of `stack`, which ends with it."""
    try:
        await stack.start_host()
        yield stack
    finally:
        await stack.processes.stop_all()


def free_base() -> int:
    """The first of eleven consecutive free ports, below those that the system gives to clients."""
    for _ in range(100):
        base = random.randrange(20_000, 32_000, PORTS_PER_STACK)  # noqa: S311 -- chance keeps test runs apart, no more
        if all_free(base):
            return base
    raise RuntimeError("no eleven consecutive free ports found")


def all_free(base: int) -> bool:
    """Whether nobody listens on any port of the stack at `base`."""
    return all(is_free(port) for port in range(base, base + PORTS_PER_STACK))


def beside(first: Stack, *, name: str, offset: int, scheme: str = "http", settings: dict[str, str]) -> Stack:
    """Another functions host over the emulators of `first`, at its own port, with processes of its own."""
    port = first.ports.api + offset
    public_url = {"PUBLIC_URL": f"{scheme}://127.0.0.1:{port}"}
    other = Stack(
        first.ports.api,
        state=first.state / name,
        settings={**first.settings, **public_url, **settings},
        hidden_seconds=HIDDEN_SECONDS,
    )
    other.ports = replace(other.ports, api=port)
    other.processes = Processes(other.state / "logs")
    return other
