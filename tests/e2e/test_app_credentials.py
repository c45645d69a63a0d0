"""Connections that sign in as an app: a token is really fetched before anything is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat

from local.client import KEY_VAULT, Client
from tests.contract.app_authorities import issuing
from tests.e2e.apps import App, create_app, get, key_pair, patch
from tests.e2e.world import DAILY_AT_THREE, Customer, call, live_secrets, names, refusal

SECRET = "a-secret-of-the-app"


@pytest.fixture
async def app(client: Client, customer: Customer) -> App:
    """A customer's app that has no credential yet."""
    return await App.new(client, customer)


async def stored(client: Client, made: dict[str, Any]) -> list[dict[str, Any]]:
    """What Key Vault would still give out for a connection."""
    return [json.loads(version["value"]) for version in await client.versions(made["id"]) if version["enabled"]]


async def test_a_client_secret_is_proven_and_kept_in_the_vault(client: Client, app: App) -> None:
    await app.add_password(client, SECRET)
    made = (await create_app(client, "client-secret", app.submits(clientSecret=SECRET))).connection
    assert (made["method"], made["credentials"]) == ("client-secret", app.public)
    assert await get(client, made) == made
    (secret,) = await stored(client, made)
    assert secret == {"method": "client-secret", **app.public, "clientSecret": SECRET}


async def test_a_wrong_secret_is_refused_and_leaves_nothing(client: Client, app: App) -> None:
    before = await live_secrets(client)
    message = refusal(await create_app(client, "client-secret", app.submits(clientSecret="wrong")), 400, "BadRequest")
    assert message.startswith("Failed to get access token: The client secret is not accepted (AADSTS7000215).")
    assert await names(client) == []
    assert await live_secrets(client) == before


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL], ids=["PKCS#8", "PKCS#1"])
@pytest.mark.parametrize("chain", ["alone", "leaf first", "leaf last"])
async def test_a_certificate_is_proven_and_kept_with_its_own_first(
    client: Client, app: App, form: PrivateFormat, chain: str
) -> None:
    pair, ca = key_pair(), issuing().body
    await app.change(client, certificates=[pair.body])
    body = {"alone": pair.body, "leaf first": pair.body + ca, "leaf last": ca + pair.body}[chain]
    submitted = app.submits(certificateBody=body, privateKey=pair.private(form))
    made = (await create_app(client, "certificate", submitted)).connection
    assert made["credentials"] == app.public
    (secret,) = await stored(client, made)
    assert secret["certificateBody"].startswith(pair.body.strip())


async def test_a_certificate_that_the_app_does_not_know_is_refused(client: Client, app: App) -> None:
    pair = key_pair()
    submitted = app.submits(certificateBody=pair.body, privateKey=pair.private())
    message = refusal(await create_app(client, "certificate", submitted), 400, "BadRequest")
    assert "AADSTS700027" in message


async def test_a_key_of_another_certificate_is_told_before_anybody_is_asked(client: Client, app: App) -> None:
    submitted = app.submits(certificateBody=issuing().body, privateKey=key_pair().private())
    (problem,) = refusal(await create_app(client, "certificate", submitted), 422, "ValidationFailure")
    assert problem == {
        "code": "custom",
        "path": ["credentials", "privateKey"],
        "message": "The private key does not belong to the certificate",
    }


async def test_a_federated_app_needs_no_secret_at_all(client: Client, app: App) -> None:
    before = await live_secrets(client)
    refused = await create_app(client, "federated", app.submits())
    assert "No matching federated credential was found" in refusal(refused, 400, "BadRequest")
    await app.trust_identity(client)
    made = (await create_app(client, "federated", app.submits())).connection
    assert (made["method"], made["credentials"]) == ("federated", app.public)
    assert await live_secrets(client) == before


async def test_an_identity_cannot_sign_as_an_app_of_another_tenant(client: Client, app: App) -> None:
    await app.trust_identity(client)
    await app.change(client, tenant=app.tenant)
    message = refusal(await create_app(client, "federated", app.submits()), 400, "BadRequest")
    assert "Register the app in the service's own tenant and install it in yours" in message


@pytest.mark.parametrize("method", ["certificate", "federated"])
async def test_rotation_is_refused_where_the_method_has_none(client: Client, app: App, method: str) -> None:
    pair = key_pair()
    pem = {"certificateBody": pair.body, "privateKey": pair.private()} if method == "certificate" else {}
    await app.trust_identity(client)
    await app.change(client, certificates=[pair.body])
    wished = {"isAutoRotationEnabled": True, "rotation": DAILY_AT_THREE}
    text = f"Credential rotation is not supported for azure-key-vault connections with {method} method"
    assert refusal(await create_app(client, method, app.submits(**pem), **wished), 400, "BadRequest") == text
    made = (await create_app(client, method, app.submits(**pem))).connection
    assert refusal(await patch(client, made, **wished), 400, "BadRequest") == text


async def test_new_credentials_replace_the_old_ones_in_place(client: Client, app: App) -> None:
    await app.add_password(client, SECRET)
    await app.add_password(client, "another-secret")
    made = (await create_app(client, "client-secret", app.submits(clientSecret=SECRET))).connection
    changed = (await patch(client, made, credentials=app.submits(clientSecret="another-secret"))).connection
    assert changed["credentialsHash"] != made["credentialsHash"]
    assert (changed["id"], changed["name"]) == (made["id"], made["name"])
    assert [secret["clientSecret"] for secret in await stored(client, made)][-1] == "another-secret"


async def test_credentials_of_another_shape_are_refused_in_the_published_words(client: Client, app: App) -> None:
    await app.add_password(client, SECRET)
    made = (await create_app(client, "client-secret", app.submits(clientSecret=SECRET))).connection
    reply = await patch(client, made, credentials={"code": "a-code"})
    text = "Invalid credential format for Azure Key Vault Connection with method Client Secret"
    assert refusal(reply, 400, "BadRequest") == text
    assert sorted(problem["path"][1] for problem in reply.json["details"]) == ["clientId", "clientSecret", "tenantId"]


async def test_a_deleted_connection_is_gone_whatever_its_method(client: Client, app: App) -> None:
    await app.trust_identity(client)
    made = (await create_app(client, "federated", app.submits())).connection
    assert (await call(client, "DELETE", f"{KEY_VAULT}/{made['id']}")).connection == made
    assert await names(client) == []
