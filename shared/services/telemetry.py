"""No telemetry, and the spans of calls to the outside world."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, TypeVar, cast

from shared.domain.measures import Metric
from shared.services.ports import Telemetry

Port = TypeVar("Port")


class NoTelemetry:
    """`Telemetry` where none is configured."""

    def count(self, metric: Metric, amount: int = 1, **attributes: str) -> None:
        """See `Telemetry`."""

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """See `Telemetry`."""

    def gauge(self, metric: Metric, value: float, **attributes: str) -> None:
        """See `Telemetry`."""

    def span(
        self,
        name: str,  # noqa: ARG002 -- the port's
        *,
        parent: str | None = None,  # noqa: ARG002 -- the port's
        **attributes: str,  # noqa: ARG002 -- the port's
    ) -> AbstractContextManager[None]:
        """See `Telemetry`."""
        return nullcontext()


class _Observed:
    """Passes everything on; each call is a span `<name>.<method>`. Arguments are never looked at: some are secret."""

    def __init__(self, port: object, name: str, telemetry: Telemetry) -> None:
        self._port, self._name, self._telemetry = port, name, telemetry

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._port, method)
        if not inspect.iscoroutinefunction(call):
            return call

        @wraps(call)
        async def observed_call(*args: Any, **kwargs: Any) -> Any:
            with self._telemetry.span(f"{self._name}.{method}"):
                result = await call(*args, **kwargs)
            return observed(result, self._name, self._telemetry) if method == "sign_in" else result

        return observed_call


def observed(port: Port, name: str, telemetry: Telemetry) -> Port:
    """`port`, each of whose calls is a span; as it is where there is no telemetry."""
    return port if isinstance(telemetry, NoTelemetry) else cast(Port, _Observed(port, name, telemetry))
