"""The JSON web tokens that Entra issues, in version 2.0.

Claims: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
"""

from __future__ import annotations

import json
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

from jwt.utils import base64url_encode

from local.entra.directory import Application, ManagedIdentity, Tenant, User
from local.entra.scopes import GRAPH, Requested
from local.entra.service import Entra


def mint(entra: Entra, *, tenant_id: str, audience: str, seconds: int, claims: dict[str, Any]) -> str:
    """A signed token of that tenant, for `seconds` from now. A claim of None is left out."""
    now = int(entra.now().timestamp())
    common = {
        "aud": audience,
        "iss": entra.issuer(tenant_id),
        "iat": now,
        "nbf": now,
        "exp": now + seconds,
        "tid": tenant_id,
        "uti": token_urlsafe(16),
        "ver": "2.0",
    }
    return entra.key.sign({name: value for name, value in (common | claims).items() if value is not None})


def user_access_token(entra: Entra, tenant: Tenant, user: User, client: Application, requested: Requested) -> str:
    """A delegated token: the client acts for the user."""
    return mint(
        entra,
        tenant_id=tenant.id,
        audience=requested.audience,
        seconds=entra.settings.access_token_seconds,
        claims={
            "azp": client.app_id,
            "appid": client.app_id,
            "oid": user.id,
            "sub": _pairwise(user, requested.audience),
            "name": user.display_name,
            "preferred_username": user.user_principal_name,
            "scp": " ".join(requested.delegated),
        },
    )


def app_access_token(entra: Entra, tenant: Tenant, client: Application, requested: Requested) -> str:
    """An app-only token: the client acts for itself."""
    principal = client.service_principal(tenant.id)
    return mint(
        entra,
        tenant_id=tenant.id,
        audience=requested.audience,
        seconds=entra.settings.access_token_seconds,
        claims={
            "azp": client.app_id,
            "appid": client.app_id,
            "oid": principal,
            "sub": principal,
            "idtyp": "app",
            "roles": (client.graph_roles or None) if requested.audience == GRAPH else None,
        },
    )


def identity_token(entra: Entra, identity: ManagedIdentity, audience: str) -> str:
    """A managed identity's token; `sub` is its object id, which a federated credential names as its subject."""
    return mint(
        entra,
        tenant_id=identity.tenant,
        audience=audience,
        seconds=entra.settings.access_token_seconds,
        claims={
            "azp": identity.client_id,
            "appid": identity.client_id,
            "oid": identity.object_id,
            "sub": identity.object_id,
            "idtyp": "app",
        },
    )


def id_token(entra: Entra, tenant: Tenant, user: User, client: Application, nonce: str | None) -> str:
    """Who signed in, for the client (OpenID Connect Core section 2)."""
    return mint(
        entra,
        tenant_id=tenant.id,
        audience=client.app_id,
        seconds=3600,
        claims={
            "oid": user.id,
            "sub": _pairwise(user, client.app_id),
            "name": user.display_name,
            "preferred_username": user.user_principal_name,
            "nonce": nonce,
        },
    )


def client_info(tenant: Tenant, user: User) -> str:
    """The account's ids in the form that MSAL builds `home_account_id` from."""
    return base64url_encode(json.dumps({"uid": user.id, "utid": tenant.id}).encode()).decode()


def _pairwise(user: User, audience: str) -> str:
    """Entra's `sub` differs per application (OpenID Connect Core section 8.1)."""
    return base64url_encode(sha256(f"{user.id} {audience}".encode()).digest()).decode()
