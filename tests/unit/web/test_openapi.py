"""The OpenAPI document is the truth about the endpoints, and the one that is shipped is the newest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from shared.domain.credential import Method
from shared.web.bodies import CreateBody
from shared.web.docs import OPENAPI
from shared.web.openapi import ALWAYS, WITH_BODY, document, statuses
from shared.web.operation import Operation
from shared.web.problems import STATUS
from tests.unit.web.api import FUNCTIONS, OPERATIONS, user_function
from tests.unit.web.requests import answer, request

DOCUMENT: dict[str, Any] = document(FUNCTIONS)
NOT_OF_THE_API = {
    "oauth_connect_page", "oauth_connect_start", "oauth_callback", "health_live", "health_ready", "openapi", "docs",
    "console", "not_found",
}  # fmt: skip
"""What browsers and operators open, and what answers to every other path."""

each_endpoint = pytest.mark.parametrize("name", sorted(OPERATIONS))


def described(name: str) -> dict[str, Any]:
    """What the document says of an endpoint."""
    path, method, _ = OPERATIONS[name]
    found: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]
    return found


def parameters(name: str, kind: str) -> set[str]:
    """The names of an endpoint's parameters that stand in its path, query or headers."""
    return {each["name"] for each in described(name)["parameters"] if each["in"] == kind}


def values(part: Any, key: str) -> Iterator[Any]:
    """Every value under `key`, however deep."""
    if isinstance(part, dict):
        yield from ([part[key]] if key in part else [])
        for inner in part.values():
            yield from values(inner, key)
    elif isinstance(part, list):
        for inner in part:
            yield from values(inner, key)


def reachable(ref: str) -> set[str]:
    """The names of a schema and of all that it is made of."""
    found, waiting = set[str](), [ref]
    while waiting:
        name = waiting.pop().rpartition("/")[2]
        if name not in found:
            found.add(name)
            waiting += values(DOCUMENT["components"]["schemas"][name], "$ref")
    return found


def test_the_shipped_document_is_the_one_that_the_code_declares() -> None:
    shipped = json.loads(OPENAPI.read_text(encoding="utf-8"))
    assert shipped == DOCUMENT, "docs/openapi.json is out of date; run: make openapi"


async def test_the_service_serves_the_shipped_document() -> None:
    response = await user_function("openapi")(request())
    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert answer(response) == json.loads(OPENAPI.read_text(encoding="utf-8"))


def test_the_document_is_the_same_at_every_run_and_in_every_order() -> None:
    assert json.dumps(document(reversed(FUNCTIONS))) == json.dumps(DOCUMENT)


def test_every_http_function_that_declares_an_operation_is_in_it_and_nothing_else() -> None:
    declared, others = set(), set()
    for function in FUNCTIONS:
        found = function.get_trigger()
        assert found is not None
        trigger: dict[str, Any] = found.get_dict_repr()
        if trigger["type"] != "httpTrigger":
            continue
        if isinstance(getattr(function.get_user_function(), "operation", None), Operation):
            methods = {str(getattr(method, "value", method)).lower() for method in trigger["methods"]}
            declared |= {(f"/api/{trigger['route']}", method) for method in methods}
        else:
            others.add(function.get_function_name())
    assert declared == {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert others == NOT_OF_THE_API, "an endpoint of the API declares its operation; the rest is named here"


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = list(values(DOCUMENT["paths"], "operationId"))
    assert sorted(ids) == sorted(OPERATIONS)


@each_endpoint
def test_every_declared_status_is_in_the_document(name: str) -> None:
    path, _, operation = OPERATIONS[name]
    expected = {STATUS[error.code] for error in operation.fails} | set(ALWAYS)
    if operation.body is not None:
        expected |= set(WITH_BODY)
    if operation.query is not None or "{" in path:
        expected.add(422)
    assert set(described(name)["responses"]) == {"200", *map(str, expected)}
    assert set(statuses(path, operation)) == expected


@each_endpoint
def test_every_error_has_the_one_envelope_and_names_its_errors(name: str) -> None:
    for status, response in described(name)["responses"].items():
        ref = response["content"]["application/json"]["schema"]["$ref"]
        if status == "200":
            assert ref.rpartition("/")[2] == OPERATIONS[name][2].answer.__name__
        else:
            assert ref == "#/components/schemas/ErrorEnvelope"
            assert {STATUS[code] for code in response["description"].split(", ")} == {int(status)}


@each_endpoint
def test_every_endpoint_names_its_permission_and_says_what_it_does(name: str) -> None:
    assert f"`{OPERATIONS[name][2].permission.value}`" in described(name)["description"]
    assert described(name)["summary"].endswith(".")


@each_endpoint
def test_every_open_part_of_a_path_is_a_required_parameter(name: str) -> None:
    assert parameters(name, "path") == set(re.findall(r"{(\w+)}", OPERATIONS[name][0]))
    assert all(each["required"] for each in described(name)["parameters"] if each["in"] == "path")


@each_endpoint
def test_an_endpoint_has_the_query_and_the_body_that_it_reads(name: str) -> None:
    operation = OPERATIONS[name][2]
    fields = operation.query.model_fields.values() if operation.query else ()
    assert parameters(name, "query") == {field.alias for field in fields}
    refs = list(values(described(name).get("requestBody", {}), "$ref"))
    assert refs == ([f"#/components/schemas/{operation.body.__name__}"] if operation.body else [])


def test_a_query_parameter_is_never_null_and_has_its_name_on_the_wire() -> None:
    assert parameters("audit_logs_list", "query") == {"connectionId", "from", "to", "limit", "cursor"}
    for name in OPERATIONS:
        assert not list(values([each["schema"] for each in described(name)["parameters"]], "anyOf"))


def test_conditions_and_keys_belong_to_the_endpoints_that_read_them() -> None:
    assert {name for name in OPERATIONS if "If-Match" in parameters(name, "header")} == {"connections_update"}
    assert {name for name in OPERATIONS if "Idempotency-Key" in parameters(name, "header")} == {"connections_create"}


def test_every_reference_leads_somewhere_and_every_schema_is_referred_to() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    names = {str(ref).removeprefix("#/components/schemas/") for ref in values(DOCUMENT, "$ref")}
    assert names == set(schemas)


def test_the_method_decides_which_create_body_is_meant() -> None:
    schema = DOCUMENT["components"]["schemas"][CreateBody.__name__]
    mapping = schema["discriminator"]["mapping"]
    assert schema["discriminator"]["propertyName"] == "method"
    assert set(mapping) == {method.value for method in Method}
    assert {each["$ref"] for each in schema["oneOf"]} == set(mapping.values())
    for method, ref in mapping.items():
        made = DOCUMENT["components"]["schemas"][ref.rpartition("/")[2]]
        assert made["properties"]["method"]["const"] == method
        assert {"name", "method", "credentials"} <= set(made["required"])


@each_endpoint
def test_no_answer_has_a_place_for_a_secret(name: str) -> None:
    (ref,) = values(described(name)["responses"]["200"], "$ref")
    fields = {
        field for each in reachable(ref) for field in DOCUMENT["components"]["schemas"][each].get("properties", {})
    }
    assert not fields & {"clientSecret", "privateKey", "certificateBody", "code", "codeVerifier", "refreshToken"}


def test_every_key_of_a_connection_is_always_there() -> None:
    connection = DOCUMENT["components"]["schemas"]["Connection"]
    assert set(connection["required"]) == set(connection["properties"]) >= {
        "id", "name", "description", "version", "orgId", "createdAt", "updatedAt", "app", "method", "credentials",
        "isPlatformManagedCredentials", "gatewayId", "projectId", "project", "isAutoRotationEnabled", "rotation",
        "credentialsHash", "status",
    }  # fmt: skip


def test_no_schema_has_a_title_that_only_repeats_its_name() -> None:
    titles = [title for title in values(DOCUMENT["components"], "title") if isinstance(title, str)]
    assert titles == []


def test_every_call_needs_a_bearer_token() -> None:
    assert DOCUMENT["security"] == [{"bearer": []}]
    assert list(values(DOCUMENT["paths"], "security")) == []
    assert DOCUMENT["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
