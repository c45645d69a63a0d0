"""The rest of the Entra stand-in: discovery, managed identity, control plane, the process itself."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ManagedIdentityCredential

from local.entra import seed
from tests.contract.local.entra_world import World, aadsts, entra_world

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with entra_world(tmp_path, tmp_path_factory) as world:
        yield world


@pytest.mark.parametrize(
    ("tenant", "issuer"),
    [
        (seed.CONTOSO_TENANT_ID, seed.CONTOSO_TENANT_ID),
        ("contoso.example", seed.CONTOSO_TENANT_ID),
        ("organizations", "{tenantid}"),
        ("common", "{tenantid}"),
    ],
)
async def test_the_openid_configuration_names_the_tenants_issuer(world: World, tenant: str, issuer: str) -> None:
    url = f"{world.authority(tenant)}/v2.0/.well-known/openid-configuration"
    async with world.http.get(url) as response:
        body = await response.json()
    assert body["issuer"] == f"{world.entra.authority}/{issuer}/v2.0"
    assert body["token_endpoint"].endswith("/oauth2/v2.0/token")


async def test_an_unknown_tenant_has_no_configuration(world: World) -> None:
    url = f"{world.authority('nowhere.example')}/v2.0/.well-known/openid-configuration"
    async with world.http.get(url) as response:
        assert aadsts((response.status, await response.json())) == (400, "invalid_tenant", 90002)


@pytest.mark.parametrize("tenant", ["common", seed.HOME_TENANT_ID])
async def test_tokens_verify_against_the_published_keys(world: World, tenant: str) -> None:
    token = (await world.control("tokens", {"roles": ["AppConnections.Read"], "name": "Olga"}))["accessToken"]
    async with world.http.get(f"{world.authority(tenant)}/discovery/v2.0/keys") as response:
        keys = jwt.PyJWKSet.from_dict(await response.json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["RS256"], audience=seed.API_CLIENT_ID)
    assert claims["iss"] == f"{world.authority(seed.HOME_TENANT_ID)}/v2.0"
    assert claims["roles"] == ["AppConnections.Read"]
    assert claims["name"] == "Olga"
    assert claims["tid"] == seed.HOME_TENANT_ID


async def test_a_developers_token_takes_any_claim_and_leaves_out_null(world: World) -> None:
    body = {"tenant": "contoso.example", "expiresIn": -60, "ver": "1.0", "nbf": None, "groups": ["g1"]}
    token = (await world.control("tokens", body))["accessToken"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["tid"] == seed.CONTOSO_TENANT_ID
    assert claims["exp"] < claims["iat"]
    assert (claims["ver"], claims["groups"]) == ("1.0", ["g1"])
    assert "nbf" not in claims


@pytest.fixture
def identity_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", world.entra.identity_endpoint)
    monkeypatch.setenv("IDENTITY_HEADER", seed.IDENTITY_HEADER)


async def test_the_managed_identity_gets_tokens_for_vaults_and_for_federation(
    world: World, identity_environment: None
) -> None:
    async with ManagedIdentityCredential(client_id=seed.IDENTITY_CLIENT_ID) as credential:
        vault = await credential.get_token("https://vault.azure.net/.default")
        exchange = await credential.get_token("api://AzureADTokenExchange/.default")
    assert world.entra.entra.key.verify(vault.token, audience="https://vault.azure.net")
    claims = world.entra.entra.key.verify(exchange.token, audience="api://AzureADTokenExchange")
    assert claims["sub"] == claims["oid"] == seed.IDENTITY_OBJECT_ID
    assert claims["iss"] == f"{world.authority(seed.HOME_TENANT_ID)}/v2.0"
    assert claims["exp"] == exchange.expires_on


async def test_an_identity_that_is_not_assigned_gets_no_token(world: World, identity_environment: None) -> None:
    async with ManagedIdentityCredential(client_id=seed.OAUTH_CLIENT_ID) as credential:
        with pytest.raises(ClientAuthenticationError):
            await credential.get_token("https://vault.azure.net/.default")


@pytest.mark.parametrize(
    ("header", "query", "status"),
    [
        ("wrong", {}, 401),
        (seed.IDENTITY_HEADER, {"api-version": "2017-09-01"}, 400),
        (seed.IDENTITY_HEADER, {"client_id": ""}, 400),
        (seed.IDENTITY_HEADER, {"resource": "https://nothing.example"}, 400),
        (seed.IDENTITY_HEADER, {}, 200),
    ],
)
async def test_the_identity_endpoint_checks_what_it_is_asked(
    world: World, header: str, query: dict[str, str], status: int
) -> None:
    good = {
        "api-version": "2019-08-01",
        "resource": "https://vault.azure.net",
        "client_id": seed.IDENTITY_CLIENT_ID,
    }
    headers = {"X-IDENTITY-HEADER": header}
    async with world.http.get(world.entra.identity_endpoint, params=good | query, headers=headers) as response:
        assert response.status == status


async def test_tenants_users_and_applications_can_be_made_and_used(world: World) -> None:
    tenant = await world.control("tenants", {"displayName": "Northwind", "domains": ["northwind.example"]})
    user = await world.control(
        f"tenants/{tenant['id']}/users", {"displayName": "Nia", "userPrincipalName": "nia@northwind.example"}
    )
    app = await world.control("applications", {"tenant": tenant["id"], "displayName": "Northwind deployment"})
    password = await world.control(f"applications/{app['appId']}/passwords", {"displayName": "first"})
    status, _ = await world.token(
        "northwind.example",
        grant_type="client_credentials",
        client_id=app["appId"],
        client_secret=password["secretText"],
        scope="https://vault.azure.net/.default",
    )
    assert status == 200
    assert await world.code(tenant="northwind.example", user=user["id"])


async def test_a_change_keeps_the_fields_that_are_not_sent(world: World) -> None:
    changed = await world.control("tenants", {"id": seed.CONTOSO_TENANT_ID, "displayName": "Contoso Ltd"})
    assert changed["domains"] == ["contoso.example"]
    assert len(changed["users"]) == 2


async def test_the_control_plane_refuses_what_it_does_not_understand(world: World) -> None:
    await world.control("tenants", {"id": seed.CONTOSO_TENANT_ID, "colour": "blue"}, 400)
    await world.control("applications", {"appId": seed.CONTOSO_APP_ID, "refusedWith": 1}, 400)
    await world.control("applications", {"appId": "not-a-guid", "tenant": seed.HOME_TENANT_ID}, 400)
    await world.control("applications", {"appId": seed.CONTOSO_APP_ID, "certificates": ["not PEM"]}, 400)
    await world.control("codes", {"tenant": "contoso.example"}, 400)
    async with world.http.post(f"{world.entra.authority}/_control/tenants", data="{") as response:
        assert response.status == 400
    with pytest.raises(AssertionError, match="50034"):
        await world.code(user="fay@fabrikam.example")
    with pytest.raises(AssertionError, match="50011"):
        await world.code(redirectUri="https://elsewhere.example")


async def test_the_state_shows_the_directory_without_any_secret(world: World) -> None:
    async with world.http.get(f"{world.entra.authority}/_control/state") as response:
        text = await response.text()
    assert seed.CONTOSO_APP_ID in text
    assert seed.CONTOSO_APP_SECRET not in text


async def test_an_answer_can_be_lost_after_it_took_effect(world: World) -> None:
    await world.set_oauth_secret()
    await world.control("faults", {"match": "POST .*/token", "lose_answer": True})
    code = await world.code()
    with pytest.raises(aiohttp.ClientConnectionError):
        await world.redeem(code)
    assert aadsts(await world.redeem(code))[2] == 54005


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_says_when_it_is_ready_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local.entra",
        "--port", str(port), "--identity-port", str(free_port()),
        "--state", str(tmp_path / "state"), "--certificates", str(tmp_path / "certificates"),
        "--public-url", "http://127.0.0.1:7071",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    ready = await asyncio.wait_for(process.stdout.readline(), 20)
    assert f"https://127.0.0.1:{port}".encode() in ready
    process.send_signal(number)
    out, errors = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, out, errors) == (0, b"", b"")
    assert (tmp_path / "state" / "entra.json").stat().st_mode & 0o077 == 0
