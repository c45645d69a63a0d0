"""A customer's own app registration, and what they submit of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

from local.client import KEY_VAULT, Client
from local.entra import seed
from tests.contract.app_authorities import KeyPair, issued
from tests.e2e.world import Customer, Reply, call


@cache
def key_pair() -> KeyPair:
    """A certificate and its key, made once: RSA takes its time."""
    return issued()


@dataclass(frozen=True, slots=True)
class App:
    """An app registration in a customer's tenant."""

    client_id: str
    tenant: str

    @classmethod
    async def new(cls, client: Client, customer: Customer, **registration: Any) -> App:
        """Register it in the Entra stand-in, without any credential."""
        app = cls(str(uuid4()), customer.tenant)
        wanted = {"appId": app.client_id, "tenant": app.tenant, "displayName": "Deployment"}
        await client.entra("POST", "applications", wanted | registration)
        return app

    async def add_password(self, client: Client, text: str, **password: Any) -> str:
        """Let the app sign in by this secret; its key id."""
        made = await client.entra("POST", f"applications/{self.client_id}/passwords", {"secretText": text} | password)
        return str(made["keyId"])

    async def change(self, client: Client, **registration: Any) -> None:
        """Change the registration."""
        await client.entra("POST", "applications", {"appId": self.client_id} | registration)

    async def trust_identity(self, client: Client) -> None:
        """Let the service's managed identity sign as the app, which then must be of the service's own tenant."""
        issuer = f"{client.stack.entra}/{seed.HOME_TENANT_ID}/v2.0"
        credential = {"issuer": issuer, "subject": seed.IDENTITY_OBJECT_ID}
        await self.change(
            client,
            tenant=seed.HOME_TENANT_ID,
            signInAudience="AzureADMultipleOrgs",
            federatedCredentials=[credential],
        )

    def submits(self, **more: Any) -> dict[str, Any]:
        """The `credentials` of a body."""
        return {"clientId": self.client_id, "tenantId": self.tenant} | more

    @property
    def public(self) -> dict[str, str]:
        """The `credentials` of an answer."""
        return {"clientId": self.client_id, "tenantId": self.tenant}


async def create_app(client: Client, method: str, credentials: dict[str, Any], **body: Any) -> Reply:
    """Create a connection with an app's own credential."""
    return await call(client, "POST", KEY_VAULT, {"name": "app", "method": method, "credentials": credentials} | body)


async def patch(client: Client, made: dict[str, Any], **body: Any) -> Reply:
    """Change a connection."""
    return await call(client, "PATCH", f"{KEY_VAULT}/{made['id']}", body)


async def get(client: Client, made: dict[str, Any]) -> dict[str, Any]:
    """Read a connection again."""
    return (await call(client, "GET", f"{KEY_VAULT}/{made['id']}")).connection
