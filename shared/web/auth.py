"""Bearer tokens of Microsoft Entra ID, v2 (https://learn.microsoft.com/entra/identity-platform/access-tokens).

Deny by default: without an allowed tenant nobody gets in. The token decides the organisation (`tid`) and the
permissions (`roles`); nothing else in the request does.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import jwt

from shared.domain.caller import Caller
from shared.domain.errors import Unauthorized, UpstreamUnavailable

ALGORITHMS = ["RS256"]
CLOCK_SKEW_SECONDS = 300
KEYS_LIVE_SECONDS = 12 * 3600
REFETCH_COOLDOWN_SECONDS = 60
MAX_TOKEN_CHARS = 16 * 1024


class BearerAuth:
    """Turns an `Authorization` header into a `Caller`."""

    def __init__(
        self, *, authority: str, audience: str, allowed_tenants: tuple[str, ...], ca_file: str | None = None
    ) -> None:
        self._authority = authority
        self._audience = audience
        self._allowed = frozenset(allowed_tenants)
        context = ssl.create_default_context(cafile=ca_file) if ca_file else None
        self._keys = jwt.PyJWKClient(
            f"{authority}/common/discovery/v2.0/keys",
            lifespan=KEYS_LIVE_SECONDS,
            timeout=10,
            ssl_context=context,
            cooldown_duration=REFETCH_COOLDOWN_SECONDS,
        )

    async def authenticate(self, header: str | None) -> Caller:
        """The caller. Raises `Unauthorized`, or `UpstreamUnavailable` when Entra's keys cannot be had."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_CHARS:
            raise Unauthorized("A bearer token of Microsoft Entra ID is required")
        claims = self._verified(token, await self._key(_key_id(token)))
        return Caller(
            org_id=claims["tid"],
            object_id=claims["oid"],
            app_id=_text(claims.get("azp") or claims.get("appid")),
            name=_text(claims.get("name") or claims.get("preferred_username") or claims.get("app_displayname")),
            roles=frozenset(role for role in _listed(claims.get("roles")) if isinstance(role, str)),
        )

    async def _key(self, key_id: str) -> jwt.PyJWK:
        try:  # fetches over the network now and then, and blocks: not on the event loop
            return await asyncio.to_thread(self._keys.get_signing_key, key_id)
        except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError, OSError, ValueError) as error:
            # the last two: a broken connection, or no JSON, which PyJWKClient passes through
            raise UpstreamUnavailable("Microsoft Entra ID", retry_after=5) from error
        except jwt.PyJWKClientError as error:
            raise _refused() from error

    def _verified(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=[self._audience, f"api://{self._audience}"],
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "nbf", "iss", "aud", "tid", "oid"]},
            )
        except jwt.PyJWTError as error:
            raise _refused() from error
        tenant, caller = claims["tid"], claims["oid"]
        if not isinstance(tenant, str) or not isinstance(caller, str):
            raise _refused()
        if tenant not in self._allowed or claims["iss"] != f"{self._authority}/{tenant}/v2.0":
            raise _refused()
        return claims


def _key_id(token: str) -> str:
    """Which key signed it, as it says; another algorithm than ours is refused before any key is looked for."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError) as error:
        raise _refused() from error
    key_id = header.get("kid")
    if header.get("alg") not in ALGORITHMS or not isinstance(key_id, str):
        raise _refused()
    return key_id


def _refused() -> Unauthorized:
    return Unauthorized("The bearer token is not valid for this API: check its audience, tenant and expiry")


def _text(value: object) -> str | None:
    return value[:128] if isinstance(value, str) else None


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
