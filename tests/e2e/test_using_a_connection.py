"""A workload gets a token from a connection and reads a secret with it; a person checks whether it works."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.keyvault.secrets.aio import SecretClient

from local.client import KEY_VAULT, Client
from tests.e2e.apps import App, create_app
from tests.e2e.browser import Attempt, Link
from tests.e2e.conftest import Break
from tests.e2e.world import Customer, Reply, call, create, refusal, token_of


@dataclass
class Handed:
    """The credential of a workload that was handed a token."""

    token: str
    expires_on: int

    async def get_token(self, *_: Any, **__: Any) -> AccessToken:
        """See azure-core's `AsyncTokenCredential`."""
        return AccessToken(self.token, self.expires_on)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Handed:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""


async def access_token(client: Client, connection_id: str) -> Reply:
    return await call(client, "POST", f"{KEY_VAULT}/{connection_id}/access-token")


async def check(client: Client, connection_id: str, body: Any) -> Reply:
    return await call(client, "POST", f"{KEY_VAULT}/{connection_id}/check", body)


async def test_a_workload_reads_a_secret_with_the_official_sdk_and_a_token_handed_out(client: Client) -> None:
    customer = await Customer.new(client)
    connection = (await create(client, customer, "reader")).connection
    reply = await access_token(client, connection["id"])
    assert reply.status == 200, reply.text
    assert reply.json["tokenType"] == "Bearer"
    credential = Handed(reply.json["accessToken"], 4_000_000_000)
    options: dict[str, Any] = {
        "connection_verify": client.stack.settings["LOOPBACK_CA_FILE"],
        "verify_challenge_resource": False,
    }
    async with SecretClient(client.stack.settings["VAULT_URL"], credential, **options) as vault:
        await vault.set_secret("a-customers-own", "42")
        assert (await vault.get_secret("a-customers-own")).value == "42"


async def test_many_callers_of_a_cold_connection_cause_one_call_to_entra(client: Client, break_entra: Break) -> None:
    customer = await Customer.new(client)
    connection = (await create(client, customer, "busy")).connection
    await break_entra(customer.token_endpoint, skip=1, times=1000, status=500)
    replies = await asyncio.gather(*(access_token(client, connection["id"]) for _ in range(200)))
    assert {reply.status for reply in replies} == {200}, "a second call would have failed"
    assert len({reply.json["accessToken"] for reply in replies}) == 1


@pytest.mark.parametrize(
    ("refused_with", "remedy"),
    [(50173, "connect link"), (65001, "accept the permissions"), (50076, "connect link"), (53003, "administrator")],
    ids=["revoked", "consent withdrawn", "MFA required", "conditional access"],
)
async def test_a_dead_grant_is_told_with_the_remedy(client: Client, refused_with: int, remedy: str) -> None:
    customer = await Customer.new(client)
    connection = (await create(client, customer, "dead")).connection
    await client.entra("POST", "grants", {"user": customer.user, "refusedWith": refused_with})
    message = refusal(reply := await access_token(client, connection["id"]), 424, "FailedDependency")
    assert f"AADSTS{refused_with}" in message
    assert remedy in message
    assert reply.json["details"]["state"] == "needs-reconnect"
    assert (await call(client, "GET", f"{KEY_VAULT}/{connection['id']}")).connection["status"]["reason"] == message
    await client.entra("POST", "grants", {"user": customer.user, "refusedWith": None})
    assert (await access_token(client, connection["id"])).status == 424, "not tried again by itself"
    assert (await check(client, connection["id"], {})).json["status"] == "active"
    assert (await access_token(client, connection["id"])).status == 200


async def by_user(client: Client, customer: Customer) -> dict[str, Any]:
    return (await create(client, customer, "by-user")).connection


async def by_app(client: Client, customer: Customer) -> dict[str, Any]:
    app = await App.new(client, customer)
    await app.add_password(client, "the-apps-own-secret")
    return (await create_app(client, "client-secret", app.submits(clientSecret="the-apps-own-secret"))).connection


Maker = Callable[[Client, Customer], Awaitable[dict[str, Any]]]
UNAVAILABLE = (503, "ServiceUnavailable")


@pytest.mark.parametrize("make", [by_user, by_app])
@pytest.mark.parametrize(
    ("fault", "answer", "retry_after"),
    [
        ({"status": 429, "headers": {"Retry-After": "17"}}, UNAVAILABLE, "17"),
        ({"status": 500, "body": "<html>oops</html>"}, UNAVAILABLE, None),
        ({"status": 503, "body": {"error": "temporarily_unavailable"}}, UNAVAILABLE, None),
        (
            {"status": 400, "body": {"error": "temporarily_unavailable", "error_codes": [90033]}},
            UNAVAILABLE,
            r"6\d|7[0-5]",
        ),
        ({"status": 200, "body": "garbage"}, UNAVAILABLE, None),
        ({"status": 200, "body": ["a", "list"]}, UNAVAILABLE, None),
        ({"status": 400, "body": {"error": {"code": "another shape"}}}, UNAVAILABLE, None),
        ({"delay": 11}, (504, "GatewayTimeout"), None),
    ],
    ids=["throttled", "500", "503", "passing-refusal", "garbage", "list", "other-shape", "time-out"],
)
async def test_a_fault_of_entra_that_passes_is_told_and_ends_nothing(
    client: Client,
    break_entra: Break,
    *,
    make: Maker,
    fault: dict[str, Any],
    answer: tuple[int, str],
    retry_after: str | None,
) -> None:
    customer = await Customer.new(client)
    made = await make(client, customer)
    await break_entra(customer.token_endpoint, **fault)
    message = refusal(reply := await access_token(client, made["id"]), *answer)
    assert "Microsoft Entra ID" in message
    said = reply.headers.get("Retry-After")
    assert said is None if retry_after is None else re.fullmatch(retry_after, str(said))
    assert (await call(client, "GET", f"{KEY_VAULT}/{made['id']}")).connection["status"] == made["status"]
    assert (await access_token(client, made["id"])).status == 200


async def test_a_fault_of_the_credential_vault_ends_nothing(client: Client, break_vault: Break) -> None:
    made = await by_user(client, await Customer.new(client))
    await break_vault(f"GET /secrets/conn-{made['id']}", status=403, times=1)
    assert (await access_token(client, made["id"])).status == 502, "it refuses us, which is no fault of the connection"
    await break_vault(f"GET /secrets/conn-{made['id']}", status=500, times=9)
    assert (await access_token(client, made["id"])).status == 503
    await client.vault("DELETE", "faults")
    assert (await call(client, "GET", f"{KEY_VAULT}/{made['id']}")).connection["status"] == made["status"]
    assert (await access_token(client, made["id"])).status == 200


async def test_a_check_tells_what_a_vault_answers(client: Client) -> None:
    customer = await Customer.new(client)
    connection = (await create(client, customer, "checked")).connection
    reply = await check(client, connection["id"], {"vaultUrl": client.stack.settings["VAULT_URL"]})
    assert reply.json["canListSecrets"] is True, reply.text
    assert "message" not in reply.json


@pytest.mark.parametrize(
    ("fault", "can_list", "told"),
    [
        ({"status": 403, "body": {"error": {"innererror": {"code": "ForbiddenByRbac"}}}}, False, "Secrets User"),
        ({"status": 403, "body": {"error": {"innererror": {"code": "ForbiddenByFirewall"}}}}, False, "firewall"),
        ({"status": 429, "headers": {"Retry-After": "9"}}, None, "9 seconds"),
        ({"status": 500, "body": "oops"}, None, "status 500"),
        ({"status": 200, "body": "garbage"}, None, "does not speak as a Key Vault"),
        ({"delay": 7}, None, "did not answer in time"),
    ],
    ids=["role", "firewall", "throttled", "500", "garbage", "silent"],
)
async def test_a_vault_that_does_not_list_its_secrets_is_no_fault_of_the_connection(
    client: Client, break_vault: Break, *, fault: dict[str, Any], can_list: bool | None, told: str
) -> None:
    made = await by_user(client, await Customer.new(client))
    await break_vault(r"GET /secrets\?.*maxresults=1", **fault)
    found = (await check(client, made["id"], {"vaultUrl": client.stack.settings["VAULT_URL"]})).json
    assert (found["status"], found.get("canListSecrets")) == ("active", can_list)
    assert told in found["message"]
    assert (await call(client, "GET", f"{KEY_VAULT}/{made['id']}")).connection["status"] == made["status"]


async def test_a_check_reaches_no_other_host(client: Client, break_vault: Break) -> None:
    customer = await Customer.new(client)
    connection = (await create(client, customer, "careful")).connection
    vault = client.stack.settings["VAULT_URL"]
    for url in (
        client.stack.api,
        vault.replace("https://", "http://"),
        f"{vault}/secrets/one",
        vault.replace("https://", "https://user@"),
        vault.replace(str(client.stack.ports.vault), str(client.stack.ports.entra)),
        "https://169.254.169.254",
        "https://169.254.169.254/metadata/identity/oauth2/token",
        "https://localhost:1",
        "https://[::1]",
        "https://evil.example/x",
        "https://a-vault.vault.azure.net.evil.example",
        "https://a-vault.vault.azure.net@evil.example",
        "https://user@a-vault.vault.azure.net",
        "https://a-vault.vault.azure.net:8443",
        "https://xn--vault-a.vault.azure.net",
        "https://a-vault.vault.azure.cn",
    ):
        refusal(await check(client, connection["id"], {"vaultUrl": url}), 422, "ValidationFailure")
    await break_vault(
        r"GET /secrets\?.*maxresults=1", status=302, headers={"Location": f"{vault}/secrets?redirected=1"}
    )
    await break_vault("redirected", status=200, body={"value": []})
    found = (await check(client, connection["id"], {"vaultUrl": vault})).json
    assert "canListSecrets" not in found, "a redirect is not followed"


async def test_a_dead_connection_is_mended_in_place_through_a_link(client: Client) -> None:
    customer = await Customer.new(client)
    connection = (await create(client, customer, "mended")).connection
    await client.entra("POST", "grants", {"user": customer.user, "refusedWith": 50173})
    assert (await access_token(client, connection["id"])).status == 424
    await client.entra("POST", "grants", {"user": customer.user, "refusedWith": None})
    link = await Link.new(client, "mended", connectionId=connection["id"])
    done = await (await Attempt.begin(client, link)).finish(client, customer)
    assert done.status == 200, done.text
    after = (await call(client, "GET", f"{KEY_VAULT}/{connection['id']}")).connection
    assert after["status"]["state"] == "active"
    assert [after[key] for key in ("id", "name", "credentialsHash")] == [
        connection[key] for key in ("id", "name", "credentialsHash")
    ]
    assert (await access_token(client, connection["id"])).status == 200


async def test_a_caller_needs_the_right_to_edit_for_a_reconnect_and_to_create_for_a_new_one(client: Client) -> None:
    customer = await Customer.new(client)
    connection = (await create(client, customer, "guarded")).connection
    org_id = connection["orgId"]
    new, again = {"name": "new", "method": "oauth"}, {"connectionId": connection["id"]}
    for role, allowed, refused in (("Edit", again, new), ("Create", new, again)):
        token = await token_of(client, org_id, roles=[f"AppConnections.{role}"])
        path = f"{KEY_VAULT}/oauth/authorize"
        assert (await call(client, "POST", path, allowed, token=token)).status == 200
        refusal(await call(client, "POST", path, refused, token=token), 403, "PermissionDenied")
