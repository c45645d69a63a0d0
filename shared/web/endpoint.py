"""From an HTTP request to one use case and back: authorise, parse, act, render.

    @api.endpoint(Permission.READ)
    async def connections_get(call: Call) -> ConnectionAnswer: ...

What a function returns becomes JSON; what it raises becomes the error envelope.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import azure.functions as func
from pydantic_core import from_json

from shared.domain.audit import Action, Origin
from shared.domain.caller import Caller, Permission
from shared.domain.connection import Row
from shared.domain.errors import (
    BadRequest,
    PayloadTooLarge,
    PermissionDenied,
    Problem,
    ProductError,
    UnsupportedMediaType,
    ValidationFailed,
)
from shared.domain.model import Record
from shared.services.invocation import invocation
from shared.services.ports import Work
from shared.web import problems
from shared.web.answers import ConnectionAnswer
from shared.web.application import Application
from shared.web.fields import Strict, is_name, is_uuid
from shared.web.operation import Operation, Use
from shared.web.request import address_of, etag_of, parameters, request_id_of, trace_parent_of

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024

ACTIONS = {
    Permission.READ: Action.READ,
    Permission.CREATE: Action.CREATE,
    Permission.EDIT: Action.UPDATE,
    Permission.DELETE: Action.DELETE,
    Permission.CONNECT: Action.USE,
    Permission.ROTATE: Action.ROTATE,
    Permission.AUDIT: Action.AUDIT,
    Permission.PROJECTS: Action.PROJECTS,
}
"""How a refused or failed request is named in the audit log."""

HttpFunction = Callable[[func.HttpRequest, func.Context], Awaitable[func.HttpResponse]]
HttpFunctionWithWork = Callable[[func.HttpRequest, func.Context, func.Out[str]], Awaitable[func.HttpResponse]]


@dataclass(slots=True)
class Call:
    """One request of an authorised caller."""

    request: func.HttpRequest
    caller: Caller
    app: Application
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of the answer."""
    work: list[str] = field(default_factory=list)
    """Queue messages to send once the answer is known."""

    @property
    def context(self) -> dict[str, Any]:
        """What validation needs to know of this service."""
        settings = self.app.settings
        return {
            "redirect_uris": settings.all_redirect_uris,
            "return_origins": settings.return_origins,
            "vault_suffix": settings.vault_suffix,
            "loopback_vault": settings.loopback_vault,
            "now": self.app.clock(),
        }

    def path_id(self, name: str) -> str:
        """A GUID from the path, lower-case. Raises `ValidationFailed`."""
        text = self.path_text(name).lower()
        if not is_uuid(text):
            raise ValidationFailed([Problem("invalid_string", (name,), "Invalid uuid")])
        return text

    def path_name(self, name: str) -> str:
        """A connection's name from the path. Raises `ValidationFailed`."""
        text = self.path_text(name)
        if not is_name(text):
            raise ValidationFailed([Problem("invalid_string", (name,), "Invalid connection name")])
        return text

    def path_text(self, name: str) -> str:
        """A part of the path as it is."""
        return str(self.request.route_params.get(name, ""))

    @property
    def origin(self) -> Origin:
        """Who asks, for the audit log."""
        return Origin.of(self.caller)

    def shown(self, row: Row) -> ConnectionAnswer:
        """A connection as the answer, with the ETag of its version."""
        self.headers["ETag"] = etag_of(row.revision)
        return ConnectionAnswer(app_connection=row.connection)

    def look_at(self, row: Row) -> None:
        """Have the background work look at `row` at once, not only when the timer comes by."""
        self.work.append(work_message(row.org_id, row.id))

    def arguments(self, operation: Operation) -> dict[str, Any]:
        """The headers, query and body that `operation` takes. Raises `ValidationFailed` with all that is wrong."""
        readings: dict[str, Callable[[], Any]] = {
            name: partial(header.read, self.request, self.caller) for name, header in operation.headers
        }
        if operation.query is not None:
            sent = parameters(self.request, blank=issubclass(operation.query, Strict))
            readings["query"] = partial(problems.read, operation.query, sent, self.context)
        if operation.body is not None:
            document = self._json(may_be_absent=operation.body.may_be_absent)
            readings["body"] = partial(problems.read, operation.body, document, self.context)
        parsed: dict[str, Any] = {}
        wrong: list[Problem] = []
        for name, reading in readings.items():
            try:
                parsed[name] = reading()
            except ValidationFailed as error:
                wrong.extend(error.problems)
        if wrong:
            raise ValidationFailed(wrong)
        return parsed

    def _json(self, *, may_be_absent: bool) -> Any:
        media_type = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        raw = self.request.get_body()
        if len(raw) > MAX_BODY_BYTES:
            raise PayloadTooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes")
        if may_be_absent and not raw.strip():
            return {}
        if media_type != "application/json":
            raise UnsupportedMediaType("The body must be JSON, declared as Content-Type: application/json")
        if not raw.strip():
            raise BadRequest("The body is empty; it must be a JSON object")
        try:
            return from_json(raw, allow_inf_nan=False)
        except ValueError:
            raise BadRequest("The body is not well-formed JSON") from None


def work_message(org_id: str, connection_id: str) -> str:
    """The body of a queue message: ids only."""
    return Work(org_id, connection_id).message


class Endpoints:
    """Makes Azure Functions out of use cases. `application` is asked at the first request, never at import."""

    def __init__(self, application: Callable[[], Application]) -> None:
        self._application = application

    def endpoint(
        self, permission: Permission, *fails: type[ProductError], alternative: Permission | None = None
    ) -> Callable[[Use], HttpFunction]:
        """A function for callers with `permission`; `fails` names errors of its own, for its documentation.

        With `alternative`, those who hold that one instead get in as well, and the function itself must ask for the
        one that applies.
        """

        def decorate(use: Use) -> HttpFunction:
            operation = Operation.of(use, permission, fails, alternative)

            async def function(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
                response, _ = await self._serve(operation, req, context)
                return response

            return _named(function, operation)

        return decorate

    def endpoint_with_work(
        self, permission: Permission, *fails: type[ProductError]
    ) -> Callable[[Use], HttpFunctionWithWork]:
        """The same with a queue output `work`, for what should not wait for the timer."""

        def decorate(use: Use) -> HttpFunctionWithWork:
            operation = Operation.of(use, permission, fails)

            async def function(req: func.HttpRequest, context: func.Context, work: func.Out[str]) -> func.HttpResponse:
                response, messages = await self._serve(operation, req, context)
                if messages:
                    work.set(messages[0])
                return response

            return _named(function, operation)

        return decorate

    async def _serve(
        self, operation: Operation, request: func.HttpRequest, context: func.Context
    ) -> tuple[func.HttpResponse, list[str]]:
        request_id = request_id_of(context)
        org_id, messages = "-", []
        try:
            app = self._application()
            caller = await app.auth.authenticate(request.headers.get("Authorization"))
            org_id = caller.org_id
            call = Call(
                request=request,
                caller=replace(caller, address=address_of(request), request_id=request_id),
                app=app,
            )
            span, parent = f"request {operation.name}", trace_parent_of(context)
            with invocation(app.telemetry, span, request_id=request_id, parent=parent):
                answer = await _act(operation, call)
            messages = call.work
            headers = {**problems.SAFE_HEADERS, "x-request-id": request_id, **call.headers}
            response = func.HttpResponse(answer.model_dump_json(), mimetype="application/json", headers=headers)
        except ProductError as error:
            response = problems.render(error, request_id)
        except Exception:  # the last line of defence: a defect of ours shows as 500 without a word of its cause
            log.exception("request.defect function=%s requestId=%s", operation.name, request_id)
            response = problems.render_defect(request_id)
        log.info(
            "request.done function=%s status=%d requestId=%s orgId=%s",
            operation.name, response.status_code, request_id, org_id,
        )  # fmt: skip
        return response, messages


async def _act(operation: Operation, call: Call) -> Record:
    """Refusals are audited, and so is every change that was attempted and failed."""
    try:
        if operation.alternative is None or operation.alternative.value not in call.caller.roles:
            call.caller.require(operation.permission)
    except PermissionDenied as error:
        await _note(operation, call, error)
        raise
    arguments = call.arguments(operation)
    try:
        return await operation.use(call, **arguments)
    except ProductError as error:
        if call.request.method != "GET" and not isinstance(error, ValidationFailed):
            await _note(operation, call, error)
        raise


async def _note(operation: Operation, call: Call, error: ProductError) -> None:
    connection_id = call.path_text("connectionId").lower()
    await call.app.auditing.note(
        call.caller.org_id,
        ACTIONS[operation.permission],
        Origin.of(call.caller),
        connection_id=connection_id if is_uuid(connection_id) else None,
        reason=error.code,
    )


AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


def _named(function: AnyFunction, operation: Operation) -> AnyFunction:
    """The worker indexes a function by its name and shows its docstring; its parameters must stay its own."""
    function.__name__ = function.__qualname__ = operation.name
    function.__doc__ = operation.summary
    function.__module__ = operation.use.__module__
    function.operation = operation  # type: ignore[attr-defined]  # read by the OpenAPI document's generator
    return function
