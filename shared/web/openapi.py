"""The OpenAPI 3.1 document, generated from what the endpoints declare and the models that validate.

`make openapi` writes it to `docs/openapi.json`, which is what the service serves; a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from azure.functions.decorators.function_app import Function
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.domain.errors import PreconditionFailed
from shared.web.answers import ErrorEnvelope
from shared.web.bodies import CREATE_BODIES, CreateBody
from shared.web.fields import MAX_NAME_CHARS, SLUG, Strict
from shared.web.operation import Operation
from shared.web.problems import STATUS

REF = "#/components/schemas/{model}"
ALWAYS = (401, 403, 500, 502, 503, 504)
WITH_BODY = (400, 413, 415, 422)
"""Statuses that any endpoint, and any endpoint with a body, can answer with."""

DESCRIPTION = (
    "Connections to Azure Key Vaults: created, kept alive, rotated and handed out. Follows the published Infisical API "
    "for App Connections of kind Azure Key Vault; docs/api.md tells what goes beyond it. Every answer to a "
    "caller carries `x-request-id`; every error has the one envelope."
)

PARAMETERS: dict[str, dict[str, Any]] = {
    "connectionId": {"type": "string", "format": "uuid"},
    "projectId": {"type": "string", "format": "uuid"},
    "flowId": {"type": "string", "format": "uuid"},
    "connectionName": {"type": "string", "maxLength": MAX_NAME_CHARS, "pattern": SLUG},
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "Change the connection only if it still has this ETag; 412 otherwise.",
    "schema": {"type": "string", "pattern": r'^(\*|"\d{1,9}"(\s*,\s*"\d{1,9}")*)?$'},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key and body within 24 hours give the first answer again, and make nothing twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def operations(functions: Iterable[Function]) -> Iterator[tuple[str, str, Operation]]:
    """Path, method and declaration of every endpoint of the API, in order of path."""
    found = []
    for function in functions:
        operation = getattr(function.get_user_function(), "operation", None)
        if isinstance(operation, Operation):
            trigger: dict[str, Any] = function.get_trigger().get_dict_repr()  # type: ignore[union-attr]  # it has one
            (method,) = (str(getattr(method, "value", method)) for method in trigger["methods"])
            found.append((f"/api/{trigger['route']}", method, operation))
    yield from sorted(found, key=lambda each: (each[0], each[1]))


def statuses(path: str, operation: Operation) -> list[int]:
    """Every error status that the endpoint can answer with."""
    found = {*ALWAYS, *(STATUS[error.code] for error in operation.fails)}
    if operation.body is not None:
        found.update(WITH_BODY)
    if operation.query is not None or "{" in path:
        found.add(422)
    return sorted(found)


def document(functions: Iterable[Function]) -> dict[str, Any]:
    """The whole document, the same at every run."""
    endpoints = list(operations(functions))
    paths: dict[str, dict[str, Any]] = {}
    for path, method, operation in endpoints:
        paths.setdefault(path, {})[method.lower()] = _operation(path, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Key Vault Connections", "version": "1", "description": DESCRIPTION},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": _schemas(operation for _, _, operation in endpoints),
        },
    }


def _operation(path: str, operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"Permission (app role): `{operation.permission.value}`",
        "parameters": [*_path_parameters(path), *_query_parameters(operation), *_header_parameters(operation)],
        "responses": {
            "200": _content(operation.answer, operation.answer.__doc__ or ""),
            **{str(status): _content(ErrorEnvelope, _names(status)) for status in statuses(path, operation)},
        },
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": not operation.body.may_be_absent,
            "content": {"application/json": {"schema": _ref(operation.body)}},
        }
    return described


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": PARAMETERS[name]}


def _query_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    if operation.query is None:
        return
    schema = operation.query.model_json_schema(by_alias=True)
    for name, field in schema["properties"].items():
        parameter = {"name": name, "in": "query", "schema": _without_null(field)}
        # the platform leaves out parameters with an empty value
        yield parameter if issubclass(operation.query, Strict) else {**parameter, "allowEmptyValue": True}


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is there or not; it is never null."""
    kept = {key: value for key, value in field.items() if key != "title" and (key != "default" or value is not None)}
    options = [option for option in kept.pop("anyOf", []) if option != {"type": "null"}]
    return {**kept, **(options[0] if options else {})}


def _header_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    if PreconditionFailed in operation.fails:
        yield IF_MATCH
    if operation.body is CreateBody:
        yield IDEMPOTENCY_KEY


def _schemas(endpoints: Iterable[Operation]) -> dict[str, Any]:
    models: set[tuple[type[BaseModel], str]] = {(ErrorEnvelope, "serialization")}
    for operation in endpoints:
        models.add((operation.answer, "serialization"))
        if operation.body is CreateBody:
            models.update((model, "validation") for model in CREATE_BODIES.values())
        elif operation.body is not None:
            models.add((operation.body, "validation"))
    ordered = sorted(models, key=lambda each: each[0].__name__)
    _, definitions = models_json_schema(ordered, by_alias=True, ref_template=REF)  # type: ignore[arg-type]  # its Literal
    schemas: dict[str, Any] = {name: _tidied(schema) for name, schema in definitions["$defs"].items()}
    schemas[CreateBody.__name__] = {
        "description": "The method decides what `credentials` must be.",
        "oneOf": [_ref(model) for model in CREATE_BODIES.values()],
        "discriminator": {
            "propertyName": "method",
            "mapping": {method: _ref(model)["$ref"] for method, model in CREATE_BODIES.items()},
        },
    }
    return dict(sorted(schemas.items()))


def _tidied(schema: Any) -> Any:
    """Without the titles that pydantic makes of names: they say nothing."""
    if isinstance(schema, list):
        return [_tidied(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _tidied(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))}


def _content(model: type[BaseModel], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref(model)}}}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}


def _names(status: int) -> str:
    """The `error` values of that status."""
    return ", ".join(name for name, number in STATUS.items() if number == status)
