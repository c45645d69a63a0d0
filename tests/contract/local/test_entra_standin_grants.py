"""Authorization codes and refresh tokens at the Entra stand-in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from local.entra import seed
from local.entra.server import running
from tests.contract.local.entra_world import (
    PUBLIC_URL,
    SECRET,
    VAULT_SCOPE,
    World,
    aadsts,
    entra_world,
    restarted,
)


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with entra_world(tmp_path, tmp_path_factory) as world:
        await world.set_oauth_secret()
        yield world


async def sign_in(world: World) -> dict[str, Any]:
    status, body = await world.redeem(await world.code())
    assert status == 200, body
    return body


async def test_msal_gets_a_new_refresh_token_from_each_refresh_and_the_old_one_stays_good(world: World) -> None:
    first = await sign_in(world)
    app = await world.msal()
    second = await asyncio.to_thread(app.acquire_token_by_refresh_token, first["refresh_token"], [VAULT_SCOPE])
    assert second["refresh_token"] != first["refresh_token"]
    for token in (first["refresh_token"], second["refresh_token"]):
        status, body = await world.refresh(token)
        assert status == 200, body


async def test_a_code_works_once(world: World) -> None:
    code = await world.code()
    assert (await world.redeem(code))[0] == 200
    assert aadsts(await world.redeem(code)) == (400, "invalid_grant", 54005)


async def test_a_refused_try_does_not_spend_the_code(world: World) -> None:
    code = await world.code()
    assert aadsts(await world.redeem(code, client_secret="wrong")) == (401, "invalid_client", 7000215)
    assert (await world.redeem(code))[0] == 200


async def test_a_code_expires_after_ten_minutes(world: World) -> None:
    code = await world.code()
    world.clock.offset = timedelta(minutes=11)
    assert aadsts(await world.redeem(code)) == (400, "invalid_grant", 70008)


@pytest.mark.parametrize("verifier", [{}, {"code_verifier": "w" * 43}])
async def test_a_code_needs_its_own_verifier(world: World, verifier: dict[str, str]) -> None:
    code = await world.code(codeChallenge="a" * 43)
    assert aadsts(await world.redeem(code, **verifier)) == (400, "invalid_grant", 501481)


async def test_a_verifier_without_a_challenge_is_refused(world: World) -> None:
    answer = await world.redeem(await world.code(), code_verifier="w" * 43)
    assert aadsts(answer) == (400, "invalid_grant", 501481)


async def test_a_code_belongs_to_its_redirect_uri_tenant_and_client(world: World) -> None:
    code = await world.code()
    assert aadsts(await world.redeem(code, redirect_uri="https://elsewhere.example")) == (400, "invalid_grant", 500112)
    assert aadsts(await world.redeem(code, seed.FABRIKAM_TENANT_ID)) == (400, "invalid_grant", 700005)
    stranger = {"client_id": seed.CONTOSO_APP_ID, "client_secret": seed.CONTOSO_APP_SECRET}
    assert aadsts(await world.redeem(code, **stranger)) == (400, "invalid_grant", 70000)
    assert aadsts(await world.redeem("garbled")) == (400, "invalid_grant", 9002313)


async def test_a_refresh_token_is_bound_to_its_grant_client_and_tenant(world: World) -> None:
    token = (await sign_in(world))["refresh_token"]
    assert aadsts(await world.refresh("garbled")) == (400, "invalid_grant", 9002313)
    assert aadsts(await world.refresh(await world.code())) == (400, "invalid_grant", 9002313)
    stranger = {"client_id": seed.CONTOSO_APP_ID, "client_secret": seed.CONTOSO_APP_SECRET}
    assert aadsts(await world.refresh(token, **stranger)) == (400, "invalid_grant", 70000)
    assert aadsts(await world.refresh(token, seed.FABRIKAM_TENANT_ID)) == (400, "invalid_grant", 50020)


async def test_a_refresh_token_expires_after_90_days_of_inactivity(world: World) -> None:
    token = (await sign_in(world))["refresh_token"]
    world.clock.offset = timedelta(days=60)
    renewed = (await world.refresh(token))[1]["refresh_token"]
    world.clock.offset = timedelta(days=91)
    assert aadsts(await world.refresh(token)) == (400, "invalid_grant", 700082)
    assert (await world.refresh(renewed))[0] == 200


async def test_a_grant_can_be_revoked_and_a_new_sign_in_works(world: World) -> None:
    token = (await sign_in(world))["refresh_token"]
    assert await world.control("grants", {"user": "ada@contoso.example"}, 200) == {"changed": 1}
    assert aadsts(await world.refresh(token)) == (400, "invalid_grant", 50173)
    assert (await world.refresh((await sign_in(world))["refresh_token"]))[0] == 200


async def test_a_grant_can_be_refused_in_any_known_way_and_accepted_again(world: World) -> None:
    token = (await sign_in(world))["refresh_token"]
    await world.control("grants", {"refusedWith": 50076}, 200)
    assert aadsts(await world.refresh(token)) == (400, "interaction_required", 50076)
    await world.control("grants", {"refusedWith": 90033}, 200)
    assert aadsts(await world.refresh(token)) == (503, "temporarily_unavailable", 90033)
    await world.control("grants", {"refusedWith": None}, 200)
    assert (await world.refresh(token))[0] == 200
    await world.control("grants", {"refusedWith": 1}, 400)


async def test_a_refresh_token_serves_another_resource(world: World) -> None:
    token = (await sign_in(world))["refresh_token"]
    _, body = await world.refresh(token, scope="https://graph.microsoft.com/User.Read offline_access")
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert (claims["aud"], claims["scp"]) == ("https://graph.microsoft.com", "User.Read")


async def test_only_what_the_scope_asks_for_is_answered(world: World) -> None:
    _, body = await world.redeem(await world.code(scope=VAULT_SCOPE))
    assert body.keys() == {"token_type", "scope", "expires_in", "ext_expires_in", "access_token"}
    _, body = await world.redeem(await world.code(nonce="n1"), client_info="1")
    assert body.keys() >= {"refresh_token", "id_token", "client_info"}
    assert jwt.decode(body["id_token"], options={"verify_signature": False})["nonce"] == "n1"


async def test_a_refusal_has_every_field_of_entras(world: World) -> None:
    headers = {"client-request-id": "5f9d0d1c-8a52-4d3c-9a2f-0d6b7f0c3b11"}
    url = f"{world.authority()}/oauth2/v2.0/token"
    async with world.http.post(url, data={"client_id": seed.OAUTH_CLIENT_ID}, headers=headers) as response:
        body = await response.json()
        assert response.headers["Cache-Control"] == "no-store"
    assert body["error_codes"] == [7000218]
    assert body["correlation_id"] == headers["client-request-id"]
    assert f"Trace ID: {body['trace_id']} Correlation ID: {body['correlation_id']}" in body["error_description"]
    assert body["error_uri"].endswith("7000218")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", body["timestamp"])


async def test_a_restart_keeps_codes_redemptions_grants_and_passwords(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with entra_world(tmp_path, tmp_path_factory) as world:
        await world.set_oauth_secret()
        unused, used = await world.code(), await world.code()
        token = (await world.redeem(used))[1]["refresh_token"]
    async with restarted(tmp_path, tmp_path_factory.getbasetemp() / "entra") as world:
        assert aadsts(await world.redeem(used)) == (400, "invalid_grant", 54005)
        assert (await world.redeem(unused))[0] == 200
        assert (await world.refresh(token))[0] == 200
        state = (tmp_path / "state" / "entra.json").read_text()
        assert SECRET not in state
        assert token not in state


async def test_in_memory_no_change_is_written(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    certificates = tmp_path_factory.getbasetemp() / "entra"
    async with running(
        state=tmp_path / "state", certificates=certificates, public_url=PUBLIC_URL, in_memory=True
    ) as stand_in:
        stand_in.entra.save()
    assert [path.name for path in (tmp_path / "state").glob("*.json")] == []
