"""What every `FlowTable` promises."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta

from shared.domain.audit import Actor, ActorType, Origin
from shared.services.ports import Attempt, Link
from tests.contract.relay import Mishap, Relay
from tests.contract.tables import Tables
from tests.fakes.clock import START


def link(**changes: object) -> Link:
    """A link as `authorize` makes it."""
    made = Link(
        flow_id=str(uuid.uuid4()),
        org_id="org-1",
        connection_id=str(uuid.uuid4()),
        tenant="tenant-1",
        requested=Origin(actor=Actor(type=ActorType.CALLER, name="Olga Operator"), request_id="a-request"),
        body={"name": "prod-vault", "rotation": {"rotationInterval": 30}, "description": None},
        created_at=START,
        expires_at=START + timedelta(hours=24),
        state="pending",
        message=None,
        return_url="https://portal.example/done",
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the fields' types differ


def attempt(**changes: object) -> Attempt:
    """An attempt as the button makes it."""
    made = Attempt(
        state_hash=uuid.uuid4().hex,
        flow_id=str(uuid.uuid4()),
        cookie_hash=uuid.uuid4().hex,
        sealed="sealed",
        expires_at=START + timedelta(minutes=10),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the fields' types differ


async def outcome(tables: Tables, flow_id: str) -> tuple[str, str | None]:
    """What the link says of itself."""
    found = await tables.flows.get_link(flow_id)
    assert found is not None
    return found.state, found.message


async def test_a_link_comes_back_as_it_was_written(tables: Tables) -> None:
    for made in (link(), link(tenant=None, return_url=None, message="so far so bad")):
        await tables.flows.put_link(made)
        found = await tables.flows.get_link(made.flow_id)
        assert found is not None
        assert replace(found, etag="") == made
    assert await tables.flows.get_link(str(uuid.uuid4())) is None


async def test_an_outcome_is_recorded_and_a_later_one_replaces_a_failure(tables: Tables) -> None:
    made = link()
    await tables.flows.put_link(made)
    await tables.flows.settle_link(made.flow_id, "failed", "declined")
    assert await outcome(tables, made.flow_id) == ("failed", "declined")
    await tables.flows.settle_link(made.flow_id, "succeeded", None)
    assert await outcome(tables, made.flow_id) == ("succeeded", None)


async def test_success_is_never_overwritten(tables: Tables) -> None:
    made = link()
    await tables.flows.put_link(made)
    await asyncio.gather(
        tables.flows.settle_link(made.flow_id, "failed", "too late"),
        tables.flows.settle_link(made.flow_id, "succeeded", None),
        tables.flows.settle_link(made.flow_id, "failed", "declined"),
    )
    await tables.flows.settle_link(made.flow_id, "failed", "replayed")
    assert await outcome(tables, made.flow_id) == ("succeeded", None)


async def test_settling_keeps_the_rest_of_the_link_and_makes_none(tables: Tables) -> None:
    made = link()
    await tables.flows.settle_link(made.flow_id, "succeeded", None)
    assert await tables.flows.get_link(made.flow_id) is None
    await tables.flows.put_link(made)
    await tables.flows.settle_link(made.flow_id, "succeeded", None)
    found = await tables.flows.get_link(made.flow_id)
    assert found is not None
    assert replace(found, etag="") == replace(made, state="succeeded")


async def test_an_attempt_comes_back_as_it_was_written(tables: Tables) -> None:
    made = attempt()
    await tables.flows.put_attempt(made)
    found = await tables.flows.get_attempt(made.state_hash)
    assert found is not None
    assert replace(found, etag="") == made
    assert await tables.flows.get_attempt(uuid.uuid4().hex) is None


async def test_an_attempt_is_used_up_once(tables: Tables) -> None:
    made = attempt()
    await tables.flows.put_attempt(made)
    found = await tables.flows.get_attempt(made.state_hash)
    assert found is not None
    assert await tables.flows.remove_attempt(found) is True
    assert await tables.flows.get_attempt(made.state_hash) is None
    assert await tables.flows.remove_attempt(found) is False


async def test_of_two_who_use_an_attempt_at_once_one_is_told_so(tables: Tables) -> None:
    made = attempt()
    await tables.flows.put_attempt(made)
    both = await asyncio.gather(tables.flows.get_attempt(made.state_hash), tables.flows.get_attempt(made.state_hash))
    told = await asyncio.gather(*(tables.flows.remove_attempt(each) for each in both if each is not None))
    assert sorted(told) == [False, True]


async def test_an_outcome_whose_answer_was_lost_is_recorded(relayed: Tables, relay: Relay) -> None:
    made = link()
    await relayed.flows.put_link(made)
    relay.mishaps.append(Mishap("^PATCH ", status=503))
    await relayed.flows.settle_link(made.flow_id, "failed", "declined")
    assert await outcome(relayed, made.flow_id) == ("failed", "declined")
    assert relay.mishaps == []


async def test_what_has_expired_is_removed_and_nothing_else(tables: Tables) -> None:
    old, new = link(expires_at=START - timedelta(days=2)), link()
    stale, fresh = attempt(expires_at=START - timedelta(days=2)), attempt()
    for made in (old, new):
        await tables.flows.put_link(made)
    for begun in (stale, fresh):
        await tables.flows.put_attempt(begun)
    before = START - timedelta(days=1)
    assert await tables.flows.remove_expired(before, limit=1) == 1
    assert await tables.flows.remove_expired(before, limit=10) == 1
    assert await tables.flows.remove_expired(before, limit=10) == 0
    assert (await tables.flows.get_link(old.flow_id), await tables.flows.get_attempt(stale.state_hash)) == (None, None)
    assert await tables.flows.get_link(new.flow_id) is not None
    assert await tables.flows.get_attempt(fresh.state_hash) is not None
