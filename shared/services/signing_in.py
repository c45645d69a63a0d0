"""A Key Vault token with the credential that a connection has in use."""

from __future__ import annotations

from pydantic import ValidationError

from shared.domain.connection import Row
from shared.domain.credential import Federated, Method, OAuthGrant, parse_credential
from shared.domain.errors import NotFound
from shared.services.ports import AppAuthority, AppToken, Entra, Vault


class Unusable(Exception):
    """The credential cannot be read, whatever Entra thinks of it."""


class SigningIn:
    """`await sign_in(row)`: a token fetched just now."""

    def __init__(self, *, vault: Vault, entra: Entra, apps: AppAuthority) -> None:
        self._vault = vault
        self._entra = entra
        self._apps = apps

    async def __call__(self, row: Row) -> AppToken:
        """Raises `GrantRefused`, `Unusable` or `UpstreamError`.

        The refresh token that comes along with an OAuth token is not stored: the former one goes on working, and a
        secret version for each use would fill the secret. Keep-alive stores one in time.
        """
        if row.connection.method is Method.FEDERATED:
            public = row.connection.credentials
            return await self._apps.app_token(Federated(client_id=public["clientId"], tenant_id=public["tenantId"]))
        try:
            if row.active_version is None:
                raise Unusable
            credential = parse_credential(await self._vault.get(row.active_version))
        except (NotFound, ValidationError):  # the text of the latter could quote what it could not read
            raise Unusable from None
        if isinstance(credential, OAuthGrant):
            grant = await self._entra.refresh(credential.tenant_id, credential.refresh_token)
            return AppToken(grant.access_token, grant.expires_at)
        return await self._apps.app_token(credential)
