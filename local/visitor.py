"""A person with a browser, played by a program: opens a connect link, presses its button, signs in and consents."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import aiohttp


@dataclass(frozen=True, slots=True)
class Seen:
    """The page that the browser shows."""

    url: str
    status: int
    html: str

    @property
    def text(self) -> str:
        """What a person reads."""
        reader = _Reader()
        reader.feed(self.html)
        return " ".join(" ".join(reader.words).split())


class Visitor:
    """Keeps cookies and follows redirects as browsers do; trusts the loopback certificate only."""

    def __init__(self, certificate: str) -> None:
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=certificate))
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def open(self, url: str) -> Seen:
        """Type an address."""
        async with self._session.get(url) as answer:
            return await _seen(answer)

    async def submit(self, page: Seen, fields: dict[str, str] | None = None, *, origin: str | None = None) -> Seen:
        """Press the button of the page's form, its hidden fields included. `origin` overrides the browser's own."""
        reader = _Reader()
        reader.feed(page.html)
        own = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
        target = urljoin(page.url, reader.action or page.url)
        data = {**reader.hidden, **(fields or {})}
        async with self._session.post(target, data=data, headers={"Origin": origin or own}) as answer:
            return await _seen(answer)

    async def connect(self, connect_url: str, *, account: str, decision: str = "accept") -> Seen:
        """The whole way from the link to the last page."""
        consent = await self.submit(await self.open(connect_url))
        after = await self.submit(consent, {"account": account, "decision": decision})
        return await self.submit(after) if "document.forms[0].submit()" in after.html else after


class _Reader(HTMLParser):
    """A form's action, its hidden fields, and the page's text."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.hidden: dict[str, str] = {}
        self.words: list[str] = []
        self._silent = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self._silent = tag in ("style", "script", "title")
        if tag == "form":
            self.action = found.get("action")
        if tag == "input" and found.get("type") == "hidden":
            self.hidden[found.get("name") or ""] = found.get("value") or ""

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 -- the parser's interface
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


async def _seen(answer: aiohttp.ClientResponse) -> Seen:
    return Seen(str(answer.url), answer.status, await answer.text())
