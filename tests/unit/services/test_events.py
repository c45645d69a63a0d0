"""What other programs are told of: everything, once by id, in order, and never at the cost of anything else."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain import events
from shared.domain.connection import LONGEST_RUN
from shared.domain.errors import GrantRefused, Refusal, UpstreamTimeout, UpstreamUnavailable
from shared.domain.events import event_of, waiting
from shared.domain.owed import Action
from shared.services.connect_links import FlowState
from tests.fakes.application import FakeApplication, fake_application, settings_for_tests
from tests.fakes.entra import ADA
from tests.fakes.faults import Crash
from tests.unit.services.links import again, signed_in
from tests.unit.services.rotations import outcomes
from tests.unit.services.world import CALLER, DAY, MINUTE, MONTHLY, ORG, created, delete, rotate, row_of, wish

TOPIC = "https://events.example/api/events"
BUSY = 96
"""Rotations that somebody asks for in a day: one each quarter of an hour."""


@pytest.fixture
def world() -> FakeApplication:
    return fake_application(settings_for_tests(EVENT_TOPIC_ENDPOINT=TOPIC))


def told(world: FakeApplication) -> list[str]:
    return [event.type.value for event in world.topic.once()]


async def worked(world: FakeApplication, connection_id: str) -> None:
    """A message arrives; its worker may die."""
    try:
        await world.app.advance(ORG, connection_id)
    except Crash:
        world.restart()


async def rotated(world: FakeApplication, connection_id: str) -> None:
    await rotate(world, connection_id)
    await worked(world, connection_id)


async def test_a_day_with_faults_is_told_in_order_and_once_each(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    world.faults.after("topic.publish", Crash())  # it was told, and the worker died before it could note so
    await rotated(world, connection.id)
    await world.run(10 * MINUTE)
    world.faults.before("entra.refresh", UpstreamUnavailable("Entra"), times=5)
    await rotated(world, connection.id)
    await world.run(20 * MINUTE)
    world.faults.after("topic.publish", UpstreamTimeout("Event Grid"))
    await rotated(world, connection.id)
    await world.run(20 * MINUTE)
    world.faults.before("entra.refresh", GrantRefused(Refusal("invalid_grant"), "The grant was revoked"))
    await rotated(world, connection.id)
    await world.run(5 * MINUTE)
    await delete(world, connection.id)
    await world.run(LONGEST_RUN + 10 * MINUTE)
    assert told(world) == [
        "connection.created",
        "rotation.succeeded",
        "rotation.failed",
        "connection.degraded",
        "rotation.succeeded",
        "connection.recovered",
        "rotation.failed",
        "connection.needs-reconnect",
        "connection.deleted",
    ]
    assert len(world.topic.sent) > len(told(world)), "some were sent twice, under the same id"
    assert world.connections.rows(ORG) == []


async def test_events_of_a_connection_sort_by_sequence_though_one_write_or_a_slow_clock_has_two_at_odds(
    world: FakeApplication,
) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    world.faults.before("entra.refresh", GrantRefused(Refusal("invalid_grant"), "The grant was revoked"))
    await rotated(world, connection.id)
    world.clock.advance(-2 * MINUTE)  # an instance that is behind
    await delete(world, connection.id)
    await world.run(LONGEST_RUN + 10 * MINUTE)
    sent = world.topic.once()
    told_of = ["connection.created", "rotation.failed", "connection.needs-reconnect", "connection.deleted"]
    assert [event.type.value for event in sorted(sent, key=lambda event: event.time)] != told_of
    assert [event.type.value for event in sorted(sent, key=lambda event: event.sequence or "")] == told_of
    assert [int(event.sequence or "") for event in sent] == [1, 2, 3, 4], "without a gap: who misses one can tell"


async def test_an_event_that_was_recorded_without_a_number_is_sent_without(world: FakeApplication) -> None:
    world.faults.before("topic.publish", UpstreamTimeout("Event Grid"), times=1000)
    row = row_of(world, (await created(world)).id)
    (entry,) = waiting(row)
    unnumbered = entry.model_copy(update={"body": {k: v for k, v in entry.body.items() if k != "sequence"}})
    assert event_of(row, entry).sequence == "0000000001"
    assert event_of(row, unnumbered) == replace(event_of(row, entry), sequence=None)


async def test_a_day_without_a_topic_delays_nothing_and_loses_nothing(world: FakeApplication) -> None:
    world.faults.before("topic.publish", UpstreamTimeout("Event Grid"), times=1000)
    connection = await created(world, wish(rotation=MONTHLY))
    for _ in range(BUSY):
        await rotated(world, connection.id)
        assert row_of(world, connection.id).run is None
        await world.run(DAY / BUSY)
    assert outcomes(world, connection.id) == ["success"] * BUSY
    assert len(world.audit.lines(ORG)) > 2 * BUSY
    assert world.topic.sent == []
    assert world.faults.calls.count("topic.publish") < 100, "its hold grows"
    assert {entry.kind for entry in row_of(world, connection.id).outbox} == {"event"}
    world.faults.clear()
    await world.run(timedelta(hours=2))
    assert told(world) == ["connection.created", *["rotation.succeeded"] * BUSY]
    assert row_of(world, connection.id).outbox == ()


async def test_who_signs_in_again_is_told_of_and_then_that_it_works(world: FakeApplication) -> None:
    connection = await created(world)
    world.entra.revoke(ADA)
    await world.app.checking(CALLER, connection.id, None)
    world.entra.accept(ADA)
    assert (await signed_in(world, await again(world, connection.id))).state is FlowState.SUCCEEDED
    assert told(world) == [
        "connection.created",
        "connection.needs-reconnect",
        "connection.reconnected",
        "connection.recovered",
    ]
    reconnected = world.topic.once()[2]
    assert (reconnected.data["state"], reconnected.data["reason"]) == ("active", None)


async def test_who_signs_in_again_though_it_worked_is_told_of_alone(world: FakeApplication) -> None:
    connection = await created(world)
    await signed_in(world, await again(world, connection.id))
    await world.run(9 * DAY)  # keep-alive stores another grant, which nobody signed in for
    assert told(world) == ["connection.created", "connection.reconnected"]


async def test_what_waits_is_bounded_the_oldest_go_and_operators_are_told(
    world: FakeApplication, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = 5_000
    monkeypatch.setattr(events, "MAX_WAITING", bound)
    world.faults.before("topic.publish", UpstreamTimeout("Event Grid"), times=1000)
    connection = await created(world, wish(rotation=MONTHLY))
    made = 1
    while not (dropped := re.findall(r"events\.dropped orgId=\S+ connectionId=(\S+) count=(\d+)", caplog.text)):
        await rotated(world, connection.id)
        made += 1
        assert made < 100, "nothing bounds what waits"
    ((dropped_of, count),) = dropped
    assert (dropped_of, int(count) > 0) == (connection.id, True)
    kept = waiting(row_of(world, connection.id))
    assert len(kept) == made - int(count)
    assert sum(len(entry.model_dump_json()) for entry in kept) <= bound
    assert outcomes(world, connection.id) == ["success"] * (made - 1), "no rotation suffers"
    world.faults.clear()
    await world.run(timedelta(hours=2))
    assert told(world) == ["rotation.succeeded"] * len(kept), "the oldest went"


async def test_a_topic_that_takes_nothing_holds_its_own_action_only(world: FakeApplication) -> None:
    world.faults.before("topic.publish", UpstreamUnavailable("Event Grid"), times=1000)
    connection = await created(world, wish(rotation=MONTHLY))
    assert set(row_of(world, connection.id).holds) == {Action.PUBLISH}


async def test_no_topic_is_asked_before_the_rotation_is_done(world: FakeApplication) -> None:
    world.faults.before("topic.publish", UpstreamUnavailable("Event Grid"))
    connection = await created(world, wish(rotation=MONTHLY))
    await world.app.background.idle()
    await rotate(world, connection.id)
    await world.app.background.idle()
    world.clock.advance(MINUTE)
    world.faults.calls.clear()
    await world.app.advance(ORG, connection.id)
    calls = world.faults.calls
    assert max(calls.index("vault.put"), calls.index("history.add"), calls.index("audit.add")) < calls.index(
        "topic.publish"
    )


async def test_a_deleted_connection_is_cleaned_while_the_topic_is_away_and_told_of_after(
    world: FakeApplication,
) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    world.faults.before("topic.publish", UpstreamUnavailable("Event Grid"), times=1000)
    await delete(world, connection.id)
    world.faults.calls.clear()
    await world.run(DAY)
    assert not any(world.vault.readable().values()), "the secret waits for nobody"
    tries = world.faults.calls.count("topic.publish")
    assert 20 < tries < 40, "its hold grows to an hour"
    assert world.faults.calls.count("vault.delete") == 1
    assert world.faults.calls.count("connections.replace") <= 2 * tries + 5, "the row is looked at after each try"
    world.faults.clear()
    await world.run(timedelta(hours=2))
    assert told(world) == ["connection.created", "connection.deleted"]
    assert world.connections.rows(ORG) == []


async def test_without_a_topic_no_event_is_kept() -> None:
    world = fake_application()
    world.faults.before("history.add", UpstreamUnavailable("Table Storage"), times=100)
    connection = await created(world, wish(rotation=MONTHLY))
    await rotated(world, connection.id)
    assert {entry.kind for entry in row_of(world, connection.id).outbox} == {"rotation", "audit"}


async def test_what_waits_for_a_topic_goes_when_the_topic_is_taken_out_of_the_settings(
    world: FakeApplication, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "shared.services.publishing")
    world.faults.before("topic.publish", UpstreamUnavailable("Event Grid"), times=1000)
    connection = await created(world, wish(rotation=MONTHLY))
    world.settings = settings_for_tests()
    world.restart()
    await world.run(timedelta(hours=1))
    assert row_of(world, connection.id).outbox == ()
    assert world.topic.sent == []
    told_of = [(each.levelname, each.message) for each in caplog.records if each.message.startswith("events.")]
    assert told_of == [("WARNING", f"events.discarded orgId={ORG} connectionId={connection.id} count=1")], (
        "nobody was told"
    )
