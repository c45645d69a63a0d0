"""Lists: order, pages, scopes."""

from __future__ import annotations

from uuid import uuid4

import pytest

from local.client import KEY_VAULT, Client
from tests.e2e.world import Customer, call, create, names, refusal, token_of

SHUFFLED = ["b", "a-1", "ab", "a", "a-b", "z"]
ORDERED = ["a", "a-1", "a-b", "ab", "b", "z"]


async def pages(client: Client, limit: int, query: str = "") -> list[list[str]]:
    """Every page of a list, following its cursors."""
    found: list[list[str]] = []
    cursor = ""
    while True:
        answer = (await call(client, "GET", f"{KEY_VAULT}?limit={limit}{query}{cursor}")).json
        found.append([item["name"] for item in answer["appConnections"]])
        if "nextCursor" not in answer:
            return found
        cursor = f"&cursor={answer['nextCursor']}"


async def test_connections_are_listed_by_name_whole_or_page_by_page(client: Client, customer: Customer) -> None:
    for name in SHUFFLED:
        assert (await create(client, customer, name)).status == 200
    assert await names(client) == ORDERED
    assert await pages(client, 4) == [ORDERED[:4], ORDERED[4:]]
    assert await pages(client, 3) == [ORDERED[:3], ORDERED[3:]]  # nothing follows a page that ends with the list
    assert await pages(client, 1) == [[name] for name in ORDERED]
    assert await pages(client, 1000) == [ORDERED]


async def test_an_empty_organisation_lists_nothing(client: Client) -> None:
    assert (await call(client, "GET", KEY_VAULT)).json == {"appConnections": []}


async def test_a_page_goes_on_where_it_stood_though_names_came_and_went(client: Client, customer: Customer) -> None:
    made = [(await create(client, customer, name)).connection for name in ("b", "d", "f")]
    first = (await call(client, "GET", f"{KEY_VAULT}?limit=2")).json
    await call(client, "DELETE", f"{KEY_VAULT}/{made[1]['id']}")
    await create(client, customer, "a")
    await create(client, customer, "e")
    assert await names(client, f"?cursor={first['nextCursor']}") == ["e", "f"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=many", "limit"),
        ("projectId=a/b", "projectId"),
        ("projectId=xyz", "projectId"),
    ],
)
async def test_a_list_tells_which_part_of_its_query_is_wrong(client: Client, query: str, field: str) -> None:
    (problem,) = refusal(await call(client, "GET", f"{KEY_VAULT}?{query}"), 422, "ValidationFailure")
    assert problem["path"] == [field]


async def test_a_cursor_belongs_to_the_list_that_gave_it(
    client: Client, customer: Customer, organisations: list[str]
) -> None:
    for name in ("a", "b"):
        await create(client, customer, name)
    cursor = (await call(client, "GET", f"{KEY_VAULT}?limit=1")).json["nextCursor"]
    stranger = await token_of(client, organisations.pop())
    for reply in (
        await call(client, "GET", f"{KEY_VAULT}?cursor={cursor}", token=stranger),
        await call(client, "GET", f"{KEY_VAULT}?cursor={cursor}&projectId={uuid4()}"),
        await call(client, "GET", f"{KEY_VAULT}?cursor=forged"),
    ):
        (problem,) = refusal(reply, 422, "ValidationFailure")
        assert problem["path"] == ["cursor"]
