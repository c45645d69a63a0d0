"""Whom the traffic is about: a customer with users, and app registrations with a secret each."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from uuid import uuid4

from bench.load.ledger import Ledger, Wish
from local.client import Client

APPS = 80
"""Registrations that connections may rotate; each serves one connection, since that removes the first secret."""
USERS = 20

SOONEST_SECONDS, LATEST_SECONDS = 40, 110
"""Intervals of rotation: several fall into a run."""


@dataclass(frozen=True, slots=True)
class App:
    """An app registration, which may manage its own secrets."""

    client_id: str
    secret: str = field(repr=False)
    key_id: str


class World:
    """Makes wishes for connections that Entra will grant."""

    def __init__(self, client: Client, ledger: Ledger, chance: random.Random) -> None:
        self._client = client
        self._ledger = ledger
        self._chance = chance
        self._tenant = str(uuid4())
        self._users = [str(uuid4()) for _ in range(USERS)]
        self._apps: list[App] = []

    async def prepare(self, apps: int = APPS) -> None:
        """Make the customer and the registrations in the Entra stand-in."""
        users = [
            {"id": user, "displayName": f"User {number}", "userPrincipalName": f"user{number}@load.example"}
            for number, user in enumerate(self._users)
        ]
        tenant = {"id": self._tenant, "displayName": "Customer", "domains": ["load.example"], "users": users}
        await self._client.entra("POST", "tenants", tenant)
        for _ in range(apps):
            client_id = str(uuid4())
            registration = {"appId": client_id, "tenant": self._tenant, "displayName": "Deployment"}
            roles = {"graphRoles": ["Application.ReadWrite.OwnedBy"]}
            await self._client.entra("POST", "applications", registration | roles)
            secret = self._ledger.keep_secret("a client secret", uuid4().hex)
            made = await self._client.entra("POST", f"applications/{client_id}/passwords", {"secretText": secret})
            self._apps.append(App(client_id, secret, made["keyId"]))

    @property
    def has_apps(self) -> bool:
        """Whether a registration is left that no connection rotates."""
        return bool(self._apps)

    def user(self) -> str:
        """Somebody who signs in."""
        return self._chance.choice(self._users)

    async def by_code(self) -> Wish:
        """A connection that a code of a person's makes; half of them rotate by themselves."""
        code = await self._client.code(user=self.user(), tenant=self._tenant)
        credentials = {"code": self._ledger.keep_secret("an authorization code", code), "tenantId": self._tenant}
        wish = Wish(name=_name(), method="oauth", key=uuid4().hex, rotates=True)
        wish.body = {"name": wish.name, "method": wish.method, "credentials": credentials, **self.rotation()}
        wish.body["isAutoRotationEnabled"] = self._chance.random() < 0.5
        return wish

    def by_secret(self) -> Wish:
        """A connection with an app's own secret, which rotates. Raises `IndexError` when no app is left."""
        app = self._apps.pop()
        credentials = {
            "tenantId": self._tenant,
            "clientId": app.client_id,
            "clientSecret": app.secret,
            "clientSecretKeyId": app.key_id,
        }
        wish = Wish(name=_name(), method="client-secret", key=uuid4().hex, rotates=True)
        wish.body = {"name": wish.name, "method": wish.method, "credentials": credentials, **self.rotation()}
        wish.body["isAutoRotationEnabled"] = True
        return wish

    def by_link(self) -> Wish:
        """A connection that a person makes in the browser."""
        wish = Wish(name=_name(), method="oauth")
        credentials = {"tenantId": self._tenant}
        wish.body = {"name": wish.name, "method": wish.method, "credentials": credentials}
        return wish

    def rotation(self) -> dict[str, object]:
        """A schedule; its interval counts seconds here."""
        seconds = self._chance.randint(SOONEST_SECONDS, LATEST_SECONDS)
        return {"rotation": {"rotationInterval": seconds, "rotateAtUtc": {"hours": 3, "minutes": 0}}}


def _name() -> str:
    return f"load-{uuid4().hex[:20]}"
