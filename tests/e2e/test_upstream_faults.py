"""Entra or Key Vault fails while a connection is made: one clear answer, a free name, and no secret left behind."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.client import KEY_VAULT, Client
from shared.domain.connection import LONGEST_RUN
from tests.e2e.browser import Attempt, Link
from tests.e2e.conftest import Break
from tests.e2e.storage import connection_row
from tests.e2e.world import Customer, call, create, live_secrets, names, refusal

NEW_VERSION = "PUT /secrets/conn-"
OUTAGE = 1.0
"""The share of requests that meet it until the faults are cleared: other tests' rotations use none of it up."""


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        ({"status": 503, "headers": {"Retry-After": "7"}}, "7"),
        ({"status": 429, "headers": {"Retry-After": "31"}}, "31"),
        ({"status": 500}, None),
        ({"refuse": True}, None),
        ({"status": 200, "body": "<html>a proxy's page</html>"}, None),
    ],
    ids=["down, with Retry-After", "throttling", "failing", "unreachable", "answering nonsense"],
)
async def test_a_passing_fault_of_entra_says_try_again_and_the_same_code_still_works(
    client: Client, customer: Customer, break_entra: Break, fault: dict[str, Any], retry_after: str | None
) -> None:
    before, body = await live_secrets(client), await customer.body(client)
    await break_entra(customer.token_endpoint, **fault)
    reply = await call(client, "POST", KEY_VAULT, body)
    assert "Microsoft Entra ID" in refusal(reply, 503, "ServiceUnavailable")
    assert reply.headers.get("Retry-After") == retry_after
    assert await live_secrets(client) == before
    assert await names(client) == []
    assert (await call(client, "POST", KEY_VAULT, body)).status == 200


async def test_entra_that_never_answers_ends_in_a_time_out_with_the_name_free(
    client: Client, customer: Customer, break_entra: Break
) -> None:
    await break_entra(customer.token_endpoint, delay=10.5, status=503)
    message = refusal(await create(client, customer), 504, "GatewayTimeout")
    assert message == "Microsoft Entra ID did not answer in time; try again later"
    assert await names(client) == []
    assert (await create(client, customer)).status == 200


async def test_the_name_is_taken_while_its_credential_is_being_proven(
    client: Client, customer: Customer, break_entra: Break
) -> None:
    await break_entra(customer.token_endpoint, delay=1)
    first = asyncio.create_task(create(client, customer))
    await asyncio.sleep(0.4)
    assert await names(client) == []
    refusal(await create(client, customer), 409, "Conflict")
    assert (await first).status == 200
    assert await names(client) == ["prod"]


async def test_a_vault_that_is_down_between_the_two_writes_leaves_nothing(
    client: Client, customer: Customer, break_vault: Break
) -> None:
    before = await live_secrets(client)
    await break_vault(NEW_VERSION, status=503, share=OUTAGE)
    assert "Key Vault" in refusal(await create(client, customer), 503, "ServiceUnavailable")
    await client.vault("DELETE", "faults")
    assert await live_secrets(client) == before
    assert await names(client) == []
    assert (await create(client, customer)).status == 200


async def test_a_vault_that_is_down_for_the_clean_up_too_still_frees_the_name(
    client: Client, customer: Customer, break_vault: Break
) -> None:
    await break_vault(" /secrets/conn-", status=503, share=OUTAGE)
    refusal(await create(client, customer), 503, "ServiceUnavailable")
    assert await names(client) == []
    await client.vault("DELETE", "faults")
    assert (await create(client, customer)).status == 200


async def test_a_throttling_vault_says_when_to_come_back(
    client: Client, customer: Customer, break_vault: Break
) -> None:
    await break_vault(NEW_VERSION, status=429, headers={"Retry-After": "0"}, share=OUTAGE)
    reply = await create(client, customer)
    refusal(reply, 503, "ServiceUnavailable")
    assert reply.headers["Retry-After"] == "0"


async def test_a_vault_that_refuses_the_service_is_no_fault_of_the_caller(
    client: Client, customer: Customer, break_vault: Break
) -> None:
    await break_vault(
        NEW_VERSION, status=403, share=OUTAGE, body={"error": {"code": "Forbidden", "message": "no right"}}
    )
    assert "no right" not in refusal(await create(client, customer), 502, "UpstreamError")
    await client.vault("DELETE", "faults")
    assert await names(client) == []
    assert (await create(client, customer)).status == 200


async def test_an_answer_of_the_vault_that_got_lost_costs_the_caller_nothing_and_its_twin_is_owed_a_sweep(
    client: Client, customer: Customer, org_id: str, break_vault: Break
) -> None:
    await break_vault(NEW_VERSION, lose_answer=True)
    made = (await create(client, customer)).connection
    assert len(await client.versions(made["id"])) == 2
    row = await connection_row(client.stack.storage, org_id, made["id"])
    wait = datetime.fromisoformat(row["sweepAt"]) - datetime.now(UTC)
    assert LONGEST_RUN - timedelta(seconds=30) < wait <= LONGEST_RUN


async def test_a_secret_whose_fate_is_unknown_is_removed_again(
    client: Client, customer: Customer, break_vault: Break
) -> None:
    before = await live_secrets(client)
    await break_vault(NEW_VERSION, lose_answer=True, share=OUTAGE)
    refusal(await create(client, customer), 504, "GatewayTimeout")
    assert await live_secrets(client) == before
    assert await names(client) == []


@pytest.mark.parametrize("broken", ["entra", "vault"])
async def test_a_connect_link_survives_an_outage_during_the_callback(
    client: Client, customer: Customer, break_entra: Break, break_vault: Break, broken: str
) -> None:
    before = await live_secrets(client)
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant})
    attempt = await Attempt.begin(client, link)
    if broken == "entra":
        await break_entra(customer.token_endpoint, status=503)
    else:
        await break_vault(f"{NEW_VERSION}{link.connection_id}", status=503, share=OUTAGE)
    page = await attempt.finish(client, customer)
    assert page.status == 503
    assert "is unavailable; try again later" in page.text
    assert link.path in page.text
    flow = await link.status(client)
    assert (flow["state"], flow["connectionId"]) == ("failed", link.connection_id)
    assert "is unavailable" in flow["message"]
    refusal(await call(client, "GET", f"{KEY_VAULT}/{link.connection_id}"), 404, "NotFound")
    assert await live_secrets(client) == before
    await client.vault("DELETE", "faults")
    assert (await (await Attempt.begin(client, link)).finish(client, customer)).status == 200
    assert (await call(client, "GET", f"{KEY_VAULT}/{link.connection_id}")).connection["name"] == "prod"
