"""The audit log and the rotation history over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from local.client import KEY_VAULT, Client
from shared.domain.caller import Permission
from tests.e2e.apps import get, patch
from tests.e2e.world import DAILY_AT_THREE, Customer, call, create, eventually, refusal, token_of

AUDIT = "/api/v1/audit-logs"


async def logs(client: Client, query: str = "") -> list[dict[str, Any]]:
    """The audit lines, newest first."""
    found: list[dict[str, Any]] = (await call(client, "GET", AUDIT + query)).json["auditLogs"]
    return found


async def settled(client: Client, count: int) -> list[dict[str, Any]]:
    """The audit lines once so many have arrived."""
    return await eventually(lambda: logs(client), lambda found: len(found) >= count)


async def test_each_change_is_on_record_newest_first(client: Client, customer: Customer, org_id: str) -> None:
    made = (await create(client, customer)).connection
    await patch(client, made, description="x")
    deleted = await call(client, "DELETE", f"{KEY_VAULT}/{made['id']}")
    lines = await settled(client, 3)
    assert [line["action"] for line in lines] == ["connection.delete", "connection.update", "connection.create"]
    newest = lines[0]
    assert (newest["connectionId"], newest["connectionName"]) == (made["id"], "prod")
    assert (newest["outcome"], newest["reason"]) == ("success", None)
    assert newest["requestId"] == deleted.headers["x-request-id"]
    assert (newest["actor"]["type"], newest["actor"]["address"]) == ("caller", "127.0.0.1")


async def test_a_refusal_and_a_failure_are_on_record(client: Client, customer: Customer, org_id: str) -> None:
    await create(client, customer)
    reader = await token_of(client, org_id, roles=[Permission.READ.value], oid="00000000-0000-4000-8000-0000000000aa")
    some = "00000000-0000-4000-8000-000000000000"
    await call(client, "DELETE", f"{KEY_VAULT}/{some}", token=reader)
    await call(client, "DELETE", f"{KEY_VAULT}/{some}")
    lines = await settled(client, 3)
    failures = [(line["action"], line["reason"], line["connectionId"]) for line in lines if line["reason"]]
    assert failures == [("connection.delete", "NotFound", some), ("connection.delete", "PermissionDenied", some)]
    refused = next(line for line in lines if line["reason"] == "PermissionDenied")
    assert refused["actor"]["objectId"] == "00000000-0000-4000-8000-0000000000aa"


async def test_lines_are_filtered_by_connection_and_time_and_read_in_pages(client: Client, customer: Customer) -> None:
    one, two = [(await create(client, customer, name)).connection for name in ("one", "two")]
    for number in range(3):
        await patch(client, one, description=f"{number}")
    lines = await settled(client, 5)
    of_one = await logs(client, f"?connectionId={one['id']}")
    assert of_one == [line for line in lines if line["connectionId"] == one["id"]]
    assert [line["action"] for line in await logs(client, f"?connectionId={two['id']}")] == ["connection.create"]
    middle = lines[2]["at"]
    assert await logs(client, f"?from={quote(middle)}") == [line for line in lines if line["at"] >= middle]
    assert await logs(client, f"?to={quote(middle)}") == [line for line in lines if line["at"] < middle]
    found, cursor = [], ""
    while True:
        page = (await call(client, "GET", f"{AUDIT}?limit=2{cursor}")).json
        found += page["auditLogs"]
        if "nextCursor" not in page:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert found == lines


async def test_times_out_of_order_are_refused(client: Client) -> None:
    now = datetime.now(UTC)
    query = f"?from={quote(now.isoformat())}&to={quote((now - timedelta(days=1)).isoformat())}"
    for wrong in (query, "?from=yesterday", "?limit=0", "?connectionId=5"):
        refusal(await call(client, "GET", AUDIT + wrong), 422, "ValidationFailure")


async def test_another_organisation_sees_none_of_it(
    client: Client, customer: Customer, organisations: list[str]
) -> None:
    made = (await create(client, customer)).connection
    await settled(client, 1)
    stranger = await token_of(client, organisations.pop())
    for query in ("", f"?connectionId={made['id']}"):
        assert (await call(client, "GET", AUDIT + query, token=stranger)).json == {"auditLogs": []}


async def test_the_history_of_rotations_tells_each_run(client: Client, customer: Customer) -> None:
    made = (await create(client, customer, rotation=DAILY_AT_THREE)).connection
    path = f"{KEY_VAULT}/{made['id']}/rotations"
    assert (await call(client, "GET", path)).json == {"rotations": []}
    for _ in range(2):
        await call(client, "POST", f"{KEY_VAULT}/{made['id']}/rotate-credentials")
        await eventually(lambda: get(client, made), lambda seen: seen["rotation"]["rotationStatus"] == "success")
    await eventually(lambda: call(client, "GET", path), lambda reply: len(reply.json["rotations"]) == 2)
    first = (await call(client, "GET", f"{path}?limit=1")).json
    second = (await call(client, "GET", f"{path}?limit=1&cursor={first['nextCursor']}")).json
    runs = [*first["rotations"], *second["rotations"]]
    assert [(run["trigger"], run["outcome"], run["attempts"]) for run in runs] == [("manual", "success", 1)] * 2
    assert runs[0]["startedAt"] > runs[1]["startedAt"]
    assert "nextCursor" not in second
