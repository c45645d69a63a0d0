"""The endpoints themselves over fakes: versions and conditions, repeated requests, rotations, checks and links."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat

from shared.domain.caller import Permission
from shared.web.health import Report
from tests.fakes.app_authority import fingerprint
from tests.fakes.entra import ADA
from tests.unit.web.api import OPERATIONS, Api, path_of, paths, shown, user_function
from tests.unit.web.certificates import certificate, key_pem, pem, rsa_key
from tests.unit.web.requests import ORG, TRACE, answer, authorised, context, request
from tests.unit.web.sent import CLIENT, KEY_ID, ROTATION, TENANT, create, credentials


async def test_the_etag_tells_the_version_that_callers_edit(api: Api) -> None:
    made = await api.created()
    assert made.headers["ETag"] == '"1"'
    for name, path in (("connections_get", path_of(made)), ("connections_get_by_name", {"connectionName": "payments"})):
        assert (await api.call(name, path=path)).headers["ETag"] == '"1"'
    changed = await api.call("connections_update", path=path_of(made), body={"name": "other"})
    assert changed.headers["ETag"] == '"2"'
    assert (await api.call("connections_get", path=path_of(made))).headers["ETag"] == '"2"'


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "payments", "description": "", "isAutoRotationEnabled": False},
        {"method": "oauth", "app": "x", "projectId": "x", "orgId": "x", "id": "x", "ID": "x", "App": "x"},
        {"credentials": credentials("client-secret")},
        {"credentials": credentials("client-secret", clientSecretKeyId=KEY_ID)},
    ],
)
async def test_an_update_that_changes_nothing_keeps_version_and_connection(api: Api, body: dict[str, Any]) -> None:
    made = await api.created()
    api.world.clock.advance(timedelta(hours=1))
    same = await api.call("connections_update", path=path_of(made), body=body)
    assert (same.headers["ETag"], shown(same)) == ('"1"', shown(made))


@pytest.mark.parametrize("condition", [None, "", "*", '"1"', '"7", "1"'])
async def test_an_update_that_names_the_present_version_or_any_is_made(api: Api, condition: str | None) -> None:
    made = await api.created()
    headers = {} if condition is None else {"If-Match": condition}
    changed = await api.call("connections_update", path=path_of(made), body={"name": "other"}, headers=headers)
    assert shown(changed)["name"] == "other"


@pytest.mark.parametrize("condition", ['"2"', '"7", "8"'])
async def test_an_update_that_names_another_version_changes_nothing(api: Api, condition: str) -> None:
    made = await api.created()
    response = await api.call(
        "connections_update", path=path_of(made), body={"name": "other"}, headers={"If-Match": condition}
    )
    assert (response.status_code, answer(response)["error"]) == (412, "PreconditionFailed")
    assert shown(await api.call("connections_get", path=path_of(made)))["name"] == "payments"


@pytest.mark.parametrize("condition", ['W/"1"', "1", "x"])
async def test_an_update_with_a_condition_that_is_none_is_422(api: Api, condition: str) -> None:
    made = await api.created()
    response = await api.call(
        "connections_update", path=path_of(made), body={"name": "other"}, headers={"If-Match": condition}
    )
    assert paths(response) == [["If-Match"]]


async def test_credentials_of_another_method_are_400_with_details_and_change_nothing(api: Api) -> None:
    made = await api.created()
    body = {"name": "other", "credentials": {"code": "a-code"}}
    response = await api.call("connections_update", path=path_of(made), body=body)
    assert response.status_code == 400
    assert answer(response)["message"] == (
        "Invalid credential format for Azure Key Vault Connection with method Client Secret"
    )
    assert {tuple(problem["path"]) for problem in answer(response)["details"]} == {
        ("credentials", field) for field in ("clientId", "tenantId", "clientSecret")
    }
    assert shown(await api.call("connections_get", path=path_of(made))) == shown(made)


async def test_a_request_that_is_repeated_under_its_key_makes_one_connection(api: Api) -> None:
    first = await api.created(headers={"Idempotency-Key": "a-key"})
    again = await api.created(headers={"Idempotency-Key": "a-key"})
    assert (again.headers["ETag"], shown(again)) == ('"1"', shown(first))
    assert len(answer(await api.call("connections_list"))["appConnections"]) == 1


async def test_another_body_under_the_same_key_is_422(api: Api) -> None:
    await api.created(headers={"Idempotency-Key": "a-key"})
    assert paths(await api.created("other", headers={"Idempotency-Key": "a-key"})) == [["Idempotency-Key"]]


async def test_neither_a_key_nor_a_secret_is_in_the_row(api: Api) -> None:
    key = "0b7c1f7e-a-key-that-nobody-else-has"
    made = await api.created(headers={"Idempotency-Key": key})
    row = api.world.connections.row(ORG, shown(made)["id"])
    assert row is not None
    assert row.idempotency is not None
    assert key not in row.model_dump_json()
    assert "a-secret" not in row.model_dump_json()


@pytest.mark.parametrize("key", ["", "a key", "x" * 256])
async def test_a_key_that_is_none_is_422_and_nothing_is_made(api: Api, key: str) -> None:
    assert paths(await api.created(headers={"Idempotency-Key": key})) == [["Idempotency-Key"]]
    assert answer(await api.call("connections_list"))["appConnections"] == []


@pytest.mark.parametrize("method", ["client-secret", "certificate", "federated"])
async def test_every_method_of_an_app_makes_a_connection_that_shows_its_ids_only(api: Api, method: str) -> None:
    app = api.world.apps.register(TENANT, CLIENT, "a-secret")
    app.fingerprints.add(fingerprint(credentials("certificate")["certificateBody"]))
    app.trusts_identity = True
    made = shown(await api.call("connections_create", body=create(method)))
    assert (made["method"], made["credentials"]) == (method, {"clientId": CLIENT, "tenantId": TENANT})


async def test_a_certificate_too_large_for_key_vault_is_422_before_anybody_is_asked(api: Api) -> None:
    own = rsa_key("own")
    chain = pem(certificate(own), *(certificate(rsa_key("root"), name=f"ca-{number}") for number in range(14)))
    text = f"{key_pem(own, PrivateFormat.PKCS8)}\n{'# ' * 8000}"
    sent = credentials("certificate", certificateBody=chain, privateKey=text)
    response = await api.call("connections_create", body=create("certificate", credentials=sent))
    assert paths(response) == [["credentials"]]
    assert api.world.faults.calls == []


@pytest.mark.parametrize("method", ["certificate", "federated"])
async def test_rotation_is_refused_for_the_methods_that_have_none(api: Api, method: str) -> None:
    sent = credentials(method, clientSecretKeyId=KEY_ID)
    body = create(method, isAutoRotationEnabled=True, rotation=ROTATION, credentials=sent)
    response = await api.call("connections_create", body=body)
    assert (response.status_code, answer(response)["message"]) == (
        400, f"Credential rotation is not supported for azure-key-vault connections with {method} method",
    )  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
async def test_every_other_path_and_method_is_404_in_the_one_envelope(method: str) -> None:
    response = await user_function("not_found")(request(method, path={"path": "v1/nothing"}), context())
    assert (response.status_code, response.mimetype) == (404, "application/json")
    assert answer(response) == {
        "reqId": TRACE,
        "statusCode": 404,
        "message": f"There is no {method} on this path; see /api/docs",
        "error": "NotFound",
    }
    assert response.headers["x-request-id"] == TRACE
    assert response.headers["Cache-Control"] == "no-store"


async def test_being_alive_asks_nobody() -> None:
    response = await user_function("health_live")(request())
    assert (response.status_code, answer(response)) == (200, {"status": "ok"})


@pytest.mark.parametrize(("state", "status", "word"), [("ok", 200, "ok"), ("unavailable", 503, "unavailable")])
async def test_not_being_ready_is_503_and_names_the_system(
    monkeypatch: pytest.MonkeyPatch, state: str, status: int, word: str
) -> None:
    async def report(_: object) -> Report:
        return Report({"storage": "ok", "keyVault": state})

    monkeypatch.setattr("functions.system.readiness", report)
    response = await user_function("health_ready")(request())
    assert response.status_code == status
    assert answer(response) == {"status": word, "checks": {"storage": "ok", "keyVault": state}}
    assert response.headers["Cache-Control"] == "no-store"


async def test_the_kinds_of_connections_are_told_with_the_app_that_people_consent_to(api: Api) -> None:
    assert answer(await api.call("app_connections_options")) == {
        "appConnectionOptions": [
            {
                "name": "Azure Key Vault",
                "app": "azure-key-vault",
                "methods": ["oauth", "client-secret", "certificate", "federated"],
                "oauthClientId": api.world.settings.oauth_client_id,
            }
        ]
    }


async def test_a_rotation_begins_once_and_travels_by_queue_with_ids_only(api: Api) -> None:
    code = api.world.entra.code_for(ADA, api.world.settings.redirect_uri)
    body = create("oauth", credentials={"code": code}, rotation=ROTATION)
    made = await api.call("connections_create", body=body)
    for _ in range(2):
        pressed = await api.call("connections_rotate", path=path_of(made))
        assert shown(pressed)["rotation"]["rotationStatus"] == "in-progress"
        assert pressed.headers["ETag"] == '"1"'
    assert [json.loads(message) for message in api.out.sent] == [{"orgId": ORG, "connectionId": shown(made)["id"]}]


@pytest.mark.parametrize(
    ("rest", "path", "hint"),
    [
        ({"params": {"dryrun": "true"}}, ["dryrun"], "dryRun"),
        ({"params": {"dry_run": "true"}}, ["dry_run"], "dryRun"),
        ({"params": {"dryRun": "true", "force": "1"}}, ["force"], "dryRun"),
        ({"params": {"dryRun": "perhaps"}}, ["dryRun"], "valid boolean"),
        ({"params": {"dryRun": ""}}, ["dryRun"], "valid boolean"),
        ({"body": {"dryRun": True}}, [], "Takes no body; a dry run is ?dryRun=true"),
        ({"body": b"null"}, [], "Takes no body; a dry run is ?dryRun=true"),
        ({"body": [], "params": {"dryRun": "true"}}, [], "Takes no body; a dry run is ?dryRun=true"),
    ],
)
async def test_a_misspelled_dry_run_is_422_and_rotates_nothing(
    api: Api, rest: dict[str, Any], path: list[str], hint: str
) -> None:
    code = api.world.entra.code_for(ADA, api.world.settings.redirect_uri)
    body = create("oauth", credentials={"code": code}, rotation=ROTATION)
    made = await api.call("connections_create", body=body)
    refused = await api.call("connections_rotate", path=path_of(made), **rest)
    assert paths(refused) == [path]
    assert hint in answer(refused)["message"][0]["message"]
    assert shown(await api.call("connections_get", path=path_of(made))) == shown(made)
    assert api.out.sent == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(None, ""), (b"", "text/plain"), (b" ", ""), (None, "application/json"), ({}, "application/json")],
)
async def test_a_rotation_takes_no_body_or_an_empty_one(api: Api, body: Any, content_type: str) -> None:
    code = api.world.entra.code_for(ADA, api.world.settings.redirect_uri)
    made = await api.call("connections_create", body=create("oauth", credentials={"code": code}, rotation=ROTATION))
    sent: dict[str, Any] = {"path": path_of(made), "body": body, "headers": {"Content-Type": content_type}}
    planned = await api.call("connections_rotate", params={"dryRun": "true"}, **sent)
    assert (planned.status_code, api.out.sent) == (200, [])
    assert answer(planned)["plan"]["issues"] == "refresh-token"
    begun = await api.call("connections_rotate", **sent)
    assert shown(begun)["rotation"]["rotationStatus"] == "in-progress"


@pytest.mark.parametrize("body", [None, {}])
async def test_a_check_needs_no_body(api: Api, body: Any) -> None:
    made = await api.created()
    headers = {"Content-Type": ""} if body is None else {}
    checked = await api.call("connections_check", path=path_of(made), body=body, headers=headers)
    assert (checked.status_code, answer(checked)["status"]) == (200, "active")


async def test_a_check_of_a_misspelled_vault_is_422(api: Api) -> None:
    refused = await api.call("connections_check", body={"vaulturl": "https://my-vault.vault.azure.net"})
    assert paths(refused) == [["vaulturl"]]
    assert "vaultUrl" in answer(refused)["message"][0]["message"]


@pytest.mark.parametrize(
    ("name", "header", "bad"),
    [("connections_create", "Idempotency-Key", "a key"), ("connections_update", "If-Match", "x")],
)
async def test_a_bad_header_is_told_together_with_all_that_is_wrong_with_the_body(
    api: Api, name: str, header: str, bad: str
) -> None:
    body = create("client-secret", name="Bad Name", description=5)
    assert paths(await api.call(name, body=body, headers={header: bad})) == [[header], ["name"], ["description"]]


async def test_a_connect_link_is_made_for_a_person_to_open_and_can_be_asked_after(api: Api) -> None:
    body = {"name": "payments", "method": "oauth", "returnUrl": "https://portal.example/done"}
    link = answer(await api.call("oauth_authorize", body=body))
    prefix = "https://connections.example/api/v1/app-connections/azure-key-vault/oauth/connect/"
    assert link["connectUrl"].startswith(prefix)
    assert link["expiresAt"] == "2026-03-03T10:00:00.000Z"
    flow = answer(await api.call("oauth_flow_status", path={"flowId": link["flowId"]}))
    assert flow == {
        "flowId": link["flowId"],
        "connectionId": link["connectionId"],
        "state": "pending",
        "message": None,
        "expiresAt": link["expiresAt"],
    }
    assert link["connectUrl"].removeprefix(prefix) not in json.dumps(flow)


async def test_a_project_is_made_listed_shown_and_removed(api: Api) -> None:
    body = {"projectName": " Payments ", "slug": "payments", "callers": [TENANT.upper()]}
    made = answer(await api.call("projects_create", body=body))["project"]
    assert (made["name"], made["slug"], made["type"], made["orgId"]) == ("Payments", "payments", "secret-manager", ORG)
    assert made["callers"] == [TENANT]
    path = {"projectId": made["id"]}
    assert answer(await api.call("projects_list")) == {"projects": [made]}
    assert answer(await api.call("projects_get", path=path)) == {"project": made}
    assert (await api.call("projects_create", body=body)).status_code == 409
    assert answer(await api.call("projects_delete", path=path)) == {"project": made}
    assert answer(await api.call("projects_list")) == {"projects": []}
    assert sorted((str(line["action"]), str(line["reason"])) for line in api.audit()) == [
        ("project.create", "None"), ("project.delete", "None"), ("project.manage", "Conflict"),
    ]  # fmt: skip


async def test_who_may_use_connections_sees_no_more_of_them_than_their_names(api: Api) -> None:
    made = shown(await api.created())
    found = answer(await api.call("connections_available", roles=(Permission.CONNECT.value,)))
    assert found == {"appConnections": [{"app": "azure-key-vault", "name": "payments", "id": made["id"], "orgId": ORG}]}


async def test_both_lists_show_the_same_connections(api: Api) -> None:
    made = shown(await api.created())
    for name in ("connections_list", "app_connections_list"):
        assert answer(await api.call(name)) == {"appConnections": [made]}


async def test_the_caller_of_one_request_is_not_the_caller_of_the_next(api: Api) -> None:
    await api.created()
    function = api.endpoints.endpoint(Permission.READ)(OPERATIONS["connections_list"][2].use)
    assert (await function(authorised(), context())).status_code == 403
