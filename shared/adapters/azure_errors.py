"""From azure-core's exceptions to the product's own: the one place that knows both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aiohttp import ClientConnectorError
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
)

from shared.domain.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable

THROTTLED_OR_DOWN = frozenset({429, 500, 502, 503})
TIMED_OUT = frozenset({408, 504})


@contextmanager
def translated(service: str) -> Iterator[None]:
    """Raise `UpstreamError` and its kinds in place of azure-core's; what the body caught itself never gets here."""
    try:
        yield
    except AzureError as error:
        raise translate(service, error) from error


def translate(service: str, error: AzureError) -> UpstreamError:
    """The product's word for `error`. A response that was lost may belong to a call that acted."""
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return UpstreamUnavailable(service) if was_never_sent(error) else UpstreamTimeout(service)
    if isinstance(error, ClientAuthenticationError):
        return UpstreamError(service, f"{service} refused the service's own identity; tell the operators")
    if isinstance(error, HttpResponseError):
        if error.status_code in TIMED_OUT:
            return UpstreamTimeout(service)
        if error.status_code in THROTTLED_OR_DOWN:
            return UpstreamUnavailable(service, retry_after=retry_after(error))
    return UpstreamError(service)


def was_never_sent(error: AzureError) -> bool:
    """No connection came about. azure-core says "request error" of a connection that was cut afterwards, too."""
    if isinstance(error, ServiceRequestTimeoutError):
        return True
    return isinstance(error, ServiceRequestError) and isinstance(error.inner_exception, ClientConnectorError)


def retry_after(error: HttpResponseError) -> float | None:
    """Seconds from the `Retry-After` header (RFC 9110 section 10.2.3), where it is a number."""
    return retry_seconds(getattr(error.response, "headers", {}))  # the SDK's own protocol type leaves headers out


def retry_seconds(headers: Mapping[str, str]) -> float | None:
    """The same of an answer's headers."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None
