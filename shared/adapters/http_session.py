"""The HTTP session that MSAL speaks through."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from shared.adapters.entra_answers import SERVICE, checked
from shared.domain.errors import UpstreamTimeout, UpstreamUnavailable
from shared.domain.measures import Metric
from shared.services.ports import Telemetry

CONNECT_SECONDS = 5
READ_SECONDS = 10


class EntraSession(requests.Session):
    """Follows no redirect, waits a bounded time, and raises the product's errors for what passes by itself.

    Only a connection that was never made is tried again: a code works once, so a request that may have arrived must not
    be repeated. MSAL knows no `Retry-After`; raising here keeps it.
    """

    def __init__(
        self, ca_file: str | None = None, telemetry: Telemetry | None = None, *, read_seconds: float = READ_SECONDS
    ) -> None:
        super().__init__()
        self._telemetry = telemetry
        self._timeout = (CONNECT_SECONDS, read_seconds)
        self.trust_env = False
        if ca_file is not None:
            self.verify = ca_file
        retry = Retry(
            connect=2,
            read=0,
            status=0,
            redirect=0,
            other=0,
            backoff_factor=0.1,
            respect_retry_after_header=False,  # else a throttled GET ends in urllib3's own error, without the header
        )
        self.mount("https://", HTTPAdapter(max_retries=retry, pool_maxsize=32))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """One request; 429, 5xx and a body of another shape than Entra's raise `UpstreamUnavailable`.

        MSAL takes the shape for granted, and remembers the `error` of an answer for its next request.
        """
        kwargs["timeout"] = self._timeout
        kwargs["allow_redirects"] = False
        try:
            response = super().request(method, url, *args, **kwargs)
        except requests.exceptions.ConnectTimeout as error:
            raise UpstreamUnavailable(SERVICE) from error
        except requests.exceptions.Timeout as error:
            raise UpstreamTimeout(SERVICE) from error
        except requests.exceptions.RequestException as error:
            raise UpstreamUnavailable(SERVICE) from error
        if response.status_code == 429 and self._telemetry is not None:
            self._telemetry.count(Metric.THROTTLED, service="entra")
        checked(response.status_code, response.headers, response.json)
        return response
