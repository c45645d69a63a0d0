"""Counting the answers that told us to slow down, also those that a client's own retries hide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy

from shared.adapters.transport import KeptTransport
from shared.domain.measures import Metric
from shared.services.ports import Telemetry

TOO_MANY = 429
STORAGE_BUSY = (TOO_MANY, 503)
"""Storage answers 503, "Server Busy", where others answer 429."""


class ThrottleWatch(SansIOHTTPPolicy[Any, Any]):
    """Sees each try of a client; given as one of its `per_retry_policies`."""

    def __init__(self, service: str, telemetry: Telemetry, statuses: tuple[int, ...] = (TOO_MANY,)) -> None:
        self._service, self._telemetry, self._statuses = service, telemetry, statuses

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:  # noqa: ARG002 -- azure-core's
        """See `SansIOHTTPPolicy`."""
        if response.http_response.status_code in self._statuses:
            self._telemetry.count(Metric.THROTTLED, service=self._service)


def watched(service: str, telemetry: Telemetry | None, statuses: tuple[int, ...] = (TOO_MANY,)) -> dict[str, Any]:
    """The option of an official client that has its answers counted; nothing where nothing is measured."""
    return {"per_retry_policies": [ThrottleWatch(service, telemetry, statuses)]} if telemetry else {}


def watched_transport(
    service: str, telemetry: Telemetry | None, others: Mapping[str, str] | None = None, **options: Any
) -> KeptTransport:
    """A transport whose answers are counted under `service`, or another one that `others` names by its address."""
    if telemetry is None:
        return KeptTransport(**options)
    return WatchedTransport(service, telemetry, others or {}, **options)


class WatchedTransport(KeptTransport):
    """For requests that pass no official client's pipeline of ours."""

    def __init__(self, service: str, telemetry: Telemetry, others: Mapping[str, str], **options: Any) -> None:
        super().__init__(**options)
        self._service, self._telemetry, self._others = service, telemetry, others

    async def send(self, request: Any, **options: Any) -> Any:
        """See `AioHttpTransport`."""
        response = await super().send(request, **options)
        if response.status_code == TOO_MANY:
            named = (name for url, name in self._others.items() if request.url.startswith(url))
            self._telemetry.count(Metric.THROTTLED, service=next(named, self._service))
        return response
