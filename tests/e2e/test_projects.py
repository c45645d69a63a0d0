"""Projects: scopes for names, and who may know of what is in them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from local.client import KEY_VAULT, Client
from tests.e2e.browser import Attempt, Link
from tests.e2e.world import DAILY_AT_THREE, Customer, call, create, names, refusal, token_of

PROJECTS = "/api/v1/projects"


async def project(client: Client, name: str = "Payments", **body: Any) -> dict[str, Any]:
    reply = await call(client, "POST", PROJECTS, {"projectName": name} | body)
    assert reply.status == 200, reply.text
    made: dict[str, Any] = reply.json["project"]
    return made


async def test_a_project_is_made_read_listed_and_deleted(client: Client, org_id: str) -> None:
    second, first = await project(client, "Zebra"), await project(client, "Ärger & Co", slug="trouble")
    assert (first["name"], first["slug"], first["orgId"]) == ("Ärger & Co", "trouble", org_id)
    assert second["slug"].startswith("zebra-")
    assert (await call(client, "GET", f"{PROJECTS}/{first['id']}")).json == {"project": first}
    listed = (await call(client, "GET", PROJECTS)).json["projects"]
    assert sorted(found["id"] for found in listed) == sorted([first["id"], second["id"]])
    assert (await call(client, "DELETE", f"{PROJECTS}/{first['id']}")).json == {"project": first}
    for method in ("GET", "DELETE"):
        message = refusal(await call(client, method, f"{PROJECTS}/{first['id']}"), 404, "NotFound")
        assert message == f"Could not find project with ID {first['id']}"


async def test_a_slug_is_taken_once(client: Client) -> None:
    await project(client, slug="payments")
    reply = await call(client, "POST", PROJECTS, {"projectName": "Other", "slug": "payments"})
    assert '"payments" already exists' in refusal(reply, 409, "Conflict")


async def test_a_project_body_tells_every_problem_at_once(client: Client) -> None:
    body = {"projectName": " ", "slug": "No Slug", "type": "9", "description": "d" * 257, "callers": ["nobody"]}
    problems = refusal(await call(client, "POST", PROJECTS, body), 422, "ValidationFailure")
    assert {problem["path"][0] for problem in problems} == {"projectName", "slug", "type", "description", "callers"}


async def test_another_organisations_project_does_not_exist_for_us(
    client: Client, customer: Customer, organisations: list[str]
) -> None:
    ours = await project(client)
    stranger = await token_of(client, organisations.pop())
    for method in ("GET", "DELETE"):
        refusal(await call(client, method, f"{PROJECTS}/{ours['id']}", token=stranger), 404, "NotFound")
    body = await customer.body(client, projectId=ours["id"])
    message = refusal(await call(client, "POST", KEY_VAULT, body, token=stranger), 400, "BadRequest")
    assert message == f"Could not find project with ID {ours['id']}"


async def test_each_scope_has_its_own_names(client: Client, customer: Customer) -> None:
    one, two = await project(client, "One"), await project(client, "Two")
    made = [(await create(client, customer, **scope)).connection for scope in ({}, {"projectId": one["id"]})]
    made.append((await create(client, customer, projectId=two["id"])).connection)
    refusal(await create(client, customer, projectId=one["id"]), 409, "Conflict")
    assert [item["projectId"] for item in made] == [None, one["id"], two["id"]]
    assert made[1]["project"] == {key: one[key] for key in ("id", "name", "type", "slug")}
    assert await names(client) == ["prod"] * 3
    assert (await call(client, "GET", f"{KEY_VAULT}?projectId={one['id']}")).json == {"appConnections": [made[1]]}
    assert await names(client, f"?projectId={uuid4()}") == []


async def test_a_link_makes_its_connection_in_its_project(client: Client, customer: Customer) -> None:
    scope = await project(client)
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant}, projectId=scope["id"])
    assert (await (await Attempt.begin(client, link)).finish(client, customer)).status == 200
    assert (await call(client, "GET", f"{KEY_VAULT}/{link.connection_id}")).connection["projectId"] == scope["id"]


async def test_a_link_whose_project_is_gone_says_so_and_leaves_nothing(client: Client, customer: Customer) -> None:
    scope = await project(client)
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant}, projectId=scope["id"])
    attempt = await Attempt.begin(client, link)
    await call(client, "DELETE", f"{PROJECTS}/{scope['id']}")
    page = await attempt.finish(client, customer)
    assert (page.status, f"Could not find project with ID {scope['id']}" in page.text) == (400, True)
    assert await client.versions(link.connection_id) == []
    assert await names(client) == []


async def test_a_project_with_connections_is_not_deleted(client: Client, customer: Customer) -> None:
    scope = await project(client)
    made = (await create(client, customer, projectId=scope["id"])).connection
    message = refusal(await call(client, "DELETE", f"{PROJECTS}/{scope['id']}"), 409, "Conflict")
    assert message == 'The project "Payments" still has connections; delete them first'
    await call(client, "DELETE", f"{KEY_VAULT}/{made['id']}")
    assert (await call(client, "DELETE", f"{PROJECTS}/{scope['id']}")).status == 200


@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("DELETE", ""), ("POST", "/rotate-credentials")])
async def test_who_is_not_among_a_projects_callers_meets_404(
    client: Client, customer: Customer, org_id: str, method: str, suffix: str
) -> None:
    insider = str(uuid4())
    scope = await project(client, callers=[insider])
    inside = await token_of(client, org_id, oid=insider)
    body = await customer.body(client, projectId=scope["id"], rotation=DAILY_AT_THREE)
    made = (await call(client, "POST", KEY_VAULT, body, token=inside)).connection
    reply = await call(client, method, f"{KEY_VAULT}/{made['id']}{suffix}")
    assert refusal(reply, 404, "NotFound") == f"Could not find App Connection with ID {made['id']}"
    assert (await call(client, "GET", f"{KEY_VAULT}/{made['id']}", token=inside)).connection == made


async def test_lists_leave_out_what_the_caller_may_not_know(client: Client, customer: Customer, org_id: str) -> None:
    insider = str(uuid4())
    scope = await project(client, callers=[insider])
    inside = await token_of(client, org_id, oid=insider)
    await create(client, customer, "open")
    hidden = await customer.body(client, "hidden", projectId=scope["id"])
    assert (await call(client, "POST", KEY_VAULT, hidden, token=inside)).status == 200
    assert await names(client) == ["open"]
    assert await names(client, f"?projectId={scope['id']}") == []
    seen = (await call(client, "GET", KEY_VAULT, token=inside)).json["appConnections"]
    assert [item["name"] for item in seen] == ["hidden", "open"]


async def test_who_is_not_among_a_projects_callers_creates_nothing_in_it(client: Client, customer: Customer) -> None:
    scope = await project(client, callers=[str(uuid4())])
    body = await customer.body(client)
    for path in (KEY_VAULT, f"{KEY_VAULT}/oauth/authorize"):
        message = refusal(await call(client, "POST", path, body | {"projectId": scope["id"]}), 400, "BadRequest")
        assert message == f"Could not find project with ID {scope['id']}"
    assert (await call(client, "POST", KEY_VAULT, body)).status == 200
