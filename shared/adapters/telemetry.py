"""OpenTelemetry. Imported only where a connection string is configured, and the exporter with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.metrics import Counter, Histogram, Meter
from opentelemetry.metrics import _Gauge as Gauge
from opentelemetry.trace import StatusCode, Tracer

from shared.domain.measures import Metric

NAME = "keyvault-connections"


class OpenTelemetry:
    """`Telemetry` over the API of OpenTelemetry; where it goes is whoever's who configured the providers."""

    def __init__(self, meter: Meter | None = None, tracer: Tracer | None = None) -> None:
        self._meter = meter or metrics.get_meter(NAME)
        self._tracer = tracer or trace.get_tracer(NAME)
        self._counters: dict[Metric, Counter] = {}
        self._histograms: dict[Metric, Histogram] = {}
        self._gauges: dict[Metric, Gauge] = {}

    def count(self, metric: Metric, amount: int = 1, **attributes: str) -> None:
        """See `Telemetry`."""
        if metric not in self._counters:
            self._counters[metric] = self._meter.create_counter(metric.value)
        self._counters[metric].add(amount, attributes)

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """See `Telemetry`."""
        if metric not in self._histograms:
            self._histograms[metric] = self._meter.create_histogram(metric.value)
        self._histograms[metric].record(value, attributes)

    def gauge(self, metric: Metric, value: float, **attributes: str) -> None:
        """See `Telemetry`."""
        if metric not in self._gauges:
            self._gauges[metric] = self._meter.create_gauge(metric.value)
        self._gauges[metric].set(value, attributes)

    @contextmanager
    def span(self, name: str, **attributes: str) -> Iterator[None]:
        """See `Telemetry`. Of an exception only the kind is kept: its text may quote what it should not."""
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise


def to_application_insights(connection_string: str) -> OpenTelemetry:
    """Telemetry that goes to Application Insights; log lines go there by the host already."""
    from azure.monitor.opentelemetry import configure_azure_monitor  # noqa: PLC0415 -- seconds of a cold start

    off = {name: {"enabled": False} for name in ("azure_sdk", "django", "fastapi", "flask", "psycopg2", "requests",
                                                 "urllib", "urllib3")}  # fmt: skip
    configure_azure_monitor(connection_string=connection_string, disable_logging=True, instrumentation_options=off)
    return OpenTelemetry()
