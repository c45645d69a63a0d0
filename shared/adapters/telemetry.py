"""OpenTelemetry. Imported only where a connection string is configured, and the exporter with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation
from opentelemetry.trace import StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.domain.measures import Metric

NAME = "keyvault-connections"
_TRACE_CONTEXT = TraceContextTextMapPropagator()


class _Told:
    """What a gauge was set to since the last export. An SDK's own gauge repeats its value until the process ends, as if
    a timer that went elsewhere still saw what it saw last."""

    def __init__(self) -> None:
        self._values: dict[tuple[tuple[str, str], ...], float] = {}

    def set(self, value: float, attributes: dict[str, str]) -> None:
        self._values[tuple(sorted(attributes.items()))] = value

    def __call__(self, _: CallbackOptions) -> Iterator[Observation]:
        """Hand out and forget; in the exporter's thread, so one value at a time, that none set meanwhile is lost."""
        while self._values:
            attributes, value = self._values.popitem()
            yield Observation(value, dict(attributes))


class OpenTelemetry:
    """`Telemetry` over the API of OpenTelemetry; where it goes is whoever's who configured the providers."""

    def __init__(self, meter: Meter | None = None, tracer: Tracer | None = None) -> None:
        self._meter = meter or metrics.get_meter(NAME)
        self._tracer = tracer or trace.get_tracer(NAME)
        self._counters: dict[Metric, Counter] = {}
        self._histograms: dict[Metric, Histogram] = {}
        self._gauges: dict[Metric, _Told] = {}

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
            self._gauges[metric] = _Told()
            self._meter.create_observable_gauge(metric.value, callbacks=[self._gauges[metric]])
        self._gauges[metric].set(value, attributes)

    @contextmanager
    def span(self, name: str, *, parent: str | None = None, **attributes: str) -> Iterator[None]:
        """See `Telemetry`. Of an exception only the kind is kept: its text may quote what it should not."""
        context = _TRACE_CONTEXT.extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(
            name, context, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise


def to_application_insights(connection_string: str, identity_client_id: str | None) -> OpenTelemetry:
    """Telemetry that goes to Application Insights, by the function app's managed identity.

    Log lines, live metrics and the process's counters go there by the host already.
    """
    from azure.identity import ManagedIdentityCredential  # noqa: PLC0415 -- the exporter takes a synchronous one
    from azure.monitor.opentelemetry import configure_azure_monitor  # noqa: PLC0415 -- seconds of a cold start

    off = {name: {"enabled": False} for name in ("azure_sdk", "django", "fastapi", "flask", "psycopg2", "requests",
                                                 "urllib", "urllib3")}  # fmt: skip
    os.environ["OTEL_LOGS_EXPORTER"] = "none"  # the one way to have no log line twice: no argument says so
    # Left to itself the exporter keeps five spans a second, which drops a process's first and tears trees apart.
    sampled = {} if "OTEL_TRACES_SAMPLER" in os.environ else {"sampling_ratio": 1.0}
    configure_azure_monitor(
        connection_string=connection_string,
        credential=ManagedIdentityCredential(client_id=identity_client_id),
        instrumentation_options=off,
        enable_live_metrics=False,
        enable_performance_counters=False,
        **sampled,
    )
    return OpenTelemetry()
