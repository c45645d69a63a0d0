"""The tenants, people and applications that a new stand-in knows, by names the rest of the stack imports."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from local.entra.directory import (
    Application,
    Directory,
    FederatedCredential,
    ManagedIdentity,
    Password,
    Tenant,
    User,
)

HOME_TENANT_ID: Final = "a0000000-0000-4000-8000-000000000001"
"""The tenant that runs the service."""
HOME_USER_ID: Final = "a0000000-0000-4000-8000-000000000011"

CONTOSO_TENANT_ID: Final = "c0000000-0000-4000-8000-000000000001"
CONTOSO_DOMAIN: Final = "contoso.example"
CONTOSO_ADA_ID: Final = "c0000000-0000-4000-8000-000000000011"
CONTOSO_BEN_ID: Final = "c0000000-0000-4000-8000-000000000012"

FABRIKAM_TENANT_ID: Final = "f0000000-0000-4000-8000-000000000001"
FABRIKAM_DOMAIN: Final = "fabrikam.example"
FABRIKAM_FAY_ID: Final = "f0000000-0000-4000-8000-000000000011"

OAUTH_CLIENT_ID: Final = "a0000000-0000-4000-8000-0000000000a1"
"""The service's multi-tenant app that users grant access to; the managed identity is its federated credential."""
OAUTH_OBJECT_ID: Final = "a0000000-0000-4000-8000-0000000000b1"
API_CLIENT_ID: Final = "a0000000-0000-4000-8000-0000000000a2"
"""The app registration of the service's API: the audience of its callers' tokens."""
API_OBJECT_ID: Final = "a0000000-0000-4000-8000-0000000000b2"

IDENTITY_CLIENT_ID: Final = "a0000000-0000-4000-8000-0000000000c1"
"""The service's user-assigned managed identity."""
IDENTITY_OBJECT_ID: Final = "a0000000-0000-4000-8000-0000000000c2"
IDENTITY_HEADER: Final = "local-managed-identity"
"""The value of `IDENTITY_HEADER` that the managed identity endpoint asks for."""

CONTOSO_APP_ID: Final = "c0000000-0000-4000-8000-0000000000a1"
"""A customer's own app registration, which may manage its own passwords."""
CONTOSO_APP_OBJECT_ID: Final = "c0000000-0000-4000-8000-0000000000b1"
CONTOSO_APP_SECRET: Final = "contoso-app-local-development-only"
CONTOSO_APP_SECRET_KEY_ID: Final = "c0000000-0000-4000-8000-0000000000d1"

CALLBACK_PATH: Final = "/api/v1/app-connections/azure/oauth/callback"
"""Where the service receives Entra's answer, under its public URL."""


def plant(directory: Directory, *, authority: str, public_url: str, now: datetime) -> None:
    """Fill an empty directory; in a known one only follow the addresses, which may differ from the last start."""
    if not directory.tenants:
        directory.tenants = _tenants()
        directory.applications = _applications(now)
        directory.managed_identities = [
            ManagedIdentity(
                client_id=IDENTITY_CLIENT_ID,
                object_id=IDENTITY_OBJECT_ID,
                tenant=HOME_TENANT_ID,
                name="keyvault-connections",
            )
        ]
    oauth = directory.application(OAUTH_CLIENT_ID)
    if oauth is not None:
        oauth.redirect_uris = [public_url.rstrip("/") + CALLBACK_PATH]
        oauth.federated_credentials = [
            FederatedCredential(issuer=f"{authority}/{HOME_TENANT_ID}/v2.0", subject=IDENTITY_OBJECT_ID)
        ]


def _tenants() -> list[Tenant]:
    return [
        Tenant(
            id=HOME_TENANT_ID,
            display_name="Service provider",
            domains=["provider.example"],
            users=[User(id=HOME_USER_ID, display_name="Olga Operator", user_principal_name="olga@provider.example")],
        ),
        Tenant(
            id=CONTOSO_TENANT_ID,
            display_name="Contoso",
            domains=[CONTOSO_DOMAIN],
            users=[
                User(id=CONTOSO_ADA_ID, display_name="Ada Admin", user_principal_name=f"ada@{CONTOSO_DOMAIN}"),
                User(id=CONTOSO_BEN_ID, display_name="Ben Builder", user_principal_name=f"ben@{CONTOSO_DOMAIN}"),
            ],
        ),
        Tenant(
            id=FABRIKAM_TENANT_ID,
            display_name="Fabrikam",
            domains=[FABRIKAM_DOMAIN],
            users=[
                User(id=FABRIKAM_FAY_ID, display_name="Fay Fabricator", user_principal_name=f"fay@{FABRIKAM_DOMAIN}")
            ],
        ),
    ]


def _applications(now: datetime) -> list[Application]:
    return [
        Application(
            app_id=OAUTH_CLIENT_ID,
            object_id=OAUTH_OBJECT_ID,
            tenant=HOME_TENANT_ID,
            display_name="Key Vault Connections",
            sign_in_audience="AzureADMultipleOrgs",
        ),
        Application(
            app_id=API_CLIENT_ID,
            object_id=API_OBJECT_ID,
            tenant=HOME_TENANT_ID,
            display_name="Key Vault Connections API",
            sign_in_audience="AzureADMultipleOrgs",
        ),
        Application(
            app_id=CONTOSO_APP_ID,
            object_id=CONTOSO_APP_OBJECT_ID,
            tenant=CONTOSO_TENANT_ID,
            display_name="Contoso deployment",
            graph_roles=["Application.ReadWrite.OwnedBy"],
            passwords=[
                Password.of(
                    CONTOSO_APP_SECRET,
                    now=now - timedelta(days=1),  # long known everywhere, whatever propagation delay is set
                    display_name="by hand",
                    key_id=CONTOSO_APP_SECRET_KEY_ID,
                )
            ],
        ),
    ]
