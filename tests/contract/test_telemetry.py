"""The real telemetry over OpenTelemetry's own in-memory exporters, and what it costs where none is configured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from azure.core.pipeline import PipelineResponse
from azure.core.rest import HttpRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.adapters.telemetry import NAME, OpenTelemetry
from shared.adapters.throttling import STORAGE_BUSY, ThrottleWatch, watched_transport
from shared.domain.measures import Metric
from tests.fakes.telemetry import FakeTelemetry, key

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """`app` on loopback; its address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Answer:
    """An answer with a status, as a pipeline hands it on."""

    def __init__(self, status: int) -> None:
        self.http_response = self
        self.status_code = status


def test_each_kind_of_measure_arrives_with_its_attributes() -> None:
    reader = InMemoryMetricReader()
    telemetry = OpenTelemetry(meter=MeterProvider([reader]).get_meter(NAME))
    for _ in range(2):
        telemetry.count(Metric.ROTATIONS, outcome="success")
        telemetry.record(Metric.ROTATION_DURATION, 1.5, outcome="success")
        telemetry.gauge(Metric.OLDEST_DUE_AGE, 7)
    data = reader.get_metrics_data()
    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    points: dict[str, Any] = {metric.name: metric.data.data_points[0] for metric in scope.metrics}
    assert (points["rotations"].value, points["rotations"].attributes) == (2, {"outcome": "success"})
    assert (points["rotation.duration"].count, points["rotation.duration"].sum) == (2, 3.0)
    assert points["due.oldest_age"].value == 7


def test_a_gauge_is_told_once_for_each_time_it_was_set_and_not_until_the_process_ends() -> None:
    reader = InMemoryMetricReader()
    telemetry = OpenTelemetry(meter=MeterProvider([reader]).get_meter(NAME))
    telemetry.gauge(Metric.OLDEST_DUE_AGE, 60)
    telemetry.gauge(Metric.OLDEST_DUE_AGE, 3600)
    telemetry.gauge(Metric.DUE_NEXT, 2, within="day")
    telemetry.gauge(Metric.DUE_NEXT, 5, within="week")
    assert gauged(reader) == {("due.oldest_age", ""): 3600, ("due.next", "day"): 2, ("due.next", "week"): 5}
    assert gauged(reader) == {}, "nobody set anything since"
    telemetry.gauge(Metric.DUE_NEXT, 1, within="day")
    assert gauged(reader) == {("due.next", "day"): 1}


def gauged(reader: InMemoryMetricReader) -> dict[tuple[str, str], float]:
    """What one export would hold: by metric and `within`."""
    data = reader.get_metrics_data()
    return {
        (metric.name, str((point.attributes or {}).get("within", ""))): cast(Any, point).value
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def test_a_span_that_fails_shows_the_kind_of_fault_and_never_its_text() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = OpenTelemetry(tracer=provider.get_tracer(NAME))
    with (
        pytest.raises(ValueError, match="s3cret"),
        telemetry.span("outer", requestId="r"),
        telemetry.span("inner"),
    ):
        raise ValueError("s3cret")
    inner, outer = exporter.get_finished_spans()
    assert (inner.name, outer.name, outer.attributes) == ("inner", "outer", {"requestId": "r"})
    assert inner.parent is not None
    assert inner.status.description == "ValueError"
    assert "s3cret" not in inner.to_json() + outer.to_json()


def test_the_outermost_span_belongs_to_the_trace_that_the_host_named() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = OpenTelemetry(tracer=provider.get_tracer(NAME))
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with telemetry.span("outer", parent=f"00-{trace}-{parent}-01"), telemetry.span("inner"):
        pass
    inner, outer = exporter.get_finished_spans()
    assert outer.parent is not None
    assert (f"{outer.context.trace_id:x}", f"{outer.parent.span_id:x}") == (trace.lstrip("0"), parent)
    assert inner.parent == outer.context


async def test_who_says_slow_down_on_a_transport_that_is_shared_is_told_apart() -> None:
    async def throttled(_: web.Request) -> web.Response:
        return web.Response(status=429)

    app, telemetry = web.Application(), FakeTelemetry()
    app.router.add_get("/{path:.*}", throttled)
    async with (
        serving(app) as address,
        watched_transport("entra", telemetry, {f"{address}/graph": "graph"}) as transport,
    ):
        for place in ("entra", "graph", "graph"):
            await transport.send(HttpRequest("GET", f"{address}/{place}/x"))
    counted = {"entra": 1, "graph": 2}
    assert telemetry.counts == {key(Metric.THROTTLED, {"service": name}): times for name, times in counted.items()}


def test_each_answer_that_says_slow_down_is_counted() -> None:
    telemetry = FakeTelemetry()
    watches = ThrottleWatch("key-vault", telemetry), ThrottleWatch("storage", telemetry, STORAGE_BUSY)
    for watch, status in product(watches, (200, 429, 500, 503, 429)):
        watch.on_response(cast(Any, None), cast(PipelineResponse[Any, Any], Answer(status)))
    assert telemetry.counts == {
        key(Metric.THROTTLED, {"service": "key-vault"}): 2,
        key(Metric.THROTTLED, {"service": "storage"}): 3,
    }


def test_without_a_connection_string_and_a_topic_their_libraries_are_not_loaded() -> None:
    script = """
import sys
from tests.fakes.application import settings_for_tests
from shared.adapters.azure import azure_adapters
from shared.bootstrap import utc_now
import asyncio
async def main():
    parts = azure_adapters(settings_for_tests(**{"AzureWebJobsStorage": "DefaultEndpointsProtocol=http;AccountName=a;"
        "AccountKey=Zm9v;TableEndpoint=http://127.0.0.1:1/a;"}), utc_now)
    assert (parts["telemetry"], parts["topic"]) == (None, None)
asyncio.run(main())
loaded = [name for name in ("azure.monitor", "azure.eventgrid", "opentelemetry.sdk") if name in sys.modules]
sys.exit(f"loaded: {loaded}" if loaded else 0)
"""
    fresh = subprocess.run(  # noqa: S603 -- our own interpreter and script
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert fresh.returncode == 0, fresh.stderr
