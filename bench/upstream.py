"""Counting every request that leaves this process, where they leave: in aiohttp, which the SDKs use, and in requests,
which MSAL uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import aiohttp
import requests


@dataclass(slots=True)
class Upstream:
    """How many requests left."""

    requests: int = 0


@contextmanager
def counted() -> Iterator[Upstream]:
    """Count until the block ends."""
    upstream = Upstream()
    by_aiohttp, by_requests = aiohttp.ClientSession._request, requests.Session.send

    async def asked(self: aiohttp.ClientSession, *args: Any, **options: Any) -> aiohttp.ClientResponse:
        upstream.requests += 1
        return await by_aiohttp(self, *args, **options)

    def sent(self: requests.Session, *args: Any, **options: Any) -> requests.Response:
        upstream.requests += 1
        return by_requests(self, *args, **options)

    with patch.object(aiohttp.ClientSession, "_request", asked), patch.object(requests.Session, "send", sent):
        yield upstream
