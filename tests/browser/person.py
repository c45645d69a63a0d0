"""A person at a browser who uses the keyboard only, and an eye on what the browser says and asks for meanwhile."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import ConsoleMessage, Locator, Page, Request, expect

WIDTHS = {360: 740, 1440: 900}
"""The widths that pages are made for, each with a height."""

SCHEMES = ("light", "dark")
SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""The folder that `make screenshots` fills; a test run without it writes nothing."""

MOST_TABS = 60
MOST_ACCOUNTS = 300
CALLBACK = re.compile(r"/oauth/callback(\?|$)")
OVERFLOW = """Math.max(...[document.documentElement, ...document.querySelectorAll("main, main p")].map(
    (each) => each.scrollWidth - each.clientWidth))"""


class Person:
    """Watches a page from its first request on."""

    def __init__(self, page: Page, *, allowed: Iterable[str]) -> None:
        self.page = page
        self.expected: set[int | str] = set()
        """What the browser may complain about: statuses of answers, and its own names of a network's errors."""
        self._allowed = set(allowed)
        self._trouble: list[str] = []
        self._foreign: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self._trouble.append(str(error)))
        page.on("request", self._asked)

    def may_meet(self, place: str) -> None:
        """This origin too is one that the person is meant to come to."""
        self._allowed.add(place)

    async def open(self, url: str, *, status: int = 200) -> None:
        """Type an address; the page must have this status."""
        self.expected |= {status} if status >= 400 else set()
        answer = await self.page.goto(url)
        assert answer is not None
        assert answer.status == status, await answer.text()

    async def reach(self, target: Locator) -> None:
        """Press Tab until the target has the focus, and see that the focus can be seen."""
        for _ in range(MOST_TABS):
            await self.page.keyboard.press("Tab")
            if await target.evaluate("element => element === document.activeElement"):
                outline = await target.evaluate("element => getComputedStyle(element).outlineStyle")
                assert outline != "none", "nobody can see where the focus is"
                return
        raise AssertionError(f"the keyboard does not reach {target}")

    async def press(self, target: Locator, key: str = "Enter") -> None:
        """Go to the target and press a key there."""
        await self.reach(target)
        await self.page.keyboard.press(key)

    async def choose(self, target: Locator) -> None:
        """Go to the group of radio buttons, of which the arrow keys choose one."""
        await self.press(self.page.get_by_role("radio").first, "Space")
        for _ in range(MOST_ACCOUNTS):
            if await target.is_checked():
                return
            await self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"the arrow keys do not reach {target}")

    async def write(self, target: Locator, text: str) -> None:
        """Go to the field and type."""
        await self.reach(target)
        await self.page.keyboard.type(text)

    async def go(self, target: Locator, *, status: int = 200) -> None:
        """Press Enter on what leads to another document, which must have this status."""
        self.expected |= {status} if status >= 400 else set()
        await self.reach(target)
        async with self.page.expect_navigation() as arriving:
            await self.page.keyboard.press("Enter")
        answer = await arriving.value
        assert answer.status == status, await answer.text()

    async def consent(
        self, name: str, *, decision: str = "Accept", status: int = 200, ends: re.Pattern[str] = CALLBACK
    ) -> None:
        """Choose the account of that name at the sign-in, and decide; ends at the service's page of this status, or at
        the one that it leads on to."""
        self.expected |= {status} if status >= 400 else set()
        await self.choose(self.page.get_by_role("radio", name=name))
        await self.reach(self.page.get_by_role("button", name=decision))
        async with self.page.expect_navigation(url=ends) as arriving:
            await self.page.keyboard.press("Enter")
        answer = await arriving.value
        assert answer.status == status, await answer.text()

    async def reads(self, *texts: str) -> None:
        """The page shows all of these."""
        for text in texts:
            await expect(self.page.locator("main")).to_contain_text(text)

    async def looks(self, name: str, *, full: bool = True) -> None:
        """At each width and in each scheme nothing sticks out; `make screenshots` keeps the pictures."""
        before = self.page.viewport_size
        for width, height in WIDTHS.items():
            await self.page.set_viewport_size({"width": width, "height": height})
            assert await self.page.evaluate(OVERFLOW) <= 0, f"{name} is wider than {width} px"
            for scheme in SCHEMES if SCREENSHOTS else ():
                await self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                file = Path(str(SCREENSHOTS)) / f"{name}-{scheme}-{width}.png"
                await self.page.screenshot(path=file, full_page=full, animations="disabled", caret="hide")
        if before is not None:
            await self.page.set_viewport_size(before)

    def saw_nothing_odd(self) -> None:
        """No error in the console, and no request to anybody else."""
        assert self._trouble == []
        assert self._foreign == []

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        failed = re.match(
            r"Failed to load resource: (?:the server responded with a status of (\d+)|(\S+))", message.text
        )
        if failed is None or (int(failed[1]) if failed[1] else failed[2]) not in self.expected:
            self._trouble.append(f"{message.type}: {message.text} at {message.location}")

    def _asked(self, request: Request) -> None:
        place = urlsplit(request.url)
        if place.scheme != "data" and f"{place.scheme}://{place.netloc}" not in self._allowed:
            self._foreign.append(request.url)
