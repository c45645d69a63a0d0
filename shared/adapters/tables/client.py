"""The table service client, with the retries and time-outs that every table shares."""

from __future__ import annotations

from typing import Any

from azure.data.tables.aio import TableServiceClient

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
}


def from_connection_string(connection_string: str) -> TableServiceClient:
    """For the storage emulator."""
    return TableServiceClient.from_connection_string(connection_string, **OPTIONS)


def from_account(endpoint: str, credential: Any) -> TableServiceClient:
    """For Azure, by the function app's identity."""
    return TableServiceClient(endpoint=endpoint, credential=credential, **OPTIONS)
