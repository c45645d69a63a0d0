"""A sign-in step by step, where the tests want to come in between; `local.visitor` does it in one go."""

from __future__ import annotations

from dataclasses import dataclass, field
from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from local.client import KEY_VAULT, Client
from local.entra.seed import CALLBACK_PATH
from tests.e2e.world import Customer, Reply, call, raw


@dataclass(frozen=True, slots=True)
class Link:
    """A connect link as `authorize` answered it."""

    url: str = field(repr=False)
    path: str = field(repr=False)
    flow_id: str
    connection_id: str

    @classmethod
    async def new(cls, client: Client, name: str, **body: Any) -> Link:
        """Ask for a link."""
        reply = await call(client, "POST", f"{KEY_VAULT}/oauth/authorize", {"name": name, "method": "oauth"} | body)
        assert reply.status == 200, reply.text
        url = reply.json["connectUrl"]
        return cls(url, url.removeprefix(client.stack.api), reply.json["flowId"], reply.json["connectionId"])

    @property
    def secret(self) -> str:
        """The capability in the link."""
        return self.url.rsplit("/", 1)[-1]

    async def status(self, client: Client) -> dict[str, Any]:
        """How the flow stands."""
        reply = await call(client, "GET", f"{KEY_VAULT}/oauth/flows/{self.flow_id}")
        assert reply.status == 200, reply.text
        found: dict[str, Any] = reply.json
        return found

    async def press(self, client: Client, *, origin: str | None = None) -> Reply:
        """The page's button."""
        return await raw(client, "POST", self.path, headers={"Origin": origin or client.stack.api})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One press of a link's button: where it leads, and the cookie that came with it."""

    authorize: dict[str, str] = field(repr=False)
    """The query of Entra's authorize URL."""
    cookie: Morsel[str] = field(repr=False)

    @classmethod
    async def begin(cls, client: Client, link: Link) -> Attempt:
        """Press the button."""
        return cls.of(await link.press(client))

    @classmethod
    def of(cls, reply: Reply) -> Attempt:
        """What the button answered."""
        assert reply.status == 303, reply.text
        query = parse_qs(urlsplit(reply.headers["Location"]).query)
        (cookie,) = SimpleCookie(reply.headers["Set-Cookie"]).values()
        return cls({name: values[0] for name, values in query.items()}, cookie)

    @property
    def state(self) -> str:
        """The one-time state."""
        return self.authorize["state"]

    async def code(self, client: Client, customer: Customer) -> str:
        """The code that Entra would send back after the customer's consent."""
        asked = self.authorize
        return await customer.code(
            client,
            nonce=asked["nonce"],
            codeChallenge=asked["code_challenge"],
            scope=asked["scope"],
            redirectUri=asked["redirect_uri"],
        )

    async def answer(self, client: Client, *, cookie: str | None = None, **fields: str) -> Reply:
        """Bring Entra's answer back in the response mode that was asked for. `cookie` replaces the whole header."""
        headers = {"Cookie": f"{self.cookie.key}={self.cookie.value}" if cookie is None else cookie}
        fields = {"state": self.state, **fields}
        if self.authorize["response_mode"] == "form_post":
            return await raw(client, "POST", CALLBACK_PATH, data=fields, headers=headers)
        return await raw(client, "GET", CALLBACK_PATH, params=fields, headers=headers)

    async def finish(self, client: Client, customer: Customer) -> Reply:
        """Consent and come back."""
        return await self.answer(client, code=await self.code(client, customer))
