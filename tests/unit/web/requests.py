"""Requests as the Functions worker hands them over, and a door that takes a caller at their word."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import azure.functions as func

from shared.domain.caller import Caller
from shared.domain.errors import Unauthorized
from shared.web.auth import BearerAuth

ORG = "c0000000-0000-4000-8000-000000000001"
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACE_PARENT = f"00-{TRACE}-{'1' * 16}-01"


def request(
    method: str = "GET",
    *,
    headers: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    path: dict[str, str] | None = None,
    body: bytes = b"",
) -> func.HttpRequest:
    """An HTTP request."""
    url = f"https://connections.example/api/x?{urlencode(params or {})}"
    valued = {name: value for name, value in (params or {}).items() if value}  # the others the host leaves out
    return func.HttpRequest(method, url, headers=headers, params=valued, route_params=path, body=body)


def authorised(
    *roles: str, body: bytes | None = None, content_type: str = "application/json", **rest: Any
) -> func.HttpRequest:
    """A request of a caller with `roles`; a POST when it has a body, unless told otherwise."""
    headers = {"Authorization": f"Bearer {' '.join(roles)}", "Content-Type": content_type, **rest.pop("headers", {})}
    method = rest.pop("method", "GET" if body is None else "POST")
    return request(method, headers=headers, body=body or b"", **rest)


def context(trace_parent: str | None = TRACE_PARENT, function_name: str = "a-function") -> func.Context:
    """An invocation's context, with its place in the caller's trace."""
    trace = SimpleNamespace(trace_parent=trace_parent)
    return cast("func.Context", SimpleNamespace(trace_context=trace, function_name=function_name))


def answer(response: func.HttpResponse) -> Any:
    """The JSON of an answer."""
    return json.loads(response.get_body())


class Out(func.Out[str]):
    """The queue's output binding."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def set(self, val: str) -> None:
        """See `func.Out`."""
        self.sent.append(val)

    def get(self) -> str:
        """See `func.Out`."""
        return self.sent[-1]


class TrustingAuth(BearerAuth):
    """The bearer token is the list of roles."""

    def __init__(self) -> None:
        super().__init__(authority="https://login.example", audience="api", allowed_tenants=())

    async def authenticate(self, header: str | None) -> Caller:
        """See `BearerAuth`."""
        if not header:
            raise Unauthorized("A bearer token of Microsoft Entra ID is required")
        roles = header.removeprefix("Bearer ").split()
        return Caller(org_id=ORG, object_id="somebody", name="Somebody", roles=frozenset(roles))
