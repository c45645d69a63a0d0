"""Changing a connection over HTTP, and finding it by name and scope."""

from __future__ import annotations

import asyncio

import pytest

from local.client import KEY_VAULT, Client
from local.entra import seed
from tests.e2e.apps import get, patch
from tests.e2e.world import DAILY_AT_THREE, Customer, call, create, eventually, names, refusal


async def test_each_field_changes_by_itself(client: Client, customer: Customer) -> None:
    made = (await create(client, customer)).connection
    changed = (await patch(client, made, description="for payments", method="certificate", orgId="x")).connection
    assert changed == made | {"description": "for payments", "updatedAt": changed["updatedAt"]}
    assert (await patch(client, made, name="renamed")).connection["name"] == "renamed"
    assert (await patch(client, made, description="")).connection["description"] is None
    assert await names(client) == ["renamed"]


async def test_a_rename_onto_a_name_in_use_is_refused(client: Client, customer: Customer) -> None:
    await create(client, customer, "taken")
    made = (await create(client, customer)).connection
    message = refusal(await patch(client, made, name="taken"), 409, "Conflict")
    assert message == 'An App Connection with the name "taken" already exists'
    assert await get(client, made) == made


async def test_rotation_is_enabled_disabled_and_enabled_again(client: Client, customer: Customer) -> None:
    made = (await create(client, customer)).connection
    message = refusal(await patch(client, made, isAutoRotationEnabled=True), 400, "BadRequest")
    assert message == "Rotation interval and schedule are required when enabling rotation"
    on = (await patch(client, made, isAutoRotationEnabled=True, rotation=DAILY_AT_THREE)).connection
    assert on["rotation"]["nextRotationAt"] is not None
    off = (await patch(client, made, isAutoRotationEnabled=False)).connection
    assert off["rotation"] == on["rotation"] | {"nextRotationAt": None}
    again = (await patch(client, made, isAutoRotationEnabled=True, rotation={"rotationInterval": 200})).connection
    assert again["rotation"]["rotateAtUtc"] == DAILY_AT_THREE["rotateAtUtc"]
    assert again["rotation"]["rotationInterval"] == 200


async def test_a_new_code_renews_the_grant_and_keeps_the_hash(client: Client, customer: Customer) -> None:
    made = (await create(client, customer)).connection
    credentials = {"code": await customer.code(client), "tenantId": customer.tenant}
    renewed = (await patch(client, made, credentials=credentials)).connection
    assert renewed["credentialsHash"] == made["credentialsHash"]
    readable = await eventually(
        lambda: client.versions(made["id"]), lambda found: [each["enabled"] for each in found] == [False, True]
    )
    assert len(readable) == 2


async def test_an_etag_is_offered_and_honoured_and_never_required(client: Client, customer: Customer) -> None:
    made = (await create(client, customer)).connection
    path = f"{KEY_VAULT}/{made['id']}"
    etag = (await call(client, "GET", path)).headers["ETag"]
    changed = await call(client, "PATCH", path, {"description": "first"}, If_Match=etag)
    assert changed.status == 200
    stale = await call(client, "PATCH", path, {"description": "second"}, If_Match=etag)
    refusal(stale, 412, "PreconditionFailed")
    fresh = await call(client, "PATCH", path, {"description": "second"}, If_Match=changed.headers["ETag"])
    assert fresh.connection["description"] == "second"
    for garbage in ("garbage", 'W/"1"', '"one"', "*, 3"):
        (problem,) = refusal(
            await call(client, "PATCH", path, {"description": "x"}, If_Match=garbage), 422, "ValidationFailure"
        )
        assert problem["path"] == ["If-Match"]


async def test_of_two_updates_at_once_one_wins_and_the_other_is_told(client: Client, customer: Customer) -> None:
    made = (await create(client, customer)).connection
    etag = (await call(client, "GET", f"{KEY_VAULT}/{made['id']}")).headers["ETag"]
    replies = await asyncio.gather(
        *(
            call(client, "PATCH", f"{KEY_VAULT}/{made['id']}", {"name": name, "description": name}, If_Match=etag)
            for name in ("left", "right")
        )
    )
    assert sorted(reply.status for reply in replies)[0] == 200
    assert sorted(reply.status for reply in replies)[1] in (409, 412)
    left = await get(client, made)
    assert left["name"] == left["description"]


async def test_background_work_does_not_move_the_etag(client: Client, customer: Customer) -> None:
    made = (await create(client, customer, rotation=DAILY_AT_THREE)).connection
    path = f"{KEY_VAULT}/{made['id']}"
    etag = (await call(client, "GET", path)).headers["ETag"]
    await call(client, "POST", f"{path}/rotate-credentials")
    rotated = await eventually(lambda: get(client, made), lambda seen: seen["rotation"]["lastRotatedAt"])
    assert rotated["updatedAt"] == made["updatedAt"]
    assert rotated["credentialsHash"] == made["credentialsHash"]
    assert (await call(client, "PATCH", path, {"description": "x"}, If_Match=etag)).status == 200


async def test_a_connection_is_found_by_its_name_in_its_scope(client: Client, customer: Customer) -> None:
    project = (await call(client, "POST", "/api/v1/projects", {"projectName": "Payments"})).json["project"]["id"]
    free = (await create(client, customer)).connection
    scoped = (await create(client, customer, projectId=project)).connection
    path = f"{KEY_VAULT}/connection-name/prod"
    assert (await call(client, "GET", path)).connection == free
    assert (await call(client, "GET", f"{path}?projectId={project}")).connection == scoped
    missing = await call(client, "GET", f"{KEY_VAULT}/connection-name/none")
    assert refusal(missing, 404, "NotFound") == ("Could not find App Connection with name none in organization scope.")
    missing = await call(client, "GET", f"{KEY_VAULT}/connection-name/none?projectId={project}")
    assert refusal(missing, 404, "NotFound") == "Could not find App Connection with name none in project scope."
    (problem,) = refusal(await call(client, "GET", f"{KEY_VAULT}/connection-name/No!"), 422, "ValidationFailure")
    assert problem["path"] == ["connectionName"]


async def test_what_can_be_used_in_a_scope_is_listed_without_credentials(client: Client, customer: Customer) -> None:
    project = (await call(client, "POST", "/api/v1/projects", {"projectName": "Payments"})).json["project"]["id"]
    free = (await create(client, customer, "b")).connection
    scoped = [(await create(client, customer, name, projectId=project)).connection for name in ("a", "b", "c")]
    expected = [
        {"app": "azure-key-vault", "name": item["name"], "id": item["id"], "orgId": item["orgId"]}
        | ({"projectId": project} if item["projectId"] else {})
        for item in (scoped[0], free, scoped[1], scoped[2])
    ]
    path = f"{KEY_VAULT}/available"
    assert (await call(client, "GET", path)).json["appConnections"] == [expected[1]]
    assert (await call(client, "GET", f"{path}?projectId={project}")).json["appConnections"] == expected
    found, cursor = [], ""
    while True:
        page = (await call(client, "GET", f"{path}?projectId={project}&limit=1{cursor}")).json
        found += page["appConnections"]
        if "nextCursor" not in page:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert found == expected


async def test_the_options_name_every_method_and_the_service_s_own_app(client: Client) -> None:
    assert (await call(client, "GET", "/api/v1/app-connections/options")).json == {
        "appConnectionOptions": [
            {
                "name": "Azure Key Vault",
                "app": "azure-key-vault",
                "methods": ["oauth", "client-secret", "certificate", "federated"],
                "oauthClientId": seed.OAUTH_CLIENT_ID,
            }
        ]
    }


async def test_the_list_of_all_kinds_is_the_list_of_this_kind(client: Client, customer: Customer) -> None:
    await create(client, customer, "a")
    await create(client, customer, "b")
    ours = (await call(client, "GET", KEY_VAULT)).json
    assert (await call(client, "GET", "/api/v1/app-connections")).json == ours
    page = (await call(client, "GET", "/api/v1/app-connections?limit=1")).json
    assert [item["name"] for item in page["appConnections"]] == ["a"]


@pytest.mark.parametrize("path", ["available", "", "{id}/rotations", "../audit-logs"])
async def test_a_forged_cursor_is_refused_on_every_list(client: Client, customer: Customer, path: str) -> None:
    made = (await create(client, customer)).connection
    base = "/api/v1/audit-logs" if path == "../audit-logs" else f"{KEY_VAULT}/{path.format(id=made['id'])}".rstrip("/")
    for cursor in ("forged", "e30", "a" * 513, "%00"):
        reply = await call(client, "GET", f"{base}?cursor={cursor}")
        assert [problem["path"] for problem in refusal(reply, 422, "ValidationFailure")] == [["cursor"]]
