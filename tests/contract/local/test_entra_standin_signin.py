"""A person signs in at the Entra stand-in: the authorize page and what the client hears of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from yarl import URL

from local.entra import seed
from tests.contract.local.entra_world import (
    CALLBACK,
    VAULT_SCOPE,
    World,
    entra_world,
    form_of,
    query_of,
)

SCOPE = f"{VAULT_SCOPE} openid profile offline_access"
S256 = {"code_challenge": "a" * 43, "code_challenge_method": "S256"}


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with entra_world(tmp_path, tmp_path_factory) as world:
        await world.set_oauth_secret()
        yield world


def authorize_url(world: World, tenant: str = seed.CONTOSO_TENANT_ID, **changes: str) -> str:
    query = {
        "client_id": seed.OAUTH_CLIENT_ID,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": SCOPE,
        "state": "s1",
    }
    return f"{world.authority(tenant)}/oauth2/v2.0/authorize?{urlencode(query | changes)}"


@pytest.mark.filterwarnings("ignore:response_mode='form_post' is recommended")  # query is what loopback http can use
@pytest.mark.parametrize("tenant", [seed.CONTOSO_TENANT_ID, "contoso.example", "organizations"])
async def test_msal_completes_the_code_flow_with_pkce_and_nonce(world: World, tenant: str) -> None:
    app = await world.msal(tenant)
    flow = app.initiate_auth_code_flow([VAULT_SCOPE], redirect_uri=CALLBACK, prompt="select_account")
    status, html = await world.page(flow["auth_uri"])
    assert status == 200
    assert "Local stand-in for Microsoft Entra ID" in html
    answer = await world.press(flow["auth_uri"], "accept")
    assert answer.status == 303
    returned = query_of(answer.headers["Location"])
    assert returned["session_state"]
    result = await asyncio.to_thread(app.acquire_token_by_auth_code_flow, flow, returned)
    assert result["id_token_claims"]["tid"] == seed.CONTOSO_TENANT_ID
    assert result["id_token_claims"]["oid"] == seed.CONTOSO_ADA_ID
    assert result["id_token_claims"]["preferred_username"] == "ada@contoso.example"
    assert result["id_token_claims"]["aud"] == seed.OAUTH_CLIENT_ID
    assert result["id_token_claims"]["nonce"] == URL(flow["auth_uri"]).query["nonce"]
    claims = world.entra.entra.key.verify(result["access_token"], audience="https://vault.azure.net")
    assert claims["scp"] == "user_impersonation"
    assert claims["iss"] == f"{world.authority()}/v2.0"
    assert claims["appid"] == seed.OAUTH_CLIENT_ID
    assert result["refresh_token"]
    [account] = app.get_accounts()
    assert account["home_account_id"] == f"{seed.CONTOSO_ADA_ID}.{seed.CONTOSO_TENANT_ID}"


async def test_msal_completes_the_code_flow_by_form_post(world: World) -> None:
    app = await world.msal()
    flow = app.initiate_auth_code_flow([VAULT_SCOPE], redirect_uri=CALLBACK, response_mode="form_post")
    answer = await world.press(flow["auth_uri"], "accept", seed.CONTOSO_BEN_ID)
    html = await answer.text()
    assert f'action="{CALLBACK}"' in html
    assert ">Continue</button>" in html
    nonce = re.search(r"script-src 'nonce-([^']+)'", answer.headers["Content-Security-Policy"])
    assert nonce is not None
    assert f'<script nonce="{nonce[1]}">' in html
    result = await asyncio.to_thread(app.acquire_token_by_auth_code_flow, flow, form_of(html))
    assert result["id_token_claims"]["oid"] == seed.CONTOSO_BEN_ID


async def test_the_page_offers_the_accounts_of_the_tenant_only_and_of_every_tenant_to_organizations(
    world: World,
) -> None:
    _, contoso = await world.page(authorize_url(world))
    assert contoso.count('type="radio"') == 2
    assert "fay@fabrikam.example" not in contoso
    _, everyone = await world.page(authorize_url(world, "organizations"))
    assert "fay@fabrikam.example" in everyone


async def test_the_page_selects_the_account_that_the_login_hint_names(world: World) -> None:
    _, html = await world.page(authorize_url(world, login_hint="ben@contoso.example"))
    assert f'value="{seed.CONTOSO_BEN_ID}" required checked' in html


async def test_the_page_escapes_what_the_directory_says(world: World) -> None:
    await world.control("applications", {"appId": seed.OAUTH_CLIENT_ID, "displayName": "<script>alert(1)</script>"})
    _, html = await world.page(authorize_url(world))
    assert "<script>alert" not in html


async def test_the_page_runs_nothing_and_is_not_kept(world: World) -> None:
    async with world.http.get(authorize_url(world)) as response:
        headers = response.headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'nonce-")
    assert "script-src" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"


async def test_cancelling_tells_the_client_with_its_state(world: World) -> None:
    answer = await world.press(authorize_url(world), "cancel")
    returned = query_of(answer.headers["Location"])
    assert returned["error"] == "access_denied"
    assert returned["error_description"].startswith("AADSTS65004:")
    assert returned["state"] == "s1"
    assert returned["session_state"]


async def test_an_administrators_consent_comes_back_without_a_code(world: World) -> None:
    await world.control("tenants", {"id": seed.CONTOSO_TENANT_ID, "adminConsentOnly": True})
    answer = await world.press(authorize_url(world), "accept")
    returned = query_of(answer.headers["Location"])
    assert "code" not in returned
    assert returned["admin_consent"] == "True"
    assert returned["tenant"] == seed.CONTOSO_TENANT_ID
    assert returned["state"] == "s1"


@pytest.mark.parametrize(
    ("tenant", "changes", "number"),
    [
        (seed.CONTOSO_TENANT_ID, {"redirect_uri": CALLBACK + "/"}, 50011),
        (seed.CONTOSO_TENANT_ID, {"redirect_uri": "https://elsewhere.example/"}, 50011),
        (seed.CONTOSO_TENANT_ID, {"client_id": "d0000000-0000-4000-8000-000000000000"}, 700016),
        (seed.FABRIKAM_TENANT_ID, {"client_id": seed.CONTOSO_APP_ID}, 700016),
        ("nowhere.example", {}, 90002),
        ("organizations", {"client_id": seed.CONTOSO_APP_ID}, 50194),
        (seed.CONTOSO_TENANT_ID, {"redirect_uri": ""}, 900144),
    ],
)
async def test_a_request_that_cannot_be_trusted_shows_a_page_and_redirects_nowhere(
    world: World, tenant: str, changes: dict[str, str], number: int
) -> None:
    status, html = await world.page(authorize_url(world, tenant, **changes))
    assert status == 400
    assert f"AADSTS{number}:" in html


@pytest.mark.parametrize(
    ("changes", "error", "number"),
    [
        ({"response_type": "token"}, "unsupported_response_type", 700054),
        ({"response_mode": "fragment"}, "invalid_request", 90023),
        ({"prompt": "admin"}, "invalid_request", 90023),
        ({"prompt": "none"}, "login_required", 50058),
        ({**S256, "code_challenge_method": "plain"}, "invalid_request", 90023),
        ({**S256, "code_challenge": "short"}, "invalid_request", 501491),
        ({"scope": ""}, "invalid_request", 900144),
        ({"scope": "https://nothing.example/.default"}, "invalid_resource", 500011),
        ({"scope": f"{VAULT_SCOPE} https://graph.microsoft.com/User.Read"}, "invalid_scope", 70011),
    ],
)
async def test_any_other_fault_is_told_to_the_client(
    world: World, changes: dict[str, str], error: str, number: int
) -> None:
    url = authorize_url(world, **changes)
    async with world.http.get(url, allow_redirects=False) as response:
        returned = query_of(response.headers["Location"])
    assert returned["error"] == error
    assert returned["error_description"].startswith(f"AADSTS{number}:")
    assert returned["state"] == "s1"


async def test_a_client_without_the_vault_permission_is_refused(world: World) -> None:
    await world.control("applications", {"appId": seed.OAUTH_CLIENT_ID, "vaultPermission": False})
    answer = await world.press(authorize_url(world), "accept")
    assert query_of(answer.headers["Location"])["error_description"].startswith("AADSTS650057:")
