"""Microsoft Graph's application passwords at the stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local.entra import seed
from tests.contract.local.entra_world import GRAPH_DEFAULT, Answer, World, aadsts, entra_world

BY_OBJECT = f"applications/{seed.CONTOSO_APP_OBJECT_ID}"
BY_APP = f"applications(appId='{seed.CONTOSO_APP_ID}')"
FIND = f"applications?$filter=appId eq '{seed.CONTOSO_APP_ID}'&$select=id,signInAudience,passwordCredentials"


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with entra_world(tmp_path, tmp_path_factory) as world:
        yield world


async def own_token(world: World) -> str:
    _, body = await world.token(
        grant_type="client_credentials",
        client_id=seed.CONTOSO_APP_ID,
        client_secret=seed.CONTOSO_APP_SECRET,
        scope=GRAPH_DEFAULT,
    )
    return str(body["access_token"])


async def any_token(world: World, **claims: Any) -> str:
    body = {
        "tenant": seed.CONTOSO_TENANT_ID,
        "audience": "https://graph.microsoft.com",
        "roles": ["Application.ReadWrite.All"],
    }
    return str((await world.control("tokens", body | claims))["accessToken"])


async def graph(world: World, path: str, *, token: str | None = None, body: dict[str, Any] | None = None) -> Answer:
    headers = {"Authorization": f"Bearer {token or await own_token(world)}"}
    method = "GET" if body is None else "POST"
    async with world.http.request(method, f"{world.entra.graph}/{path}", json=body, headers=headers) as response:
        return response.status, {} if response.status == 204 else await response.json()


async def listed(world: World) -> list[dict[str, Any]]:
    passwords: list[dict[str, Any]] = (await graph(world, BY_OBJECT))[1]["passwordCredentials"]
    return passwords


async def sign_in(world: World, secret: str) -> Answer:
    form = {"grant_type": "client_credentials", "client_id": seed.CONTOSO_APP_ID, "scope": GRAPH_DEFAULT}
    return await world.token(**form, client_secret=secret)


async def test_an_application_is_found_by_its_client_id_with_the_selected_properties(world: World) -> None:
    status, body = await graph(world, FIND)
    assert status == 200
    [application] = body["value"]
    assert application.keys() == {"id", "signInAudience", "passwordCredentials"}
    assert application["id"] == seed.CONTOSO_APP_OBJECT_ID
    [password] = application["passwordCredentials"]
    assert password["keyId"] == seed.CONTOSO_APP_SECRET_KEY_ID
    assert password["hint"] == seed.CONTOSO_APP_SECRET[:3]
    assert password["secretText"] is None


async def test_an_application_is_read_by_either_name(world: World) -> None:
    assert (await graph(world, BY_OBJECT))[1]["appId"] == seed.CONTOSO_APP_ID
    assert (await graph(world, BY_APP))[1]["id"] == seed.CONTOSO_APP_OBJECT_ID
    status, body = await graph(world, f"applications/{seed.OAUTH_OBJECT_ID}")
    assert (status, body["error"]["code"]) == (404, "Request_ResourceNotFound")


@pytest.mark.parametrize("path", [BY_OBJECT, BY_APP])
async def test_a_password_is_shown_once_signs_in_and_can_be_removed(world: World, path: str) -> None:
    wanted = {"displayName": "rotation 7", "endDateTime": "2099-01-01T02:00:00+02:00"}
    status, added = await graph(world, f"{path}/addPassword", body={"passwordCredential": wanted})
    assert status == 200
    assert len(added["secretText"]) == 40
    assert added["hint"] == added["secretText"][:3]
    assert added["endDateTime"] == "2099-01-01T00:00:00Z"
    assert (await sign_in(world, added["secretText"]))[0] == 200
    [_, stored] = await listed(world)
    assert stored["displayName"] == "rotation 7"
    assert stored["secretText"] is None
    assert (await graph(world, f"{path}/removePassword", body={"keyId": added["keyId"]}))[0] == 204
    assert aadsts(await sign_in(world, added["secretText"]))[2] == 7000215


async def test_removing_a_password_that_is_gone_says_so(world: World) -> None:
    body = {"keyId": "d0000000-0000-4000-8000-000000000000"}
    status, answer = await graph(world, f"{BY_OBJECT}/removePassword", body=body)
    assert (status, answer["error"]["code"]) == (400, "Request_BadRequest")
    assert "No password credential found with keyId" in answer["error"]["message"]
    assert answer["error"]["innerError"]["request-id"]


async def test_an_app_for_personal_accounts_holds_two_passwords(world: World) -> None:
    audience = "AzureADandPersonalMicrosoftAccount"
    await world.control("applications", {"appId": seed.CONTOSO_APP_ID, "signInAudience": audience})
    assert (await graph(world, f"{BY_OBJECT}/addPassword", body={}))[0] == 200
    status, answer = await graph(world, f"{BY_OBJECT}/addPassword", body={})
    assert (status, answer["error"]["code"]) == (400, "TooManyAppPasswords")
    assert len(await listed(world)) == 2


async def test_a_full_application_object_takes_no_more(world: World) -> None:
    application = world.entra.entra.directory.application(seed.CONTOSO_APP_ID)
    assert application is not None
    application.passwords *= 600
    status, answer = await graph(world, f"{BY_OBJECT}/addPassword", body={})
    assert (status, answer["error"]["code"]) == (400, "Directory_ResourceSizeExceeded")


@pytest.mark.parametrize(
    "body",
    [
        {"passwordCredential": {"endDateTime": "2020-01-01T00:00:00Z"}},
        {"passwordCredential": {"endDateTime": "tomorrow"}},
    ],
)
async def test_a_password_with_an_impossible_end_is_refused(world: World, body: dict[str, Any]) -> None:
    status, answer = await graph(world, f"{BY_OBJECT}/addPassword", body=body)
    assert (status, answer["error"]["code"]) == (400, "Request_BadRequest")


@pytest.mark.parametrize("query", ["", "?$filter=displayName eq 'x'"])
async def test_only_the_filter_by_client_id_is_known(world: World, query: str) -> None:
    status, answer = await graph(world, f"applications{query}")
    assert (status, answer["error"]["code"]) == (400, "Request_UnsupportedQuery")


async def test_an_unknown_property_cannot_be_selected(world: World) -> None:
    status, answer = await graph(world, f"{BY_OBJECT}?$select=nothing")
    assert (status, answer["error"]["code"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "claims",
    [{"audience": "https://vault.azure.net"}, {"expiresIn": -305}, {"aud": None}],
    ids=["audience", "expired", "no audience"],
)
async def test_a_token_for_something_else_is_refused(world: World, claims: dict[str, Any]) -> None:
    status, answer = await graph(world, FIND, token=await any_token(world, **claims))
    assert (status, answer["error"]["code"]) == (401, "InvalidAuthenticationToken")


async def test_a_call_without_a_good_token_is_refused(world: World) -> None:
    assert (await graph(world, FIND, token="garbled"))[0] == 401
    async with world.http.get(f"{world.entra.graph}/applications") as response:
        assert response.status == 401


async def test_a_token_without_the_application_permission_is_refused(world: World) -> None:
    status, answer = await graph(world, FIND, token=await any_token(world, roles=["User.Read.All"]))
    assert (status, answer["error"]["code"]) == (403, "Authorization_RequestDenied")


async def test_a_token_sees_the_applications_of_its_tenant_only(world: World) -> None:
    token = await any_token(world, tenant=seed.FABRIKAM_TENANT_ID)
    assert (await graph(world, FIND, token=token))[1]["value"] == []
    assert (await graph(world, f"{BY_OBJECT}/addPassword", token=token, body={}))[0] == 404


async def test_owned_by_writes_to_the_callers_own_registration_only(world: World) -> None:
    await world.control("applications", {"appId": seed.CONTOSO_APP_ID, "ownsItself": False})
    status, answer = await graph(world, f"{BY_OBJECT}/addPassword", body={})
    assert (status, answer["error"]["code"]) == (403, "Authorization_RequestDenied")
    assert (await graph(world, f"{BY_OBJECT}/addPassword", token=await any_token(world), body={}))[0] == 200


async def test_faults_can_make_graph_busy(world: World) -> None:
    busy = {"error": {"code": "Directory_ConcurrencyViolation", "message": "concurrent requests"}}
    await world.control("faults", {"match": "addPassword", "status": 409, "body": busy})
    await world.control("faults", {"match": "addPassword", "status": 429, "headers": {"Retry-After": "7"}})
    token = await own_token(world)
    status, answer = await graph(world, f"{BY_OBJECT}/addPassword", token=token, body={})
    assert (status, answer) == (409, busy)
    assert (await graph(world, f"{BY_OBJECT}/addPassword", token=token, body={}))[0] == 429
    assert (await graph(world, f"{BY_OBJECT}/addPassword", token=token, body={}))[0] == 200
