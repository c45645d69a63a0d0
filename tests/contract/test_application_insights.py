"""What reaches Application Insights, by whose identity: the real exporter in a process of its own, and a stand-in."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from local.certificate import ensure_certificate, server_context
from local.entra import seed

ROOT = Path(__file__).parents[2]
TRACE = "0af7651916cd43dd8448eb211c80319c"
TOKEN = "a-token-of-the-managed-identity"
SCRIPT = f"""
import logging
import os
from opentelemetry import metrics, trace
from shared.adapters.azure import telemetry_for
from shared.domain.measures import Metric
from tests.fakes.application import settings_for_tests

names = ("APPLICATIONINSIGHTS_CONNECTION_STRING", "AZURE_CLIENT_ID")
telemetry = telemetry_for(settings_for_tests(**{{name: os.environ[name] for name in names}}))
with telemetry.span("request connections_create", parent="00-{TRACE}-{"1" * 16}-00", requestId="{TRACE}"):
    telemetry.count(Metric.ROTATIONS, outcome="success")
    telemetry.gauge(Metric.OLDEST_DUE_AGE, 3600)
    logging.getLogger("shared").error("a line of the log")
metrics.get_meter_provider().force_flush()  # one export; the shutdown is another
trace.get_tracer_provider().shutdown()
metrics.get_meter_provider().shutdown()
"""


@dataclass(slots=True)
class Insights:
    """The managed identity's endpoint and Application Insights, on loopback."""

    environment: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    """Queries to the identity's endpoint."""
    bearers: set[str] = field(default_factory=set)
    envelopes: list[dict[str, Any]] = field(default_factory=list)

    async def token(self, request: web.Request) -> web.Response:
        """A token for whoever asks."""
        self.asked.append(dict(request.query))
        expires_on = str(int(time.time()) + 3600)
        return web.json_response({"access_token": TOKEN, "expires_on": expires_on, "token_type": "Bearer"})

    async def track(self, request: web.Request) -> web.Response:
        """Take a batch."""
        self.bearers.add(request.headers.get("Authorization", ""))
        batch = await request.json()
        self.envelopes += batch
        return web.json_response({"itemsReceived": len(batch), "itemsAccepted": len(batch), "errors": []})

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The envelopes of one type."""
        return [each for each in self.envelopes if each["data"]["baseType"] == kind]


@pytest.fixture
async def insights(tmp_path: Path) -> AsyncIterator[Insights]:
    made = Insights()
    certificate, key = ensure_certificate(tmp_path)
    app = web.Application()
    app.add_routes([web.get("/msi/token", made.token), web.post("/v2.1/track", made.track)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(certificate, key)).start()
    plain, tls = (port for _, port in runner.addresses)
    address = f"InstrumentationKey={seed.HOME_TENANT_ID};IngestionEndpoint=https://127.0.0.1:{tls}"
    made.environment = {
        "APPLICATIONINSIGHTS_CONNECTION_STRING": address,
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",  # the exporter's own statistics, which go elsewhere
        "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
        "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
        "AZURE_CLIENT_ID": seed.IDENTITY_CLIENT_ID,
        "IDENTITY_ENDPOINT": f"http://127.0.0.1:{plain}/msi/token",
        "IDENTITY_HEADER": "a-header",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "azure_app_service",
        "REQUESTS_CA_BUNDLE": str(certificate),
        "TMPDIR": str(tmp_path),
    }
    try:
        yield made
    finally:
        await runner.cleanup()


async def test_spans_and_metrics_arrive_by_managed_identity_and_no_log_line_does(insights: Insights) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, cwd=ROOT, env={**os.environ, **insights.environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), timeout=60)
    assert process.returncode == 0, said.decode()
    (span,) = insights.of("RemoteDependencyData")  # the first one of its process, which no sampler took away
    assert span["data"]["baseData"]["name"] == "request connections_create"
    assert span["data"]["baseData"]["properties"]["requestId"] == TRACE
    assert span["tags"]["ai.operation.id"] == TRACE, "it belongs to the trace of the host's own request"
    metrics = [
        (metric["name"], metric["value"])
        for each in insights.of("MetricData")
        for metric in each["data"]["baseData"]["metrics"]
    ]
    assert metrics.count(("rotations", 1)) == 1
    assert [value for name, value in metrics if name == "due.oldest_age"] == [3600], "once, though exported twice"
    assert insights.of("MessageData") == [], "log lines go by the host"
    assert insights.bearers == {f"Bearer {TOKEN}"}
    assert {each["client_id"] for each in insights.asked} == {seed.IDENTITY_CLIENT_ID}
    assert {each["resource"].rstrip("/") for each in insights.asked} == {"https://monitor.azure.com"}
