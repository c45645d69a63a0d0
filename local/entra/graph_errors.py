"""Refusals in Microsoft Graph's shape (https://learn.microsoft.com/graph/errors)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from aiohttp import web

from local.entra.clock import utc_now


class GraphError(Exception):
    """A refusal in Graph's shape."""

    def __init__(self, status: int, code: str, message: str, *, target: str | None = None) -> None:
        super().__init__(message)
        self._status, self._code, self._message, self._target = status, code, message, target

    def response(self, request: web.Request) -> web.Response:
        """The answer."""
        request_id = str(uuid4())
        error: dict[str, Any] = {
            "code": self._code,
            "message": self._message,
            "innerError": {
                "date": f"{utc_now():%Y-%m-%dT%H:%M:%S}",
                "request-id": request_id,
                "client-request-id": request.headers.get("client-request-id", request_id),
            },
        }
        if self._target:
            error["details"] = [{"code": self._code, "message": self._message, "target": self._target}]
        return web.json_response({"error": error}, status=self._status, headers={"request-id": request_id})
