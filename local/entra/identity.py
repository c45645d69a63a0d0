"""The managed identity endpoint of App Service and Functions, REST protocol 2019-08-01.

Source: https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
"""

from __future__ import annotations

from hmac import compare_digest

import jwt
from aiohttp import web

from local.entra import seed, tokens
from local.entra.errors import AadstsError
from local.entra.scopes import audience
from local.entra.service import Entra

PATH = "/msi/token"
"""What `IDENTITY_ENDPOINT` names."""


class IdentityEndpoint:
    """Hands out tokens of the user-assigned managed identities, over plain http as the platform does."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra

    def routes(self) -> list[web.RouteDef]:
        """The endpoint's route."""
        return [web.get(PATH, self._token)]

    async def _token(self, request: web.Request) -> web.Response:
        if not compare_digest(request.headers.get("X-IDENTITY-HEADER", ""), seed.IDENTITY_HEADER):
            return _refusal(401, "The X-IDENTITY-HEADER is missing or wrong.")
        if request.query.get("api-version") != "2019-08-01":
            return _refusal(400, "The api-version is not supported.")
        # There is no system-assigned identity, so a request that names none is refused, as on the platform.
        identity = self._entra.directory.managed_identity(request.query.get("client_id", ""))
        if identity is None:
            return _refusal(400, "No User Assigned or Delegated Managed Identity found for specified ClientId.")
        resource = request.query.get("resource", "")
        try:
            token = tokens.identity_token(self._entra, identity, audience(resource, self._entra.directory))
        except AadstsError as error:
            return _refusal(400, str(error))
        expires_on = jwt.decode(token, options={"verify_signature": False})["exp"]
        return web.json_response(
            {
                "access_token": token,
                "expires_on": str(expires_on),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": identity.client_id,
            }
        )


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"statusCode": status, "message": message, "correlationId": None}, status=status)
