"""A program brings an authorization code: what it gets, and what is left when Entra refuses."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from local.client import KEY_VAULT, Client
from local.entra import seed
from local.entra.sealed import Code, Sealer
from tests.e2e.world import DAILY_AT_THREE, Customer, call, create, live_secrets, names, refusal

ANSWER_KEYS = {
    "id", "name", "description", "version", "orgId", "createdAt", "updatedAt", "app", "method", "credentials",
    "isPlatformManagedCredentials", "gatewayId", "projectId", "project", "isAutoRotationEnabled", "rotation",
    "credentialsHash", "status",
}  # fmt: skip


async def refused_and_nothing_left(client: Client, customer: Customer, credentials: dict[str, Any]) -> str:
    """The text of a refused creation, after showing that the name is free and nothing was stored."""
    before = await live_secrets(client)
    body = {"name": "prod", "method": "oauth", "credentials": credentials}
    message = str(refusal(await call(client, "POST", KEY_VAULT, body), 400, "BadRequest"))
    assert await live_secrets(client) == before
    assert await names(client) == []
    assert (await create(client, customer)).status == 200
    return message


async def test_a_code_becomes_a_connection_whose_answer_is_the_same_everywhere(
    client: Client, customer: Customer, org_id: str
) -> None:
    made = (await create(client, customer, description=" kept ", rotation=DAILY_AT_THREE)).connection
    assert set(made) == ANSWER_KEYS
    assert (made["name"], made["description"], made["orgId"]) == ("prod", "kept", org_id)
    assert (made["app"], made["method"], made["version"]) == ("azure-key-vault", "oauth", 1)
    assert made["credentials"] == {"tenantId": customer.tenant}
    assert made["status"] == {"state": "active", "reason": None, "since": made["createdAt"]}
    assert (await call(client, "GET", f"{KEY_VAULT}/{made['id']}")).connection == made
    assert (await call(client, "GET", KEY_VAULT)).json == {"appConnections": [made]}


async def test_the_refresh_token_is_in_key_vault_and_no_answer_shows_it(client: Client, customer: Customer) -> None:
    reply = await create(client, customer)
    (version,) = await client.versions(reply.connection["id"])
    stored = json.loads(version["value"])
    assert stored["tenantId"] == customer.tenant
    assert stored["refreshToken"] not in reply.text


async def test_a_code_with_pkce_needs_its_verifier(client: Client, customer: Customer) -> None:
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    code = await customer.code(client, codeChallenge=challenge)
    credentials = {"code": code, "tenantId": customer.tenant}
    body = {"name": "prod", "method": "oauth", "credentials": credentials}
    assert "(PKCE)" in refusal(await call(client, "POST", KEY_VAULT, body), 400, "BadRequest")
    assert (
        await call(client, "POST", KEY_VAULT, body | {"credentials": credentials | {"codeVerifier": verifier}})
    ).connection


@pytest.mark.parametrize("how", ["domain", "none"])
async def test_the_tenant_may_be_a_domain_or_left_to_the_sign_in(client: Client, customer: Customer, how: str) -> None:
    tenant = {"domain": {"tenantId": customer.domain.upper()}, "none": {}}[how]
    made = await create(client, customer, credentials={"code": await customer.code(client), **tenant})
    assert made.connection["credentials"] == {"tenantId": customer.tenant}


async def test_a_domain_that_nobody_verified_is_refused(client: Client, customer: Customer) -> None:
    credentials = {"code": await customer.code(client), "tenantId": "nobody.example"}
    assert "nobody.example" in await refused_and_nothing_left(client, customer, credentials)


async def test_a_code_works_once(client: Client, customer: Customer) -> None:
    body = await customer.body(client, "first")
    assert (await call(client, "POST", KEY_VAULT, body)).status == 200
    before = await live_secrets(client)
    message = refusal(await call(client, "POST", KEY_VAULT, body | {"name": "second"}), 400, "BadRequest")
    assert message.startswith("Failed to get access token: The authorization code was used already (AADSTS54005).")
    assert await live_secrets(client) == before
    assert await names(client) == ["first"]


async def test_an_expired_code_says_so(client: Client, customer: Customer) -> None:
    code = Code(
        tenant=customer.tenant,
        user=customer.user,
        client_id=seed.OAUTH_CLIENT_ID,
        redirect_uri=client.stack.api + seed.CALLBACK_PATH,
        scope="https://vault.azure.net/user_impersonation openid profile offline_access",
    )
    sealer = Sealer(client.stack.state / "entra" / "sealing.key")
    old = sealer.seal(code, datetime.now(UTC) - timedelta(minutes=11))
    message = await refused_and_nothing_left(client, customer, {"code": old, "tenantId": customer.tenant})
    assert "expired" in message
    assert "AADSTS70008" in message


async def test_a_code_of_another_tenant_is_refused(client: Client, customer: Customer) -> None:
    other = await Customer.new(client)
    credentials = {"code": await other.code(client), "tenantId": customer.tenant}
    message = await refused_and_nothing_left(client, customer, credentials)
    assert "The authorization code belongs to another tenant" in message


async def test_a_tenant_that_does_not_exist_is_refused(client: Client, customer: Customer) -> None:
    credentials = {"code": await customer.code(client), "tenantId": str(uuid4())}
    message = await refused_and_nothing_left(client, customer, credentials)
    assert "The tenant does not exist in this cloud" in message


async def test_a_made_up_code_is_refused(client: Client, customer: Customer) -> None:
    message = await refused_and_nothing_left(client, customer, {"code": "made-up", "tenantId": customer.tenant})
    assert "malformed or expired" in message


async def test_an_unknown_project_does_not_cost_the_code(client: Client, customer: Customer) -> None:
    body = await customer.body(client)
    unknown = str(uuid4())
    message = refusal(await call(client, "POST", KEY_VAULT, body | {"projectId": unknown}), 400, "BadRequest")
    assert message == f"Could not find project with ID {unknown}"
    assert (await call(client, "POST", KEY_VAULT, body)).status == 200


async def test_a_taken_name_does_not_cost_the_code(client: Client, customer: Customer) -> None:
    first = (await create(client, customer)).connection
    body = await customer.body(client)
    message = refusal(await call(client, "POST", KEY_VAULT, body), 409, "Conflict")
    assert message == 'An App Connection with the name "prod" already exists'
    assert (await call(client, "POST", KEY_VAULT, body | {"name": "other"})).status == 200
    assert (await call(client, "GET", f"{KEY_VAULT}/{first['id']}")).connection == first


async def test_a_broken_body_does_not_cost_the_code(client: Client, customer: Customer) -> None:
    body = await customer.body(client)
    refusal(await call(client, "POST", KEY_VAULT, body | {"gatewayId": "g"}), 422, "ValidationFailure")
    assert (await call(client, "POST", KEY_VAULT, body)).status == 200


async def test_a_deleted_connection_is_gone_at_once_and_its_name_is_free(client: Client, customer: Customer) -> None:
    made = (await create(client, customer)).connection
    path = f"{KEY_VAULT}/{made['id']}"
    assert (await call(client, "DELETE", path)).connection == made
    for method, suffix in (("GET", ""), ("DELETE", ""), ("POST", "/rotate-credentials")):
        message = refusal(await call(client, method, path + suffix), 404, "NotFound")
        assert message == f"Could not find App Connection with ID {made['id']}"
    assert await names(client) == []
    again = (await create(client, customer)).connection
    assert again["id"] != made["id"]
