"""Counting the answers that told us to slow down, also those that a client's own retries hide."""

from __future__ import annotations

from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport

from shared.domain.measures import Metric
from shared.services.ports import Telemetry

TOO_MANY = 429
STORAGE_BUSY = (TOO_MANY, 503)
"""Storage answers 503, "Server Busy", where others answer 429."""


class ThrottleWatch(SansIOHTTPPolicy[Any, Any]):
    """Sees each try of a client; given as one of its `per_retry_policies`."""

    def __init__(self, service: str, telemetry: Telemetry, statuses: tuple[int, ...] = (TOO_MANY,)) -> None:
        self._service, self._telemetry, self._statuses = service, telemetry, statuses

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:  # noqa: ARG002
        """See `SansIOHTTPPolicy`."""
        if response.http_response.status_code in self._statuses:
            self._telemetry.count(Metric.THROTTLED, service=self._service)


class WatchedTransport(AioHttpTransport):  # type: ignore[misc]  # azure-core exports it lazily, without its type
    """For calls that share a transport, to Entra and to Graph."""

    def __init__(self, telemetry: Telemetry, graph_url: str, **options: Any) -> None:
        super().__init__(**options)
        self._telemetry, self._graph_url = telemetry, graph_url

    async def send(self, request: Any, **options: Any) -> Any:
        """See `AioHttpTransport`."""
        response = await super().send(request, **options)
        if response.status_code == TOO_MANY:
            service = "graph" if request.url.startswith(self._graph_url) else "entra"
            self._telemetry.count(Metric.THROTTLED, service=service)
        return response
