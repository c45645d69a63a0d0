"""Who is calling: the check of bearer tokens, as the vault does it."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt

from local.entra.clock import SKEW_SECONDS
from local.keyvault.errors import VaultError, unauthorized

AUDIENCE = "https://vault.azure.net"

KeyFinder = Callable[[str], Awaitable[jwt.PyJWK]]
"""Finds the published signing key of a key id; KeyError when there is none."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a token speaks for; either id is empty when the token does not carry it."""

    object_id: str
    app_id: str

    @classmethod
    async def from_header(cls, authorization: str, find_key: KeyFinder) -> Principal:
        """The bearer of a token with a good signature, this audience, and time left; else `VaultError` 401."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized("AKV10000: Request is missing a Bearer or PoP token.")
        claims = await _verified_claims(token, find_key)
        return cls(object_id=claims.get("oid", ""), app_id=claims.get("azp") or claims.get("appid", ""))


class PublishedKeys:
    """The keys that an authority publishes at `url`, fetched when a key id turns up that is not known yet."""

    def __init__(self, url: str, trust: ssl.SSLContext) -> None:
        self._url = url
        self._trust = trust
        self._keys: dict[str | None, jwt.PyJWK] = {}

    async def __call__(self, key_id: str) -> jwt.PyJWK:
        """The key of that id. Raises KeyError when it is not published, `VaultError` 503 when nobody answers."""
        if key_id not in self._keys:
            try:
                async with aiohttp.ClientSession() as session, session.get(self._url, ssl=self._trust) as answer:
                    answer.raise_for_status()
                    published = jwt.PyJWKSet.from_dict(await answer.json())
            except aiohttp.ClientError as error:
                raise VaultError(503, "ServiceUnavailable", f"No signing keys from {self._url}: {error}") from error
            self._keys = {key.key_id: key for key in published.keys}
        return self._keys[key_id]


async def _verified_claims(token: str, find_key: KeyFinder) -> dict[str, Any]:
    try:
        key = await find_key(jwt.get_unverified_header(token).get("kid", ""))
        return jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=[AUDIENCE, AUDIENCE + "/"],
            leeway=SKEW_SECONDS,
            options={"require": ["exp", "aud"]},
        )
    except jwt.InvalidAudienceError as error:
        raise unauthorized(f"AKV10022: Invalid audience. Expected {AUDIENCE}.") from error
    except jwt.PyJWTError as error:
        raise unauthorized(f"Error validating token: {error}") from error
    except KeyError as error:
        raise unauthorized("Error validating token: it is signed by an unknown key") from error
