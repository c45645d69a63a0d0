"""Who did what: every change leaves its line, once, whatever fails in between."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from shared.domain.audit import Action, Origin
from shared.domain.connection import LONGEST_RUN
from shared.domain.errors import UpstreamUnavailable
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.fakes.faults import Crash
from tests.unit.services.apps import update
from tests.unit.services.links import VISITOR, arrived, departed, linked
from tests.unit.services.world import (
    CALLER,
    DAY,
    MINUTE,
    MONTHLY,
    ORG,
    create_project,
    created,
    delete,
    rotate,
    wish,
)


def actions(world: FakeApplication) -> list[tuple[object, object]]:
    """What was done and how it went, oldest first."""
    return [(line["action"], line["outcome"]) for line in reversed(world.audit.lines(ORG))]


async def test_each_change_leaves_a_line_that_names_who_and_what(world: FakeApplication) -> None:
    made = await created(world, wish(rotation=MONTHLY))
    world.clock.advance(MINUTE)
    await update(world, made.id, name="renamed")
    world.clock.advance(MINUTE)
    await rotate(world, made.id)
    world.clock.advance(MINUTE)
    await world.app.advance(ORG, made.id)
    world.clock.advance(MINUTE)
    await delete(world, made.id)
    assert actions(world) == [
        ("connection.create", "success"),
        ("connection.update", "success"),
        ("connection.rotate", "success"),
        ("rotation.run", "success"),
        ("connection.delete", "success"),
    ]
    deleted = world.audit.lines(ORG)[0]
    assert (deleted["connectionId"], deleted["connectionName"], deleted["reason"]) == (made.id, "renamed", None)
    assert deleted["actor"] == {
        "type": "caller",
        "objectId": CALLER.object_id,
        "appId": None,
        "name": "Olga Operator",
        "address": None,
    }


async def test_a_scheduled_rotation_is_the_systems_doing(world: FakeApplication) -> None:
    await created(world, wish(rotation=MONTHLY.model_copy(update={"rotation_interval": 5})))
    world.entra.revoke(ADA)
    world.clock.advance(6 * DAY)
    await world.tick()
    line = world.audit.lines(ORG)[0]
    assert (line["action"], line["outcome"]) == ("rotation.run", "failure")
    assert "Reconnect" in str(line["reason"])
    assert line["actor"] == {"type": "system", "objectId": None, "appId": None, "name": None, "address": None}


async def test_a_connection_by_link_names_who_asked_and_who_signed_in(world: FakeApplication) -> None:
    await arrived(world, await departed(world, await linked(world)))
    await world.app.background.idle()
    by_action = {str(line["action"]): line for line in world.audit.lines(ORG)}
    assert set(by_action) == {"connection.create", "connection.connect"}
    assert by_action["connection.create"]["actor"]["name"] == "Olga Operator"  # type: ignore[index,call-overload]  # JSON
    assert by_action["connection.connect"]["actor"] == {
        "type": "visitor",
        "objectId": ADA.object_id,
        "appId": None,
        "name": ADA.name,
        "address": VISITOR.actor.address,
    }
    assert by_action["connection.connect"]["requestId"] == VISITOR.request_id


async def test_a_sign_in_that_failed_is_on_record_with_its_reason(world: FakeApplication) -> None:
    departure = await departed(world, await linked(world))
    await arrived(world, departure, world.entra.decline(departure.url))
    (line,) = world.audit.lines(ORG)
    assert (line["action"], line["outcome"]) == ("connection.connect", "failure")
    assert "declined" in str(line["reason"])


async def test_what_changes_no_row_is_one_line_of_the_log_too(
    world: FakeApplication, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "shared.services.auditing")
    departure = await departed(world, await linked(world))
    await arrived(world, departure, world.entra.decline(departure.url))
    (line,) = world.audit.lines(ORG)
    await create_project(world)
    caller = replace(CALLER, request_id="4bf92f3577b34da6a3ce929d0e0e4736")
    await world.app.auditing.note(ORG, Action.ROTATE, Origin.of(caller), connection_id="an-id", reason="Conflict")
    failed, made, refused = [record.message for record in caplog.records if record.message.startswith("outcome ")]
    assert failed.startswith(
        f"outcome action=connection.connect outcome=failure requestId={VISITOR.request_id} orgId={ORG}"
        f" connectionId={line['connectionId']} reason="
    )
    assert "declined" in failed
    assert made == f"outcome action=project.create outcome=success requestId=- orgId={ORG} connectionId=- reason=-"
    assert refused == (
        f"outcome action=connection.rotate outcome=failure requestId={caller.request_id} orgId={ORG}"
        " connectionId=an-id reason=Conflict"
    )


async def test_projects_too_are_on_record(world: FakeApplication) -> None:
    project = await create_project(world)
    world.clock.advance(MINUTE)
    await world.app.projects.delete(CALLER, project.id)
    assert actions(world) == [("project.create", "success"), ("project.delete", "success")]


async def test_a_creation_whose_process_died_is_told_as_abandoned(world: FakeApplication) -> None:
    world.faults.after("vault.put", Crash())
    with pytest.raises(Crash):
        await created(world)
    world.restart()
    await world.run(LONGEST_RUN + 10 * MINUTE)
    (line,) = world.audit.lines(ORG)
    assert (line["action"], line["outcome"], line["reason"]) == ("connection.create", "failure", "abandoned")
    assert world.connections.rows(ORG) == []


async def test_a_log_that_is_down_delays_lines_and_loses_none(world: FakeApplication) -> None:
    world.faults.before("audit.add", UpstreamUnavailable("Table Storage"), times=3)
    made = await created(world)
    await delete(world, made.id)
    assert actions(world) == []
    await world.run(60 * MINUTE)
    assert sorted(actions(world)) == [("connection.create", "success"), ("connection.delete", "success")]
    assert world.connections.rows(ORG) == []


async def test_a_line_that_was_written_but_not_confirmed_is_written_once(world: FakeApplication) -> None:
    world.faults.after("audit.add", UpstreamUnavailable("Table Storage"))
    await created(world)
    await world.run(10 * MINUTE)
    assert actions(world) == [("connection.create", "success")]
