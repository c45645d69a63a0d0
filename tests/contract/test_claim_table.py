"""What every `ClaimTable` promises."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.adapters.tables.claims import AzureClaimTable
from shared.adapters.tables.client import OPTIONS
from shared.domain.errors import UpstreamError, UpstreamTimeout
from shared.services.ports import Claim
from tests.contract.relay import Mishap, Relay
from tests.contract.tables import QUICK, Tables
from tests.fakes.clock import START

TENANT_ID = str(uuid.uuid4())


def claim(connection_id: str = "connection-1", **changes: object) -> Claim:
    """A claim as it is about to be written."""
    made = Claim(
        tenant_id=TENANT_ID,
        client_id=str(uuid.uuid4()),
        org_id="org-1",
        connection_id=connection_id,
        claimed_at=START + timedelta(microseconds=123456),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the fields' types differ


def another(before: Claim, connection_id: str = "connection-2") -> Claim:
    """The claim of another connection on the same app."""
    return replace(before, connection_id=connection_id, claimed_at=before.claimed_at + timedelta(minutes=1), etag="")


async def standing(tables: Tables, made: Claim) -> Claim:
    """The claim on that app, which must be taken."""
    return await tables.claims.take(another(made, "somebody-else"))


async def test_the_first_takes_and_all_others_are_told_who(tables: Tables) -> None:
    made = claim()
    taken = await tables.claims.take(made)
    assert replace(taken, etag="") == made
    assert taken.etag
    assert await tables.claims.take(another(made)) == taken
    assert await tables.claims.take(made) == taken


async def test_the_same_app_elsewhere_and_another_app_are_other_claims(tables: Tables) -> None:
    made = claim()
    for other in (made, another(replace(made, tenant_id="elsewhere")), another(replace(made, client_id="another"))):
        assert (await tables.claims.take(other)).connection_id == other.connection_id


async def test_of_many_who_take_at_once_one_stands(tables: Tables) -> None:
    made = claim()
    told = await asyncio.gather(*(tables.claims.take(another(made, f"connection-{n}")) for n in range(5)))
    assert len({each.connection_id for each in told}) == 1


async def test_a_claim_is_taken_over_from_the_one_that_was_seen(tables: Tables) -> None:
    made = claim()
    seen = await tables.claims.take(made)
    assert await tables.claims.take_over(seen, another(made)) is True
    assert replace(await standing(tables, made), etag="") == another(made)
    assert await tables.claims.take_over(seen, another(made, "connection-3")) is False
    assert (await standing(tables, made)).connection_id == "connection-2"


async def test_of_two_connections_who_take_over_at_once_one_does(tables: Tables) -> None:
    made = claim()
    seen = await tables.claims.take(made)
    told = await asyncio.gather(*(tables.claims.take_over(seen, another(made, each)) for each in ("left", "right")))
    assert sorted(told) == [False, True]
    assert (await standing(tables, made)).connection_id == ("left" if told[0] else "right")


async def test_what_another_worker_of_the_connection_took_over_is_the_connections(tables: Tables) -> None:
    made = claim()
    seen = await tables.claims.take(made)
    assert await tables.claims.take_over(seen, another(made)) is True
    later = another(another(made))
    assert await tables.claims.take_over(seen, later) is True
    assert replace(await standing(tables, made), etag="") == another(made)


async def test_a_claim_that_is_gone_is_not_taken_over(tables: Tables) -> None:
    made = claim()
    seen = await tables.claims.take(made)
    await tables.claims.release(made.tenant_id, made.client_id, made.connection_id)
    assert await tables.claims.take_over(seen, another(made)) is False


async def test_a_released_claim_is_free_and_releasing_it_again_is_done(tables: Tables) -> None:
    made = claim()
    await tables.claims.take(made)
    for _ in range(2):
        await tables.claims.release(made.tenant_id, made.client_id, made.connection_id)
    assert (await tables.claims.take(another(made))).connection_id == "connection-2"


async def test_another_connections_claim_is_not_released(tables: Tables) -> None:
    made = claim()
    taken = await tables.claims.take(made)
    await tables.claims.release(made.tenant_id, made.client_id, "connection-2")
    assert await standing(tables, made) == taken


@pytest.mark.parametrize("status", [503, None], ids=["answered with 503", "cut"])
async def test_a_claim_whose_answer_was_lost_is_ours(relayed: Tables, relay: Relay, status: int | None) -> None:
    made = claim()
    relay.mishaps.append(Mishap("^POST ", status=status))
    taken = await relayed.claims.take(made)
    assert relay.mishaps == []
    assert replace(taken, etag="") == made
    assert await standing(relayed, made) == taken


async def test_a_claim_whose_answer_came_too_late_is_ours(relayed: Tables, relay: Relay) -> None:
    made = claim()
    relay.mishaps.append(Mishap("^POST ", delay=QUICK["read_timeout"] + 0.5))
    assert replace(await relayed.claims.take(made), etag="") == made
    assert relay.mishaps == []


@pytest.mark.parametrize("status", [503, None], ids=["answered with 503", "cut"])
async def test_a_takeover_whose_answer_was_lost_is_ours(relayed: Tables, relay: Relay, status: int | None) -> None:
    made = claim()
    seen = await relayed.claims.take(made)
    relay.mishaps.append(Mishap("^PUT ", status=status))
    assert await relayed.claims.take_over(seen, another(made)) is True
    assert relay.mishaps == []
    assert (await standing(relayed, made)).connection_id == "connection-2"


@pytest.mark.parametrize("status", [503, None], ids=["answered with 503", "cut"])
async def test_a_release_whose_answer_was_lost_is_done(relayed: Tables, relay: Relay, status: int | None) -> None:
    made = claim()
    await relayed.claims.take(made)
    relay.mishaps.append(Mishap("^DELETE ", status=status))
    await relayed.claims.release(made.tenant_id, made.client_id, made.connection_id)
    assert relay.mishaps == []
    assert (await standing(relayed, made)).connection_id == "somebody-else"


async def test_a_claim_that_is_taken_over_while_it_is_released_stays(relayed: Tables, relay: Relay) -> None:
    made = claim()
    seen = await relayed.claims.take(made)

    async def take_over() -> None:
        assert await relayed.claims.take_over(seen, another(made)) is True

    relay.mishaps.append(Mishap("^GET ", meanwhile=take_over))
    await relayed.claims.release(made.tenant_id, made.client_id, made.connection_id)
    assert relay.mishaps == []
    assert (await standing(relayed, made)).connection_id == "connection-2"


async def test_a_takeover_that_got_no_answer_and_did_not_happen_is_in_doubt(relayed: Tables, relay: Relay) -> None:
    made = claim()
    seen = await relayed.claims.take(made)
    assert await relayed.claims.take_over(seen, another(made)) is True
    relay.mishaps += [Mishap("^PUT ", status=504)] * 4
    with pytest.raises(UpstreamTimeout):
        await relayed.claims.take_over(seen, another(made, "connection-3"))
    assert relay.mishaps == []
    assert (await standing(relayed, made)).connection_id == "connection-2"


async def test_a_table_that_is_missing_is_the_services_fault(azurite: str) -> None:
    async with TableServiceClient.from_connection_string(azurite, **OPTIONS) as service:
        with pytest.raises(UpstreamError):
            await AzureClaimTable(service.get_table_client("missing")).take(claim())


async def test_a_table_that_answers_to_nothing_is_the_services_fault(relayed: Tables, relay: Relay) -> None:
    made = claim()
    relay.mishaps += [Mishap(".", status=504)] * 20
    with pytest.raises(UpstreamTimeout):
        await relayed.claims.take(made)
    with pytest.raises(UpstreamError):
        await relayed.claims.take_over(replace(made, etag="*"), another(made))
    with pytest.raises(UpstreamError):
        await relayed.claims.release(made.tenant_id, made.client_id, made.connection_id)
