"""What an operation costs in table storage: requests and rows. An emulator's time would say little."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any


class Meter:
    """Counts the requests of a client, and the rows of its queries' answers."""

    def __init__(self) -> None:
        self.requests = 0
        self.rows = 0

    def __call__(self, response: Any) -> None:
        """azure-core's `raw_response_hook`."""
        self.requests += 1
        if response.http_request.method == "GET" and response.http_response.status_code == HTTPStatus.OK:
            body = json.loads(response.http_response.text())
            self.rows += len(body.get("value", [body]))  # a page, or one entity

    def reset(self) -> None:
        """Count from here."""
        self.requests = self.rows = 0
