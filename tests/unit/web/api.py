"""The endpoints as the function app declares them, over a world of fakes."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import azure.functions as func
from azure.functions.decorators.function_app import Function

from function_app import app
from shared.domain.caller import Permission
from shared.web.endpoint import Endpoints
from shared.web.openapi import operations, statuses
from shared.web.operation import Operation
from tests.fakes.application import fake_application
from tests.unit.web.requests import ORG, Out, TrustingAuth, answer, authorised, context
from tests.unit.web.sent import CLIENT, TENANT, create

FUNCTIONS: list[Function] = app.get_functions()
"""What a host finds. It can be asked for once only."""

OPERATIONS: dict[str, tuple[str, str, Operation]] = {each[2].name: each for each in operations(FUNCTIONS)}
"""Path, method and declaration of every endpoint, by name."""

EVERYTHING = tuple(permission.value for permission in Permission)
SOME_ID = "0f1e2d3c-0000-4000-8000-000000000000"
ADDRESS = "192.0.2.1"


def user_function(name: str) -> Any:
    """The function of that name, as the host calls it."""
    (found,) = [each for each in FUNCTIONS if each.get_function_name() == name]
    return found.get_user_function()


def some_path(name: str) -> dict[str, str]:
    """A value for each part of the endpoint's path that is open."""
    path, _, _ = OPERATIONS[name]
    return {part: "payments" if part == "connectionName" else SOME_ID for part in re.findall(r"{(\w+)}", path)}


class Api:
    """Callers of the API. Every answer's status must be one that the OpenAPI document tells of."""

    def __init__(self) -> None:
        self.world = fake_application(auth=TrustingAuth())
        self.endpoints = Endpoints(lambda: self.world.app)
        self.out = Out()

    async def call(
        self,
        name: str,
        *,
        roles: tuple[str, ...] = EVERYTHING,
        path: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: Any = None,
    ) -> func.HttpResponse:
        """A call of the endpoint of that name; a `body` of bytes is sent as it is, everything else as JSON."""
        route, method, operation = OPERATIONS[name]
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = authorised(
            *roles,
            method=method,
            body=raw,
            params=params,
            path=some_path(name) if path is None else path,
            headers={"X-Forwarded-For": f"203.0.113.9, {ADDRESS}:50123", **(headers or {})},
        )
        if "work" in inspect.signature(user_function(name)).parameters:
            with_work = self.endpoints.endpoint_with_work(operation.permission, *operation.fails)(operation.use)
            response = await with_work(sent, context(), self.out)
        else:
            without = self.endpoints.endpoint(operation.permission, *operation.fails)(operation.use)
            response = await without(sent, context())
        await self.world.app.background.idle()
        assert response.status_code in {200, *statuses(route, operation)}, f"{name} does not declare it"
        return response

    async def created(self, name: str = "payments", **rest: Any) -> func.HttpResponse:
        """A new connection with a client secret."""
        self.world.apps.register(TENANT, CLIENT, "a-secret")
        return await self.call("connections_create", body=create("client-secret", name=name), **rest)

    def audit(self) -> list[dict[str, Any]]:
        """The audit log, newest first."""
        lines: list[dict[str, Any]] = self.world.audit.lines(ORG)
        return lines


def shown(response: func.HttpResponse) -> dict[str, Any]:
    """The connection in an answer that must be one."""
    assert response.status_code == 200, response.get_body()
    connection: dict[str, Any] = answer(response)["appConnection"]
    return connection


def path_of(response: func.HttpResponse) -> dict[str, str]:
    return {"connectionId": str(shown(response)["id"])}


def paths(response: func.HttpResponse) -> list[list[str | int]]:
    """Where the problems of a 422 are."""
    assert response.status_code == 422, response.get_body()
    return [problem["path"] for problem in answer(response)["message"]]
