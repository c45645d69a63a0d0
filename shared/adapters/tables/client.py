"""The table service client, with the retries and time-outs that every table shares."""

from __future__ import annotations

from typing import Any

from azure.data.tables.aio import TableServiceClient

from shared.adapters import transport
from shared.adapters.throttling import STORAGE_BUSY, watched
from shared.services.ports import Telemetry

SERVICE = "Table Storage"

CONNECT_SECONDS = 5
READ_SECONDS = 10
OPTIONS: dict[str, Any] = {
    "connection_timeout": CONNECT_SECONDS,
    "read_timeout": READ_SECONDS,
    "retry_total": 3,
    "retry_backoff_factor": 0.2,
    "retry_to_secondary": False,
    "logging_enable": False,
    **transport.OPTIONS,
}

RESENT: dict[str, Any] = {"retry_on_methods": frozenset({"POST"})}
"""For a transaction of which we can tell whether it was ours that won: it is sent again when its connection was cut.

azure-core sends no POST again by itself, and a kept connection that the service closed just then would be an error.
"""


def from_connection_string(connection_string: str, telemetry: Telemetry | None = None) -> TableServiceClient:
    """For the storage emulator."""
    return TableServiceClient.from_connection_string(connection_string, **OPTIONS, **_watched(telemetry))


def from_account(endpoint: str, credential: Any, telemetry: Telemetry | None = None) -> TableServiceClient:
    """For Azure, by the function app's identity."""
    return TableServiceClient(endpoint=endpoint, credential=credential, **OPTIONS, **_watched(telemetry))


def _watched(telemetry: Telemetry | None) -> dict[str, Any]:
    return watched("storage", telemetry, STORAGE_BUSY)
