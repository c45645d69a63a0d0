"""The published keys that Entra signs tokens with (RFC 7517), fetched seldom and by one request at a time.

A key that is known answers without a thread or a lock. What anybody may send, a token with an unknown key id, causes at
most one fetch a minute, or one in five seconds while they fail; meanwhile the keys that were known go on serving.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time

import jwt

from shared.domain.errors import UpstreamUnavailable

log = logging.getLogger(__name__)

LIVE_SECONDS = 12 * 3600.0
COOLDOWN_SECONDS = 60.0
RETRY_SECONDS = 5.0
FETCH_SECONDS = 10


class SigningKeys:
    """`await keys.get(key_id)`."""

    def __init__(self, url: str, *, ca_file: str | None = None) -> None:
        context = ssl.create_default_context(cafile=ca_file) if ca_file else None
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_SECONDS, ssl_context=context)
        self._keys: dict[str, jwt.PyJWK] = {}
        self._stale_at = 0.0
        self._next_fetch = 0.0
        self._lock = asyncio.Lock()

    async def get(self, key_id: str) -> jwt.PyJWK | None:
        """The key, or None when Entra publishes none of that id. Raises `UpstreamUnavailable` when none can be had."""
        if self._lacks(key_id):
            async with self._lock:
                if self._lacks(key_id) and time.monotonic() >= self._next_fetch:
                    await self._fetch()
            if not self._keys:
                raise UpstreamUnavailable("Microsoft Entra ID", retry_after=RETRY_SECONDS)
        return self._keys.get(key_id)

    def _lacks(self, key_id: str) -> bool:
        return key_id not in self._keys or time.monotonic() >= self._stale_at

    async def _fetch(self) -> None:
        keys: dict[str, jwt.PyJWK] = {}
        try:  # the client blocks
            found = await asyncio.to_thread(self._client.get_jwk_set, True)
            keys = {key.key_id: key for key in found.keys if key.key_id and key.public_key_use in (None, "sig")}
        except (jwt.PyJWTError, OSError, ValueError) as error:  # ValueError: no JSON, which the client passes on
            log.warning("auth.keys-not-fetched reason=%s", type(error).__name__)
        if not keys:
            self._next_fetch = time.monotonic() + RETRY_SECONDS
            return
        self._keys = keys
        self._stale_at = time.monotonic() + LIVE_SECONDS
        self._next_fetch = time.monotonic() + COOLDOWN_SECONDS
