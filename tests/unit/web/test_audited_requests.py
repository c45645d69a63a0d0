"""What the audit log says of requests, and how it is read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.caller import Permission
from shared.domain.errors import UpstreamTimeout, UpstreamUnavailable
from shared.web import cursor
from shared.web.endpoint import ACTIONS
from shared.web.problems import STATUS
from tests.unit.web.api import ADDRESS, OPERATIONS, SOME_ID, Api, path_of, paths, shown, some_path
from tests.unit.web.requests import ORG, TRACE, answer, context, request
from tests.unit.web.sent import TENANT, create

CHANGES = sorted(name for name, (_, method, _) in OPERATIONS.items() if method != "GET")
READS = sorted(name for name, (_, method, _) in OPERATIONS.items() if method == "GET")


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
