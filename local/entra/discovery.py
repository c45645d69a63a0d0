"""What Entra publishes for everyone: OpenID configuration and signing keys (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from aiohttp import web

from local.entra.service import Entra


class Discovery:
    """The public documents of every tenant."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra

    def routes(self) -> list[web.RouteDef]:
        """Configuration and keys."""
        return [
            web.get("/{tenant}/v2.0/.well-known/openid-configuration", self._configuration),
            web.get("/{tenant}/discovery/v2.0/keys", self._keys),
        ]

    async def _configuration(self, request: web.Request) -> web.Response:
        tenant = self._entra.tenant(request.match_info["tenant"])
        base = f"{self._entra.authority}/{tenant.id if tenant else request.match_info['tenant']}"
        return web.json_response(
            {
                # Entra answers this very placeholder where the tenant is not known yet.
                "issuer": self._entra.issuer(tenant.id if tenant else "{tenantid}"),
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "response_modes_supported": ["query", "form_post"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
            }
        )

    async def _keys(self, request: web.Request) -> web.Response:
        tenant = self._entra.tenant(request.match_info["tenant"])
        issuer = self._entra.issuer(tenant.id if tenant else "{tenantid}")
        return web.json_response({"keys": [self._entra.key.jwk() | {"issuer": issuer}]})
