"""Where the service measures itself."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from shared.domain.measures import Metric


class Telemetry(Protocol):
    """Metrics and spans. No attribute is an id of a connection, a tenant or a person in a metric; none a secret at all.

    Nothing here ever raises, waits or does I/O.
    """

    def count(self, metric: Metric, amount: int = 1, **attributes: str) -> None:
        """Add to a counter."""

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """One value of a histogram."""

    def gauge(self, metric: Metric, value: float, **attributes: str) -> None:
        """The value now. It is told once; whoever asks for what stands looks for the newest."""

    def span(self, name: str, *, parent: str | None = None, **attributes: str) -> AbstractContextManager[None]:
        """What is done inside is shown as one step, under the step that it is part of.

        The outermost one names its `parent` in another process by a `traceparent` (W3C Trace Context).
        """
