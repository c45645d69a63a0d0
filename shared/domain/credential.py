"""What Key Vault holds for a connection: one JSON value per secret version, by method."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from shared.domain.model import Instant, Record


class Method(StrEnum):
    """How a connection authenticates to Entra."""

    OAUTH = "oauth"
    CLIENT_SECRET = "client-secret"
    CERTIFICATE = "certificate"
    FEDERATED = "federated"

    @property
    def words(self) -> str:
        """The method's name in messages of the published API."""
        return {"oauth": "OAuth", "client-secret": "Client Secret"}.get(self.value, self.value.title())


class OAuthGrant(Record):
    """A person's grant: the refresh token that renews it."""

    method: Literal[Method.OAUTH] = Method.OAUTH
    tenant_id: str
    refresh_token: str = Field(repr=False)
    issued_at: Instant


class AppIdentity(Record):
    """The app registration that a connection signs in as, and the tenant that it signs in to."""

    client_id: str
    tenant_id: str

    @property
    def public(self) -> dict[str, str]:
        """What answers show of it."""
        return {"clientId": self.client_id, "tenantId": self.tenant_id}

    @property
    def is_secret(self) -> bool:
        """Whether there is anything to keep in Key Vault."""
        return True


class ClientSecret(AppIdentity):
    """An app password."""

    method: Literal[Method.CLIENT_SECRET] = Method.CLIENT_SECRET
    client_secret: str = Field(repr=False)


class Certificate(AppIdentity):
    """A certificate with its private key, both PEM; the first certificate of a chain is the app's own."""

    method: Literal[Method.CERTIFICATE] = Method.CERTIFICATE
    certificate_body: str
    private_key: str = Field(repr=False)


class Federated(AppIdentity):
    """No secret at all: the service's managed identity signs as the app (workload identity federation)."""

    method: Literal[Method.FEDERATED] = Method.FEDERATED

    @property
    def is_secret(self) -> bool:
        """See `AppIdentity`."""
        return False


AppCredential = ClientSecret | Certificate | Federated
"""How an app signs in as itself."""

Credential = Annotated[OAuthGrant | ClientSecret | Certificate | Federated, Field(discriminator="method")]

_CREDENTIAL: TypeAdapter[OAuthGrant | AppCredential] = TypeAdapter(Credential, config=ConfigDict(defer_build=True))


def parse_credential(text: str) -> OAuthGrant | AppCredential:
    """The credential in a secret version's JSON value. Raises pydantic's `ValidationError`."""
    return _CREDENTIAL.validate_json(text)
