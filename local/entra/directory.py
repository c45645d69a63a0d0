"""What the directory knows: tenants with their users, app registrations, managed identities.

Service principals are implied: an application exists in its home tenant, and in every tenant when it is multi-tenant.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Literal, Self
from uuid import UUID, uuid4, uuid5

from cryptography import x509
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from local.entra.errors import AadstsNumber

MULTI_TENANT_AUDIENCES = frozenset({"AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount"})

TOKEN_EXCHANGE = "api://AzureADTokenExchange"
"""The audience of a token that is to be used as a federated credential."""


Guid = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]


def _readable(pem: str) -> str:
    x509.load_pem_x509_certificate(pem.encode())
    return pem


class Model(BaseModel):
    """Camel case on the wire and in files, checked on assignment."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", validate_assignment=True)


class User(Model):
    """An account of a tenant."""

    id: Guid = Field(default_factory=lambda: str(uuid4()))
    display_name: str
    user_principal_name: str


class Tenant(Model):
    """An organisation."""

    id: Guid = Field(default_factory=lambda: str(uuid4()))
    display_name: str
    domains: list[str] = Field(default_factory=list)
    users: list[User] = Field(default_factory=list)
    admin_consent_only: bool = Field(
        default=False,
        description="accepting answers `admin_consent=True` and no code, as an administrator's visit does",
    )


class Password(Model):
    """A client secret. Only its digest is kept, so it shows once, as in the real directory."""

    key_id: Guid = Field(default_factory=lambda: str(uuid4()))
    display_name: str | None = None
    hint: str
    digest: str
    created_at: AwareDatetime
    start_date_time: AwareDatetime
    end_date_time: AwareDatetime

    @classmethod
    def of(
        cls,
        secret: str,
        *,
        now: datetime,
        display_name: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        key_id: str | None = None,
    ) -> Self:
        """The entry for `secret`; it ends after two years unless told otherwise, as in Graph."""
        return cls(
            key_id=key_id or str(uuid4()),
            display_name=display_name,
            hint=secret[:3],
            digest=digest(secret),
            created_at=now,
            start_date_time=start or now,
            end_date_time=end or (start or now) + timedelta(days=730),
        )


class FederatedCredential(Model):
    """Whose tokens the application accepts in place of a secret (workload identity federation)."""

    issuer: str
    subject: str
    audience: str = TOKEN_EXCHANGE


class Application(Model):
    """An app registration."""

    app_id: Guid = Field(default_factory=lambda: str(uuid4()))
    object_id: Guid = Field(default_factory=lambda: str(uuid4()))
    tenant: Guid
    display_name: str
    redirect_uris: list[str] = Field(default_factory=list)
    sign_in_audience: Literal["AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount"] = (
        "AzureADMyOrg"
    )
    passwords: list[Password] = Field(default_factory=list)
    certificates: list[Annotated[str, AfterValidator(_readable)]] = Field(
        default_factory=list, description="public certificates, PEM"
    )
    federated_credentials: list[FederatedCredential] = Field(default_factory=list)
    graph_roles: list[str] = Field(default_factory=list, description="application permissions on Microsoft Graph")
    owns_itself: bool = Field(default=True, description="`Application.ReadWrite.OwnedBy` reaches this registration")
    forbids_secrets: bool = Field(default=False, description="an app management policy allows no new passwords")
    vault_permission: bool = Field(
        default=True, description="Azure Key Vault `user_impersonation` is among its permissions"
    )
    refused_with: AadstsNumber | None = Field(default=None, description="refuse every token request with this error")

    @property
    def is_multi_tenant(self) -> bool:
        """Other tenants' accounts may sign in."""
        return self.sign_in_audience in MULTI_TENANT_AUDIENCES

    def exists_in(self, tenant_id: str) -> bool:
        """The tenant has a service principal of this application."""
        return self.is_multi_tenant or self.tenant == tenant_id

    def service_principal(self, tenant_id: str) -> str:
        """The object id of the application's service principal in that tenant."""
        return str(uuid5(UUID(self.app_id), tenant_id))

    def parsed_certificates(self) -> Iterator[x509.Certificate]:
        """The registered certificates."""
        return (x509.load_pem_x509_certificate(pem.encode()) for pem in self.certificates)


class ManagedIdentity(Model):
    """A user-assigned managed identity."""

    client_id: Guid
    object_id: Guid
    tenant: Guid
    name: str


class Directory(Model):
    """All tenants, with what is registered in them."""

    tenants: list[Tenant] = Field(default_factory=list)
    applications: list[Application] = Field(default_factory=list)
    managed_identities: list[ManagedIdentity] = Field(default_factory=list)

    def tenant(self, name: str) -> Tenant | None:
        """The tenant of that id or verified domain."""
        name = name.lower()
        return next((t for t in self.tenants if name == t.id or name in t.domains), None)

    def application(self, app_id: str) -> Application | None:
        """The registration with that application (client) id."""
        return next((a for a in self.applications if a.app_id == app_id.lower()), None)

    def managed_identity(self, client_id: str) -> ManagedIdentity | None:
        """The identity with that client id."""
        return next((m for m in self.managed_identities if m.client_id == client_id.lower()), None)

    def account(self, user_id: str) -> tuple[Tenant, User] | None:
        """The user of that id or sign-in name, with the tenant."""
        name = user_id.lower()
        return next(
            ((t, u) for t in self.tenants for u in t.users if name in (u.id, u.user_principal_name.lower())), None
        )


def digest(secret: str) -> str:
    """The form in which a secret is kept: enough for random values, which cannot be guessed back."""
    return sha256(secret.encode()).hexdigest()
