"""The HTTP session that MSAL speaks through."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from shared.domain.errors import UpstreamTimeout, UpstreamUnavailable

CONNECT_SECONDS = 5
READ_SECONDS = 10


class EntraSession(requests.Session):
    """Follows no redirect, waits a bounded time, and raises the product's errors for what passes by itself.

    Only a connection that was never made is tried again: a code works once, so a request that may have arrived must not
    be repeated. MSAL knows no `Retry-After`; raising here keeps it.
    """

    def __init__(self, ca_file: str | None = None) -> None:
        super().__init__()
        self.trust_env = False
        if ca_file is not None:
            self.verify = ca_file
        retry = Retry(connect=2, read=0, status=0, redirect=0, other=0, backoff_factor=0.1)
        self.mount("https://", HTTPAdapter(max_retries=retry, pool_maxsize=32))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """One request; 429 and 5xx raise `UpstreamUnavailable`."""
        kwargs["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        kwargs["allow_redirects"] = False
        try:
            response = super().request(method, url, *args, **kwargs)
        except requests.exceptions.ConnectTimeout as error:
            raise UpstreamUnavailable("Microsoft Entra ID") from error
        except requests.exceptions.Timeout as error:
            raise UpstreamTimeout("Microsoft Entra ID") from error
        except requests.exceptions.RequestException as error:
            raise UpstreamUnavailable("Microsoft Entra ID") from error
        if response.status_code == 429 or response.status_code >= 500:
            after = response.headers.get("Retry-After", "")
            raise UpstreamUnavailable("Microsoft Entra ID", retry_after=float(after) if after.isdecimal() else None)
        return response
