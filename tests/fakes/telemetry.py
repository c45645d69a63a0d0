"""Telemetry in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.domain.measures import Metric

Attributes = tuple[tuple[str, str], ...]


def key(metric: Metric, attributes: dict[str, str]) -> tuple[Metric, Attributes]:
    """A metric with its attributes, in one order."""
    return metric, tuple(sorted(attributes.items()))


class FakeTelemetry:
    """`Telemetry` in memory."""

    def __init__(self) -> None:
        self.counts: dict[tuple[Metric, Attributes], int] = {}
        self.values: dict[tuple[Metric, Attributes], list[float]] = {}
        self.gauges: dict[tuple[Metric, Attributes], float] = {}
        self.spans: list[str] = []
        self.roots: list[tuple[str, str, dict[str, str]]] = []
        """Name, parent and attributes of each span whose parent is in another process."""

    def count(self, metric: Metric, amount: int = 1, **attributes: str) -> None:
        """See `Telemetry`."""
        self.counts[key(metric, attributes)] = self.counts.get(key(metric, attributes), 0) + amount

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """See `Telemetry`."""
        self.values.setdefault(key(metric, attributes), []).append(value)

    def gauge(self, metric: Metric, value: float, **attributes: str) -> None:
        """See `Telemetry`."""
        self.gauges[key(metric, attributes)] = value

    @contextmanager
    def span(self, name: str, *, parent: str | None = None, **attributes: str) -> Iterator[None]:
        """See `Telemetry`."""
        self.spans.append(name)
        self.roots += [(name, parent, attributes)] if parent else []
        yield
