"""From an HTTP request to one use case and back: parse, authorise, act, render.

    @api.endpoint(Permission.READ)
    async def connections_get(call: Call) -> Answer: ...

What a function returns becomes JSON; what it raises becomes the error envelope.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import azure.functions as func
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from shared.domain.caller import Caller, Permission
from shared.domain.connection import Connection
from shared.domain.errors import (
    BadRequest,
    PayloadTooLarge,
    Problem,
    ProductError,
    UnsupportedMediaType,
    ValidationFailed,
)
from shared.web import problems
from shared.web.application import Application
from shared.web.models import Body, is_uuid

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024

Answer = dict[str, Any]
AnyBody = TypeVar("AnyBody", bound=Body)

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(slots=True)
class Call:
    """One request of an authorised caller."""

    request: func.HttpRequest
    caller: Caller
    app: Application
    work: list[str] = field(default_factory=list)
    """Queue messages to send once the answer is known."""

    def path_id(self, name: str) -> str:
        """A GUID from the path, lower-case. Raises `ValidationFailed`."""
        text = str(self.request.route_params.get(name, "")).lower()
        if not is_uuid(text):
            raise ValidationFailed([Problem("invalid_string", (name,), "Invalid uuid")])
        return text

    def query(self, model: type[AnyBody]) -> AnyBody:
        """The query string. Raises `ValidationFailed`."""
        try:
            return model.model_validate(dict(self.request.params))
        except ValidationError as error:
            raise problems.from_validation(error) from None

    def body(self, model: type[AnyBody]) -> AnyBody:
        """The JSON body. Raises `PayloadTooLarge`, `UnsupportedMediaType`, `BadRequest` or `ValidationFailed`."""
        settings = self.app.settings
        context = {"redirect_uris": settings.all_redirect_uris, "return_origins": settings.return_origins}
        try:
            return model.model_validate(self._json(), context=context)
        except ValidationError as error:
            raise problems.from_validation(error) from None

    def look_at(self, connection: Connection) -> None:
        """Have the background work look at `connection` at once, not only when the timer comes by."""
        self.work.append(work_message(connection.org_id, connection.id))

    def _json(self) -> Any:
        media_type = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        raw = self.request.get_body()
        if len(raw) > MAX_BODY_BYTES:
            raise PayloadTooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes")
        if media_type != "application/json":
            raise UnsupportedMediaType("The body must be JSON, declared as Content-Type: application/json")
        try:
            return from_json(raw, allow_inf_nan=False)
        except ValueError:
            raise BadRequest("The body is not well-formed JSON") from None


def work_message(org_id: str, connection_id: str) -> str:
    """The body of a queue message: ids only."""
    return json.dumps({"orgId": org_id, "connectionId": connection_id}, separators=(",", ":"))


Use = Callable[[Call], Awaitable[Answer]]
HttpFunction = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]
HttpFunctionWithWork = Callable[[func.HttpRequest, func.Out[str]], Awaitable[func.HttpResponse]]


class Endpoints:
    """Makes Azure Functions out of use cases. `application` is asked at the first request, never at import."""

    def __init__(self, application: Callable[[], Application]) -> None:
        self._application = application

    def endpoint(self, permission: Permission) -> Callable[[Use], HttpFunction]:
        """A function for callers with `permission`."""

        def decorate(use: Use) -> HttpFunction:
            async def function(req: func.HttpRequest) -> func.HttpResponse:
                response, _ = await self._serve(use, permission, req)
                return response

            return _named(function, use)

        return decorate

    def endpoint_with_work(self, permission: Permission) -> Callable[[Use], HttpFunctionWithWork]:
        """The same with a queue output `work`, for what should not wait for the timer."""

        def decorate(use: Use) -> HttpFunctionWithWork:
            async def function(req: func.HttpRequest, work: func.Out[str]) -> func.HttpResponse:
                response, messages = await self._serve(use, permission, req)
                if messages:
                    work.set(messages[0])
                return response

            return _named(function, use)

        return decorate

    async def _serve(
        self, use: Use, permission: Permission, request: func.HttpRequest
    ) -> tuple[func.HttpResponse, list[str]]:
        request_id = request_id_of(request)
        org_id, messages = "-", []
        try:
            app = self._application()
            caller = await app.auth.authenticate(request.headers.get("Authorization"))
            org_id = caller.org_id
            caller.require(permission)
            call = Call(request=request, caller=caller, app=app)
            answer = await use(call)
            messages = call.work
            headers = {**problems.SAFE_HEADERS, "x-request-id": request_id}
            response = func.HttpResponse(to_json(answer), mimetype="application/json", headers=headers)
        except ProductError as error:
            response = problems.render(error, request_id)
        except Exception:  # the last line of defence: a defect of ours shows as 500 without a word of its cause
            log.exception("request.defect function=%s requestId=%s", _name(use), request_id)
            response = problems.render_defect(request_id)
        log.info(
            "request.done function=%s status=%d requestId=%s orgId=%s",
            _name(use), response.status_code, request_id, org_id,
        )  # fmt: skip
        return response, messages


def request_id_of(request: func.HttpRequest) -> str:
    """The trace id that telemetry uses for this request (W3C Trace Context), or a new one."""
    found = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    return found.group(1) if found else uuid.uuid4().hex


AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


def _named(function: AnyFunction, use: Use) -> AnyFunction:
    """The worker indexes a function by its name and shows its docstring; its parameters must stay its own."""
    function.__name__ = function.__qualname__ = _name(use)
    function.__doc__ = use.__doc__
    function.__module__ = use.__module__
    return function


def _name(use: Use) -> str:
    return str(getattr(use, "__name__", "function"))
