"""What callers send is checked before anything is spent, and every problem is told at once."""

from __future__ import annotations

from typing import Any

import pytest

from local.client import KEY_VAULT, Client
from tests.e2e.world import DAILY_AT_THREE, Customer, call, create, raw, refusal

UNSUPPORTED = "Not supported for Azure Key Vault Connections"
ROTATION_REQUIRED = "Rotation details is required when auto rotation is enabled"


def rotation(**changes: Any) -> dict[str, Any]:
    return {"rotation": DAILY_AT_THREE | changes}


def at(**changes: Any) -> dict[str, Any]:
    return rotation(rotateAtUtc={"hours": 3, "minutes": 0} | changes)


def credentials(**changes: Any) -> dict[str, Any]:
    return {"credentials": {"code": "a-code"} | changes}


BROKEN_RULES: list[tuple[dict[str, Any], list[str], str]] = [
    ({"name": None}, ["name"], ""),
    ({"name": "  "}, ["name"], ""),
    ({"name": "a" * 65}, ["name"], ""),
    ({"name": "Prod"}, ["name"], ""),
    ({"name": "a--b"}, ["name"], ""),
    ({"name": "a/b"}, ["name"], ""),
    ({"method": "magic"}, ["method"], ""),
    ({"method": None}, ["method"], ""),
    ({"credentials": None}, ["credentials"], ""),
    ({"credentials": {}}, ["credentials", "code"], ""),
    (credentials(code="   "), ["credentials", "code"], "OAuth code required"),
    (credentials(code="c" * 8193), ["credentials", "code"], ""),
    (credentials(tenantId="../common"), ["credentials", "tenantId"], ""),
    (credentials(tenantId="no-domain"), ["credentials", "tenantId"], ""),
    (credentials(codeVerifier="short"), ["credentials", "codeVerifier"], ""),
    (credentials(codeVerifier="v" * 129), ["credentials", "codeVerifier"], ""),
    (credentials(redirectUri="https://elsewhere.example/cb"), ["credentials", "redirectUri"], ""),
    ({"description": "d" * 257}, ["description"], ""),
    ({"projectId": "a/b"}, ["projectId"], ""),
    ({"isPlatformManagedCredentials": True}, ["isPlatformManagedCredentials"], UNSUPPORTED),
    ({"gatewayId": "g"}, ["gatewayId"], UNSUPPORTED),
    ({"isAutoRotationEnabled": "yes"}, ["isAutoRotationEnabled"], ""),
    ({"isAutoRotationEnabled": True}, ["rotation"], ROTATION_REQUIRED),
    (rotation(rotationInterval=0), ["rotation", "rotationInterval"], ""),
    (rotation(rotationInterval=366), ["rotation", "rotationInterval"], ""),
    (rotation(rotationInterval=1.5), ["rotation", "rotationInterval"], ""),
    (at(hours=24), ["rotation", "rotateAtUtc", "hours"], ""),
    (at(hours=-1), ["rotation", "rotateAtUtc", "hours"], ""),
    (at(minutes=60), ["rotation", "rotateAtUtc", "minutes"], ""),
    (rotation(rotateAtUtc={"hours": 3}), ["rotation", "rotateAtUtc", "minutes"], ""),
]


@pytest.mark.parametrize(("changes", "path", "message"), BROKEN_RULES)
async def test_each_rule_of_a_create_body_names_the_field_that_breaks_it(
    client: Client, changes: dict[str, Any], path: list[str], message: str
) -> None:
    body = {"name": "prod", "method": "oauth", **credentials(), **changes}
    (problem,) = refusal(await call(client, "POST", KEY_VAULT, body), 422, "ValidationFailure")
    assert problem["path"] == path
    assert problem["code"]
    assert message in problem["message"]


async def test_every_problem_of_a_body_is_told_at_once(client: Client) -> None:
    body = {
        "name": "Not A Slug",
        "method": "oauth",
        "description": "d" * 257,
        "credentials": {"code": " ", "tenantId": "a b"},
        "gatewayId": "g",
        "rotation": {"rotationInterval": 0, "rotateAtUtc": {"hours": 24, "minutes": 60}},
    }
    problems = refusal(await call(client, "POST", KEY_VAULT, body), 422, "ValidationFailure")
    assert {".".join(problem["path"]) for problem in problems} == {
        "name",
        "description",
        "credentials.code",
        "credentials.tenantId",
        "gatewayId",
        "rotation.rotationInterval",
        "rotation.rotateAtUtc.hours",
        "rotation.rotateAtUtc.minutes",
    }


async def test_the_longest_allowed_values_are_accepted_and_come_back_as_sent(
    client: Client, customer: Customer
) -> None:
    wished = {
        "description": "d" * 256,
        "rotation": {"rotationInterval": 365, "rotateAtUtc": {"hours": 23, "minutes": 59}},
        "isPlatformManagedCredentials": False,
        "gatewayId": None,
        "unknown": "ignored",
    }
    made = (await create(client, customer, "a" * 64, **wished)).connection
    assert made["name"] == "a" * 64
    assert made["description"] == "d" * 256
    assert made["rotation"]["rotationInterval"] == 365
    assert made["rotation"]["rotateAtUtc"] == {"hours": 23, "minutes": 59}
    assert made["isAutoRotationEnabled"] is False


async def test_an_empty_description_is_none(client: Client, customer: Customer) -> None:
    assert (await create(client, customer, description="")).connection["description"] is None


async def test_an_empty_body_is_a_bad_request(client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    message = refusal(await raw(client, "POST", KEY_VAULT, data=b" ", headers=headers), 400, "BadRequest")
    assert message == "The body is empty; it must be a JSON object"


@pytest.mark.parametrize("text", [b"{", b'{"name": NaN}', b"\xff\xfe", b"[" * 5000])
async def test_malformed_json_is_a_bad_request(client: Client, text: bytes) -> None:
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    message = refusal(await raw(client, "POST", KEY_VAULT, data=text, headers=headers), 400, "BadRequest")
    assert message == "The body is not well-formed JSON"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/json5"])
async def test_a_body_that_is_not_declared_as_json_is_refused(client: Client, media_type: str) -> None:
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": media_type}
    reply = await raw(client, "POST", KEY_VAULT, data=b"{}", headers=headers)
    assert "application/json" in refusal(reply, 415, "UnsupportedMediaType")


async def test_a_body_of_65_kib_is_too_large(client: Client) -> None:
    body = {"name": "prod", "method": "oauth", "padding": "x" * 65 * 1024}
    assert "65536 bytes" in refusal(await call(client, "POST", KEY_VAULT, body), 413, "PayloadTooLarge")


async def test_an_id_in_the_path_that_is_no_uuid_is_told_by_its_name(client: Client) -> None:
    (problem,) = refusal(await call(client, "GET", f"{KEY_VAULT}/prod"), 422, "ValidationFailure")
    assert (problem["path"], problem["message"]) == (["connectionId"], "Invalid uuid")


@pytest.mark.parametrize("url", ["https://elsewhere.example/", "http://127.0.0.1:3000.evil.example/", "/relative"])
async def test_a_return_url_of_another_origin_is_refused(client: Client, url: str) -> None:
    body = {"name": "prod", "method": "oauth", "returnUrl": url}
    reply = await call(client, "POST", f"{KEY_VAULT}/oauth/authorize", body)
    (problem,) = refusal(reply, 422, "ValidationFailure")
    assert problem["path"] == ["returnUrl"]
