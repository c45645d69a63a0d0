"""Counting the answers that told us to slow down, also those that a client's own retries hide."""

from __future__ import annotations

from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport

from shared.domain.measures import Metric
from shared.services.ports import Telemetry

TOO_MANY = 429


class ThrottleWatch(SansIOHTTPPolicy[Any, Any]):
    """Sees each try of a client; given as one of its `per_retry_policies`."""

    def __init__(self, service: str, telemetry: Telemetry) -> None:
        self._service, self._telemetry = service, telemetry

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:  # noqa: ARG002
        """See `SansIOHTTPPolicy`."""
        if response.http_response.status_code == TOO_MANY:
            self._telemetry.count(Metric.THROTTLED, service=self._service)


def watched(service: str, telemetry: Telemetry | None) -> dict[str, Any]:
    """The option of an official client that has its answers counted; nothing where nothing is measured."""
    return {"per_retry_policies": [ThrottleWatch(service, telemetry)]} if telemetry else {}


class WatchedTransport(AioHttpTransport):  # type: ignore[misc]  # azure-core exports it lazily, without its type
    """For calls that share a transport: to Entra, to Graph, and to customers' vaults."""

    def __init__(self, telemetry: Telemetry, authority: str, graph_url: str, **options: Any) -> None:
        super().__init__(**options)
        self._telemetry = telemetry
        self._services = {graph_url: "graph", authority: "entra"}

    async def send(self, request: Any, **options: Any) -> Any:
        """See `AioHttpTransport`."""
        response = await super().send(request, **options)
        if response.status_code == TOO_MANY:
            named = (name for url, name in self._services.items() if request.url.startswith(url))
            self._telemetry.count(Metric.THROTTLED, service=next(named, "customer-vault"))
        return response
