"""What callers do, at random: each arrival is one of these, with what it was told written into the ledger."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp

from bench.load.caller import Caller
from bench.load.expectations import CREATE, CREATE_AGAIN
from bench.load.ledger import Wish
from bench.load.samples import NO_ANSWER
from bench.load.world import World
from local.client import KEY_VAULT
from local.environment import CERTIFICATES
from local.visitor import Visitor

TELL_SECONDS = 30.0
AGAIN_SECONDS = 5.0
"""After so long a creation without a final answer is asked about again, as `Retry-After` says."""


class Traffic:
    """`await traffic.arrival()`: one caller's request, or few that belong together."""

    def __init__(self, caller: Caller, world: World, chance: random.Random) -> None:
        self._caller = caller
        self._ledger = caller.ledger
        self._world = world
        self._chance = chance
        self._asking_again: list[asyncio.Task[None]] = []
        self._mix: dict[Callable[[], Awaitable[None]], int] = {
            self._use: 28,
            self._get: 24,
            self._list: 10,
            self._patch: 8,
            self.create: 7,
            self._check: 5,
            self._rotate: 5,
            self._delete: 8,
            self._by_name: 3,
            self._link: 2,
        }

    async def arrival(self) -> None:
        """Whatever chance says."""
        (act,) = self._chance.choices(list(self._mix), list(self._mix.values()))
        await act()

    async def create(self) -> None:
        """A new connection: of each four one with an app's own secret, as long as there are apps."""
        by_secret = self._world.has_apps and self._chance.random() < 0.25
        wish = self._world.by_secret() if by_secret else await self._world.by_code()
        self._ledger.wishes.append(wish)
        await self._ask_for(wish, CREATE)
        if wish.open:
            self._asking_again.append(asyncio.create_task(self._ask_again(wish)))

    async def answered(self, patience: float) -> None:
        """Wait until each creation has its final answer; what has none then stays open.

        A creation whose process died is refused until its reservation has run out.
        """
        begun = time.monotonic()
        while (asking := [task for task in self._asking_again if not task.done()]) and (
            spent := time.monotonic() - begun
        ) < patience:
            print(f"  {spent:4.0f} s  creations without a final answer: {len(asking)}", flush=True)
            await asyncio.wait(asking, timeout=TELL_SECONDS)
        for task in self._asking_again:
            if task.done():
                task.result()
            task.cancel()

    async def _ask_for(self, wish: Wish, route: str) -> None:
        wish.tries += 1
        status, body = await self._caller.ask(route, "POST", KEY_VAULT, wish.body, wish=wish, key=wish.key)
        if status == 200:
            wish.made, wish.id = True, body["appConnection"]["id"]
        elif 400 <= status < 500 and status != 409:
            wish.refused = True

    async def _ask_again(self, wish: Wish) -> None:
        while wish.open:
            await asyncio.sleep(AGAIN_SECONDS)
            await self._caller.host_up.wait()
            await self._ask_for(wish, CREATE_AGAIN)

    async def _list(self) -> None:
        await self._caller.ask("GET connections", "GET", f"{KEY_VAULT}?limit=50")

    async def _get(self) -> None:
        await self._about(self._some(), "GET connection", "GET")

    async def _by_name(self) -> None:
        if (wish := self._some()) is None:
            return
        path = f"{KEY_VAULT}/connection-name/{wish.name}"
        await self._caller.ask("GET connection-name", "GET", path, wish=wish)

    async def _use(self) -> None:
        status, body = await self._about(self._some(), "POST access-token", "POST", "/access-token")
        if status == 200:
            self._ledger.tokens += 1
            self._ledger.keep_secret("an access token", body["accessToken"])

    async def _check(self) -> None:
        await self._about(self._some(), "POST check", "POST", "/check", {})

    async def _patch(self) -> None:
        if (wish := self._some()) is None:
            return
        changes: dict[str, object] = {"description": f"seen by {self._chance.randrange(10**6)} people"}
        if wish.rotates and self._chance.random() < 0.3:
            changes |= self._world.rotation()
        await self._caller.patch(wish, changes)

    async def _rotate(self) -> None:
        wish, asked = self._some(lambda each: each.rotates), datetime.now(UTC)
        status, _ = await self._about(wish, "POST rotate-credentials", "POST", "/rotate-credentials")
        if wish is not None and status == 200:
            wish.rotations.append(asked)

    async def _delete(self) -> None:
        wish = self._some()
        if wish is None:
            return
        wish.deletions += 1
        status, _ = await self._about(wish, "DELETE connection", "DELETE")
        wish.deleted = status == 200

    async def _link(self) -> None:
        wish = self._world.by_link()
        path = f"{KEY_VAULT}/oauth/authorize"
        status, link = await self._caller.ask("POST authorize", "POST", path, wish.body, wish=wish)
        if status != 200:
            return
        wish.id, wish.flow_id = link["connectionId"], link["flowId"]
        self._ledger.wishes.append(wish)
        self._ledger.keep_secret("a connect link", link["connectUrl"])
        async with Visitor(str(CERTIFICATES / "loopback.pem")) as visitor:
            try:
                page = await visitor.connect(link["connectUrl"], account=self._world.user())
            except (aiohttp.ClientError, TimeoutError):
                return
        wish.made = page.status == 200 and "/oauth/callback" in page.url

    def _some(self, fits: Callable[[Wish], bool] = lambda _: True) -> Wish | None:
        usable = [wish for wish in self._ledger.usable() if fits(wish)]
        return self._chance.choice(usable) if usable else None

    async def _about(
        self, wish: Wish | None, route: str, method: str, path: str = "", body: Any = None
    ) -> tuple[int, Any]:
        if wish is None:  # there is none yet that fits
            return NO_ANSWER, None
        return await self._caller.ask(route, method, f"{KEY_VAULT}/{wish.id}{path}", body, wish=wish)
