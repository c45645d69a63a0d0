"""What the end-to-end tests say often: a call, a refusal, a customer with a user, something that comes in time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from multidict import CIMultiDict

from local.client import KEY_VAULT, Client
from local.entra import seed
from shared.domain.caller import Permission

PATIENCE_SECONDS = 15.0
DAILY_AT_THREE = {"rotationInterval": 300, "rotateAtUtc": {"hours": 3, "minutes": 0}}
"""Intervals count seconds in these stacks, so this one never comes due by itself."""

Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer over HTTP."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)

    @property
    def connection(self) -> dict[str, Any]:
        """The connection of a successful answer."""
        assert self.status == 200, self.text
        found: dict[str, Any] = self.json["appConnection"]
        return found


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer's tenant with one user, nobody else's in this test run."""

    tenant: str
    domain: str
    user: str

    @classmethod
    async def new(cls, client: Client, **tenant: Any) -> Customer:
        """Make the tenant in the Entra stand-in."""
        customer = cls(str(uuid4()), f"t{uuid4().hex[:12]}.example", str(uuid4()))
        user = {"id": customer.user, "displayName": "Uma", "userPrincipalName": f"uma@{customer.domain}"}
        wanted = {"id": customer.tenant, "displayName": "A customer", "domains": [customer.domain], "users": [user]}
        await client.entra("POST", "tenants", wanted | tenant)
        return customer

    @property
    def token_endpoint(self) -> str:
        """A pattern for faults that nobody else's requests match."""
        return f"POST /{self.tenant}/oauth2/v2.0/token"

    async def code(self, client: Client, **more: Any) -> str:
        """An authorization code, as if the user had signed in and consented."""
        wanted = {
            "tenant": self.tenant,
            "user": self.user,
            "clientId": seed.OAUTH_CLIENT_ID,
            "redirectUri": client.stack.api + seed.CALLBACK_PATH,
        }
        return str((await client.entra("POST", "codes", wanted | more))["code"])

    async def body(self, client: Client, name: str = "prod", **changes: Any) -> dict[str, Any]:
        """A create body with a fresh code; `changes` replace its parts."""
        credentials = {"code": await self.code(client), "tenantId": self.tenant}
        return {"name": name, "method": "oauth", "credentials": credentials} | changes


async def call(
    client: Client, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
) -> Reply:
    """A call with a bearer token, the client's own unless another is given; `If_Match` is the header `If-Match`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await raw(
        client, method, path, json=body, headers={"Authorization": f"Bearer {token or client.token}", **sent}
    )


async def raw(client: Client, method: str, path: str, **request: Any) -> Reply:
    """A call exactly as given."""
    status, headers, body = await client.raw(method, path, **request)
    return Reply(status, CIMultiDict(headers), body)


async def create(client: Client, customer: Customer, name: str = "prod", **changes: Any) -> Reply:
    """Create a connection with a fresh code."""
    return await call(client, "POST", KEY_VAULT, await customer.body(client, name, **changes))


async def token_of(client: Client, org_id: str, **claims: Any) -> str:
    """A bearer token of that organisation; every role unless `roles` says otherwise."""
    wanted = {"tenant": org_id, "roles": [permission.value for permission in Permission]} | claims
    return str((await client.entra("POST", "tokens", wanted))["accessToken"])


def refusal(reply: Reply, status: int, error: str) -> Any:
    """The message of an answer that must be this refusal, in the one envelope."""
    assert reply.status == status, reply.text
    assert set(reply.json) - {"details"} == {"reqId", "statusCode", "message", "error"}
    assert (reply.json["statusCode"], reply.json["error"]) == (status, error)
    assert reply.json["reqId"] == reply.headers["x-request-id"]
    return reply.json["message"]


async def names(client: Client, query: str = "") -> list[str]:
    """The names that the list shows."""
    return [item["name"] for item in (await call(client, "GET", f"{KEY_VAULT}{query}")).json["appConnections"]]


async def live_secrets(client: Client) -> set[str]:
    """The names of all secrets in the Key Vault stand-in that are not deleted."""
    secrets = (await client.vault("GET", "state"))["secrets"]
    return {name for name, secret in secrets.items() if not secret["deletion"]}


async def eventually(
    look: Callable[[], Awaitable[Seen]], good: Callable[[Seen], object], *, patience: float = PATIENCE_SECONDS
) -> Seen:
    """What `look` sees once it is good; fails the test when that does not come in time."""
    deadline = time.monotonic() + patience
    while not good(seen := await look()):
        assert time.monotonic() < deadline, f"waited in vain; last seen: {seen}"
        await asyncio.sleep(0.1)
    return seen
