"""Bearer tokens of Microsoft Entra ID, v2 (https://learn.microsoft.com/entra/identity-platform/access-tokens).

Deny by default: without an allowed tenant nobody gets in. The token decides the organisation (`tid`) and the
permissions (`roles`); nothing else in the request does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt

from shared.domain.caller import Caller
from shared.domain.errors import Unauthorized
from shared.web.signing_keys import SigningKeys

ALGORITHMS = ["RS256"]
CLOCK_SKEW_SECONDS = 300
MAX_TOKEN_CHARS = 16 * 1024
REMEMBERED = 1_000
"""Tokens whose signature is not verified again as long as it would be the same."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of verifying a token. The same token has the same outcome while its key is published and it lives."""

    key_id: str
    key: jwt.PyJWK
    caller: Caller
    expires: int

    def holds(self, key: jwt.PyJWK) -> bool:
        """Whether verifying the token with `key` now would give the same. Otherwise it has to be verified."""
        return key is self.key and time.time() < self.expires + CLOCK_SKEW_SECONDS


class BearerAuth:
    """Turns an `Authorization` header into a `Caller`."""

    def __init__(
        self, *, authority: str, audience: str, allowed_tenants: tuple[str, ...], ca_file: str | None = None
    ) -> None:
        self._authority = authority
        self._audience = audience
        self._allowed = frozenset(allowed_tenants)
        self._keys = SigningKeys(f"{authority}/common/discovery/v2.0/keys", ca_file=ca_file)
        self._known: dict[bytes, Verified] = {}  # by the token's hash: what opens the door is not kept

    async def authenticate(self, header: str | None) -> Caller:
        """The caller. Raises `Unauthorized`, or `UpstreamUnavailable` when Entra's keys cannot be had."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_CHARS:
            raise Unauthorized("A bearer token of Microsoft Entra ID is required")
        digest = sha256(token.encode(errors="surrogatepass")).digest()
        known = self._known.pop(digest, None)
        key_id = known.key_id if known else _key_id(token)
        key = await self._keys.get(key_id)
        if key is None:
            raise _refused()
        if known is None or not known.holds(key):
            known = self._verify(token, key_id, key)
        self._remember(digest, known)
        return known.caller

    def _verify(self, token: str, key_id: str, key: jwt.PyJWK) -> Verified:
        claims = self._claims(token, key)
        caller = Caller(
            org_id=claims["tid"],
            object_id=claims["oid"],
            app_id=_text(claims.get("azp") or claims.get("appid")),
            name=_text(claims.get("name") or claims.get("preferred_username") or claims.get("app_displayname")),
            roles=frozenset(role for role in _listed(claims.get("roles")) if isinstance(role, str)),
        )
        return Verified(key_id, key, caller, expires=int(claims["exp"]))

    def _remember(self, digest: bytes, verified: Verified) -> None:
        """As the one that came last; where there are too many, the one that has not come for longest is forgotten."""
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[digest] = verified

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
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
    header_only = f"{token.partition('.')[0]}.."  # PyJWT would decode the other parts too, and does so again below
    try:
        header = jwt.get_unverified_header(header_only)
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
