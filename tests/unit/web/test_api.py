"""The endpoints themselves over fakes: versions and conditions, repeated requests, and what the audit log says."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat

from shared.domain.caller import Permission
from shared.domain.errors import UpstreamTimeout, UpstreamUnavailable
from shared.web import cursor
from shared.web.endpoint import ACTIONS
from shared.web.health import Report
from shared.web.problems import STATUS
from tests.fakes.app_authority import fingerprint
from tests.fakes.entra import ADA
from tests.unit.web.api import ADDRESS, OPERATIONS, SOME_ID, Api, some_path, user_function
from tests.unit.web.certificates import certificate, key_pem, pem, rsa_key
from tests.unit.web.requests import ORG, TRACE, answer, authorised, context, request
from tests.unit.web.sent import CLIENT, KEY_ID, ROTATION, TENANT, create, credentials

CHANGES = sorted(name for name, (_, method, _) in OPERATIONS.items() if method != "GET")
READS = sorted(name for name, (_, method, _) in OPERATIONS.items() if method == "GET")


@pytest.fixture
def api() -> Api:
    return Api()


def shown(response: func.HttpResponse) -> dict[str, Any]:
    """The connection in an answer that must be one."""
    assert response.status_code == 200, response.get_body()
    connection: dict[str, Any] = answer(response)["appConnection"]
    return connection


def path_of(response: func.HttpResponse) -> dict[str, str]:
    return {"connectionId": str(shown(response)["id"])}


def paths(response: func.HttpResponse) -> list[list[str | int]]:
    """Where the problems of a 422 are."""
    assert response.status_code == 422, response.get_body()
    return [problem["path"] for problem in answer(response)["message"]]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
async def test_on_every_route_a_caller_without_the_role_is_refused_and_the_refusal_audited(api: Api, name: str) -> None:
    permission = OPERATIONS[name][2].permission
    others = tuple(each.value for each in Permission if each is not permission)
    response = await api.call(name, roles=others, body=b"not json", params={"limit": "not a number"})
    assert (response.status_code, answer(response)["error"]) == (403, "PermissionDenied")
    (line,) = api.audit()
    assert (line["action"], line["outcome"], line["reason"]) == (ACTIONS[permission], "failure", "PermissionDenied")
    assert line["actor"] == {
        "type": "caller", "objectId": "somebody", "appId": None, "name": "Somebody", "address": ADDRESS,
    }  # fmt: skip
    assert (line["requestId"], line["connectionId"]) == (TRACE, some_path(name).get("connectionId"))


@pytest.mark.parametrize("connection_id", ["5", "../x", "x" * 5000, "202603", ""])
async def test_what_is_no_id_does_not_get_into_the_audit_log(api: Api, connection_id: str) -> None:
    await api.call("connections_get", roles=(), path={"connectionId": connection_id})
    (line,) = api.audit()
    assert line["connectionId"] is None


@pytest.mark.parametrize("fault", [UpstreamUnavailable("Table Storage"), UpstreamTimeout("Table Storage")])
async def test_a_refusal_that_cannot_be_audited_is_still_the_refusal(api: Api, fault: Exception) -> None:
    api.world.faults.before("audit.add", fault)
    assert (await api.call("connections_get", roles=())).status_code == 403


async def test_nobody_who_cannot_be_named_is_audited(api: Api) -> None:
    function = api.endpoints.endpoint(Permission.READ)(OPERATIONS["connections_get"][2].use)
    assert (await function(request(), context())).status_code == 401
    assert api.audit() == []


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("connections_create", create("client-secret"), "BadRequest"),
        ("connections_create", create("client-secret", projectId="unknown"), "BadRequest"),
        ("connections_update", {"name": "other"}, "NotFound"),
        ("connections_delete", None, "NotFound"),
        ("connections_rotate", None, "NotFound"),
        ("oauth_authorize", {"name": "x", "method": "oauth", "projectId": "unknown"}, "BadRequest"),
        ("projects_delete", None, "NotFound"),
    ],
)
async def test_a_change_that_failed_is_audited_with_its_reason(api: Api, name: str, body: Any, reason: str) -> None:
    assert (await api.call(name, body=body)).status_code == STATUS[reason]
    (line,) = api.audit()
    assert (line["action"], line["outcome"]) == (ACTIONS[OPERATIONS[name][2].permission], "failure")
    assert (line["reason"], line["connectionId"]) == (reason, some_path(name).get("connectionId"))
    assert (line["requestId"], line["actor"]["address"]) == (TRACE, ADDRESS)


async def test_a_conflict_and_an_outage_are_audited_too(api: Api) -> None:
    made = await api.created()
    assert (await api.created()).status_code == 409
    api.world.faults.before("vault.put", UpstreamUnavailable("Key Vault"))
    assert (await api.created("other")).status_code == 503
    update = await api.call("connections_update", path=path_of(made), body={}, headers={"If-Match": '"9"'})
    assert update.status_code == 412
    lines = [(line["action"], line["reason"]) for line in api.audit()]
    assert sorted(lines, key=str) == [
        ("connection.create", "Conflict"),
        ("connection.create", "ServiceUnavailable"),
        ("connection.create", None),
        ("connection.update", "PreconditionFailed"),
    ]


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("body", [{}, {"name": "Bad Name"}])
async def test_input_that_breaks_rules_is_not_audited(api: Api, name: str, body: dict[str, str]) -> None:
    path = dict.fromkeys(some_path(name), "no id")
    assert paths(await api.call(name, body=body, path=path))
    assert api.audit() == []


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"", 400), (b" " * 70_000, 413)])
async def test_a_body_that_cannot_be_read_is_not_audited(api: Api, body: bytes, status: int) -> None:
    assert (await api.call("connections_create", body=body)).status_code == status
    assert api.audit() == []


@pytest.mark.parametrize("name", ["connections_get", "connections_get_by_name", "connections_rotations",
                                  "oauth_flow_status", "projects_get"])  # fmt: skip
async def test_a_read_that_finds_nothing_is_not_audited(api: Api, name: str) -> None:
    assert (await api.call(name)).status_code == 404
    assert api.audit() == []


@pytest.mark.parametrize("name", READS)
async def test_a_read_during_an_outage_tells_so_and_is_not_audited(api: Api, name: str) -> None:
    api.world.faults.before("*", UpstreamTimeout("Table Storage"))
    response = await api.call(name, params={"projectId": SOME_ID})
    if name != "app_connections_options":  # it asks nobody
        assert (response.status_code, answer(response)["error"]) == (504, "GatewayTimeout")
    assert api.audit() == []


async def test_a_change_that_succeeded_has_one_line(api: Api) -> None:
    made = await api.created()
    await api.call("connections_update", path=path_of(made), body={"description": "x"})
    await api.call("connections_delete", path=path_of(made))
    assert sorted(str(line["action"]) for line in api.audit()) == [
        "connection.create", "connection.delete", "connection.update",
    ]  # fmt: skip
    assert {(line["outcome"], line["connectionName"], line["requestId"]) for line in api.audit()} == {
        ("success", "payments", TRACE)
    }


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


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, 1),
        ({"from": "2026-03-02T10:00:00Z"}, 1),
        ({"from": "2026-03-02T10:00:00.001Z"}, 0),
        ({"to": "2026-03-02T10:00:00Z"}, 0),
        ({"to": "2026-03-02T10:00:00.001Z"}, 1),
        ({"from": "2026-03-02T12:00:00+02:00", "to": "2026-03-02T12:00:01+02:00"}, 1),
        ({"connectionId": SOME_ID}, 1),
        ({"connectionId": TENANT}, 0),
    ],
)
async def test_the_audit_log_tells_what_happened_from_the_first_moment_up_to_the_second(
    api: Api, params: dict[str, str], found: int
) -> None:
    await api.call("connections_delete")
    lines = answer(await api.call("audit_logs_list", params=params))["auditLogs"]
    assert [line["action"] for line in lines] == ["connection.delete"] * found


async def test_the_audit_log_reaches_90_days_back_unless_told(api: Api) -> None:
    await api.call("connections_delete")
    api.world.clock.advance(timedelta(days=90, seconds=2))
    assert answer(await api.call("audit_logs_list"))["auditLogs"] == []
    told = await api.call("audit_logs_list", params={"from": "2026-03-02"})
    assert len(answer(told)["auditLogs"]) == 1


@pytest.mark.parametrize(
    "params",
    [
        {"from": "2026-03-02T10:00:00Z", "to": "2026-03-02T10:00:00Z"},
        {"from": "2026-03-02T10:00:00Z", "to": "2026-03-02T11:00:00+02:00"},
        {"from": "2126-03-02"},
    ],
)
async def test_a_time_that_ends_before_it_begins_is_422(api: Api, params: dict[str, str]) -> None:
    assert paths(await api.call("audit_logs_list", params=params)) == [["from"]]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("field", ["from", "to"])
async def test_no_moment_makes_the_audit_log_a_defect(api: Api, field: str, moment: str) -> None:
    assert (await api.call("audit_logs_list", params={field: moment})).status_code in (200, 422)


async def test_the_audit_log_is_read_page_by_page(api: Api) -> None:
    for _ in range(3):
        api.world.clock.advance(timedelta(seconds=1))
        await api.call("connections_delete")
    first = answer(await api.call("audit_logs_list", params={"limit": "2"}))
    second = answer(await api.call("audit_logs_list", params={"limit": "2", "cursor": first["nextCursor"]}))
    assert (len(first["auditLogs"]), len(second["auditLogs"]), "nextCursor" in second) == (2, 1, False)
    times = [line["at"] for line in first["auditLogs"] + second["auditLogs"]]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 3


async def test_a_forged_cursor_is_422_whatever_place_it_names(api: Api) -> None:
    connection_id = shown(await api.created())["id"]
    lists: list[tuple[str, dict[str, str], tuple[str | None, ...]]] = [
        ("connections_list", {}, (ORG, None)),
        ("app_connections_list", {}, (ORG, None)),
        ("connections_available", {}, ("available", ORG, None)),
        ("connections_rotations", {"connectionId": connection_id}, ("rotations", ORG, connection_id)),
        ("audit_logs_list", {}, ("audit", ORG, None, "None", "None")),
    ]
    for name, path, scope in lists:
        for place in ("a/b", "é", "a b", "x" * 300):
            forged = cursor.encode(place, *scope)
            assert forged is not None
            assert paths(await api.call(name, path=path, params={"cursor": forged})) == [["cursor"]]


@pytest.mark.parametrize("place", ["payments", "payments!", "!", "0" * 14, "9" * 14, "9" * 14 + "!x", "z" * 200])
async def test_a_forged_cursor_moves_its_owner_within_their_list_and_makes_no_defect(api: Api, place: str) -> None:
    connection_id = shown(await api.created())["id"]
    for name, path, scope in (
        ("connections_list", {}, (ORG, None)),
        ("connections_available", {}, ("available", ORG, None)),
        ("connections_rotations", {"connectionId": connection_id}, ("rotations", ORG, connection_id)),
        ("audit_logs_list", {}, ("audit", ORG, None, "None", "None")),
    ):
        response = await api.call(name, path=path, params={"cursor": cursor.encode(place, *scope) or ""})
        assert response.status_code in (200, 422)


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
