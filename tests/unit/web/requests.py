"""Requests as the Functions worker hands them over, and a door that takes a caller at their word."""

from __future__ import annotations

import json
from typing import Any

import azure.functions as func

from shared.domain.caller import Caller
from shared.domain.errors import Unauthorized
from shared.web.auth import BearerAuth

ORG = "c0000000-0000-4000-8000-000000000001"


def request(
    method: str = "GET",
    *,
    headers: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    path: dict[str, str] | None = None,
    body: bytes = b"",
) -> func.HttpRequest:
    """An HTTP request."""
    return func.HttpRequest(
        method, "https://connections.example/api/x", headers=headers, params=params, route_params=path, body=body
    )


def authorised(
    *roles: str, body: bytes | None = None, content_type: str = "application/json", **rest: Any
) -> func.HttpRequest:
    """A request of a caller with `roles`."""
    headers = {"Authorization": f"Bearer {' '.join(roles)}", "Content-Type": content_type, **rest.pop("headers", {})}
    return request("GET" if body is None else "POST", headers=headers, body=body or b"", **rest)


def answer(response: func.HttpResponse) -> Any:
    """The JSON of an answer."""
    return json.loads(response.get_body())


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
