"""Who gets in, and what they may do."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from local.client import KEY_VAULT, Client
from shared.domain.caller import Permission
from tests.e2e.browser import Link
from tests.e2e.world import DAILY_AT_THREE, Customer, Reply, call, create, names, raw, refusal, token_of

SOME_ID = "00000000-0000-4000-8000-000000000000"


def refused_at_the_door(reply: Reply) -> None:
    assert refusal(reply, 401, "UnauthorizedError")
    assert reply.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic dTpw"}, {"Authorization": "Bearer"}])
async def test_without_a_bearer_token_nobody_gets_in(client: Client, headers: dict[str, str]) -> None:
    refused_at_the_door(await raw(client, "GET", KEY_VAULT, headers=headers))


@pytest.mark.parametrize(
    "claims",
    [
        {"expiresIn": -600},
        {"audience": str(uuid4())},
        {"tenant": str(uuid4())},
        {"iss": "https://login.example/other/v2.0"},
    ],
    ids=["expired", "for another API", "of a tenant that is not allowed", "of another issuer"],
)
async def test_a_token_that_is_not_for_us_is_refused(client: Client, org_id: str, claims: dict[str, Any]) -> None:
    refused_at_the_door(await call(client, "GET", KEY_VAULT, token=await token_of(client, org_id, **claims)))


async def test_a_garbled_token_is_refused(client: Client) -> None:
    head, claims, signature = client.token.split(".")
    for token in ("garbled", "a.b.c", f"{head}.{claims}.", f"{head}.{claims}.{signature[::-1]}", f".{claims}.x"):
        refused_at_the_door(await call(client, "GET", KEY_VAULT, token=token))


@pytest.mark.parametrize(
    ("route", "missing", "text"),
    [
        (f"GET {KEY_VAULT}", Permission.READ, "read on app-connections"),
        (f"GET {KEY_VAULT}/{SOME_ID}", Permission.READ, "read on app-connections"),
        (f"GET {KEY_VAULT}/oauth/flows/{SOME_ID}", Permission.READ, "read on app-connections"),
        ("GET /api/v1/app-connections/options", Permission.READ, "read on app-connections"),
        ("GET /api/v1/app-connections", Permission.READ, "read on app-connections"),
        (f"GET {KEY_VAULT}/available", Permission.CONNECT, "connect on app-connections"),
        (f"GET {KEY_VAULT}/connection-name/prod", Permission.READ, "read on app-connections"),
        (f"GET {KEY_VAULT}/{SOME_ID}/rotations", Permission.READ, "read on app-connections"),
        (f"POST {KEY_VAULT}/{SOME_ID}/access-token", Permission.CONNECT, "connect on app-connections"),
        (f"POST {KEY_VAULT}/{SOME_ID}/check", Permission.CONNECT, "connect on app-connections"),
        (f"PATCH {KEY_VAULT}/{SOME_ID}", Permission.EDIT, "edit on app-connections"),
        ("GET /api/v1/audit-logs", Permission.AUDIT, "audit on app-connections"),
        (f"POST {KEY_VAULT}", Permission.CREATE, "create on app-connections"),
        (f"POST {KEY_VAULT}/oauth/authorize", Permission.CREATE, "create on app-connections"),
        (f"DELETE {KEY_VAULT}/{SOME_ID}", Permission.DELETE, "delete on app-connections"),
        (f"POST {KEY_VAULT}/{SOME_ID}/rotate-credentials", Permission.ROTATE, "rotate on app-connections"),
        ("POST /api/v1/projects", Permission.PROJECTS, "manage projects"),
        ("GET /api/v1/projects", Permission.PROJECTS, "manage projects"),
        (f"GET /api/v1/projects/{SOME_ID}", Permission.PROJECTS, "manage projects"),
        (f"DELETE /api/v1/projects/{SOME_ID}", Permission.PROJECTS, "manage projects"),
    ],
)
async def test_each_route_asks_for_its_role(
    client: Client, org_id: str, route: str, missing: Permission, text: str
) -> None:
    lacking = {missing, Permission.EDIT} if route.endswith("/authorize") else {missing}  # it lets either in
    roles = [permission.value for permission in Permission if permission not in lacking]
    method, path = route.split()
    reply = await call(client, method, path, {}, token=await token_of(client, org_id, roles=roles))
    assert refusal(reply, 403, "PermissionDenied") == f"You are not allowed to {text}"


@pytest.mark.parametrize(
    ("method", "suffix"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate-credentials"),
        ("GET", "/rotations"),
        ("POST", "/access-token"),
        ("POST", "/check"),
    ],
    ids=["get", "update", "delete", "rotate", "rotations", "access-token", "check"],
)
async def test_another_organisations_connection_does_not_exist_for_us(
    client: Client, customer: Customer, organisations: list[str], method: str, suffix: str
) -> None:
    made = (await create(client, customer, rotation=DAILY_AT_THREE)).connection
    stranger = await token_of(client, organisations.pop())
    body = {"name": "mine-now"} if method == "PATCH" else {} if suffix == "/check" else None
    reply = await call(client, method, f"{KEY_VAULT}/{made['id']}{suffix}", body, token=stranger)
    assert refusal(reply, 404, "NotFound") == f"Could not find App Connection with ID {made['id']}"
    unchanged = (await call(client, "GET", f"{KEY_VAULT}/{made['id']}")).connection
    assert unchanged == made


async def test_another_organisations_link_does_not_exist_for_us(client: Client, organisations: list[str]) -> None:
    link = await Link.new(client, "prod")
    stranger = await token_of(client, organisations.pop())
    reply = await call(client, "GET", f"{KEY_VAULT}/oauth/flows/{link.flow_id}", token=stranger)
    assert refusal(reply, 404, "NotFound") == f"Could not find OAuth flow with ID {link.flow_id}"


async def test_two_organisations_use_the_same_name(
    client: Client, customer: Customer, organisations: list[str]
) -> None:
    ours = (await create(client, customer)).connection
    theirs = await call(
        client, "POST", KEY_VAULT, await customer.body(client), token=await token_of(client, organisations.pop())
    )
    assert theirs.connection["id"] != ours["id"]
    assert theirs.connection["orgId"] != ours["orgId"]
    assert await names(client) == ["prod"]
