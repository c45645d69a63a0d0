"""What an operation costs in table storage: requests and rows. An emulator's time would say little."""

from __future__ import annotations

import json
from typing import Any


class Meter:
    """Counts the requests of a client, and the rows of its queries' answers."""

    def __init__(self) -> None:
        self.requests = 0
        self.rows = 0

    def __call__(self, response: Any) -> None:
        """azure-core's `raw_response_hook`."""
        self.requests += 1
        if response.http_request.method == "GET":
            self.rows += len(json.loads(response.http_response.text())["value"])

    def reset(self) -> None:
        """Count from here."""
        self.requests = self.rows = 0
