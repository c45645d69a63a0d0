"""What an operation costs in storage: requests and rows. An emulator's time would say little."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.data.tables.aio import TableServiceClient

_NO_KEY = re.compile(r" and (?!PartitionKey|RowKey)\w+ \w+ (?:datetime)?'[^']*'")
_QUERY = re.compile(r"/(\w+)\(\)")


class Meter:
    """Counts the requests of a client, and the rows of its queries' answers."""

    def __init__(self) -> None:
        self.reset()

    def __call__(self, response: Any) -> None:
        """azure-core's `raw_response_hook`."""
        self.requests += 1
        url = urlsplit(response.http_request.url)
        self.paths.append(url.path)
        if response.http_request.method == "GET" and response.http_response.status_code == HTTPStatus.OK:
            body = json.loads(response.http_response.text())
            self.rows += len(body.get("value", [body]))  # a page, or one entity
        if (table := _QUERY.search(url.path)) and "NextPartitionKey" not in url.query:  # its first page
            self._queries.append((table[1], parse_qs(url.query)["$filter"][0]))

    async def rows_in_range(self, service: TableServiceClient) -> int:
        """How many rows the service had to go through for the queries: those within their keys, whatever else is asked.

        The rows must be as they were. What a condition on another property left out is read all the same.
        """
        count = 0
        for table, condition in tuple(self._queries):  # these are counted as well
            keys_alone = _NO_KEY.sub("", condition)
            if "Key" not in keys_alone:
                raise ValueError(f"no keys in {condition}")
            count += len(
                [1 async for _ in service.get_table_client(table).query_entities(keys_alone, select=["RowKey"])]
            )
        return count

    def reset(self) -> None:
        """Count from here."""
        self.requests = self.rows = 0
        self.paths: list[str] = []
        """Of each request."""
        self._queries: list[tuple[str, str]] = []
