"""`Idempotency-Key`: a request that is sent again makes nothing twice."""

from __future__ import annotations

import asyncio

import pytest

from local.client import KEY_VAULT, Client
from tests.e2e.world import Customer, call, names, refusal, token_of


async def test_the_same_request_again_gets_the_same_answer(client: Client, customer: Customer) -> None:
    body = await customer.body(client)
    first = await call(client, "POST", KEY_VAULT, body, Idempotency_Key="attempt-1")
    again = await call(client, "POST", KEY_VAULT, body, Idempotency_Key="attempt-1")
    assert again.connection == first.connection
    assert again.headers["ETag"] == first.headers["ETag"]
    assert await names(client) == ["prod"]


async def test_the_same_key_with_another_body_is_refused(client: Client, customer: Customer) -> None:
    await call(client, "POST", KEY_VAULT, await customer.body(client), Idempotency_Key="attempt-1")
    other = await customer.body(client, "other")
    reply = await call(client, "POST", KEY_VAULT, other, Idempotency_Key="attempt-1")
    (problem,) = refusal(reply, 422, "ValidationFailure")
    assert problem["path"] == ["Idempotency-Key"]


async def test_of_two_at_once_one_makes_it(client: Client, customer: Customer) -> None:
    body = await customer.body(client)
    replies = await asyncio.gather(
        *(call(client, "POST", KEY_VAULT, body, Idempotency_Key="attempt-1") for _ in range(3))
    )
    assert {reply.status for reply in replies} <= {200, 409}
    assert all("Retry-After" in reply.headers for reply in replies if reply.status == 409)
    assert await names(client) == ["prod"]


async def test_a_key_is_its_callers_own(client: Client, customer: Customer, org_id: str) -> None:
    body = await customer.body(client)
    await call(client, "POST", KEY_VAULT, body, Idempotency_Key="attempt-1")
    other = await token_of(client, org_id, oid="00000000-0000-4000-8000-0000000000ff")
    reply = await call(client, "POST", KEY_VAULT, body, token=other, Idempotency_Key="attempt-1")
    refusal(reply, 409, "Conflict")


@pytest.mark.parametrize("key", ["x" * 256, "with space"])
async def test_a_key_out_of_bounds_is_refused(client: Client, customer: Customer, key: str) -> None:
    reply = await call(client, "POST", KEY_VAULT, await customer.body(client), Idempotency_Key=key)
    assert [problem["path"] for problem in refusal(reply, 422, "ValidationFailure")] == [["Idempotency-Key"]]
