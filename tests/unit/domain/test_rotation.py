"""A rotation run as changes of the row."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from shared.domain import rotation
from shared.domain.connection import LONGEST_RUN, Health, Hold, Rotation, RotationStatus, Row
from shared.domain.owed import Action
from shared.domain.schedule import IntervalUnit, Trigger
from tests.unit.domain.rows import FIRST_VERSION, NOW, SECOND_VERSION, active

STARTED = NOW + timedelta(days=40)
ENDED = STARTED + timedelta(seconds=2)
DAYS = IntervalUnit.DAYS


def running(*, enabled: bool = True, attempts: int = 1, trigger: Trigger = Trigger.MANUAL) -> Row:
    row = rotation.requested(active(enabled=enabled), "a-run", trigger, STARTED)
    for _ in range(attempts):
        row = rotation.attempted(row, STARTED)
    return row


def schedule_of(row: Row) -> Rotation:
    assert row.connection.rotation is not None
    return row.connection.rotation


def test_a_request_shows_as_in_progress_and_ends_a_pause() -> None:
    paused = active(holds={Action.ROTATE: Hold(until=STARTED, tries=2, reason="busy")})
    row = rotation.requested(paused, "a-run", Trigger.MANUAL, STARTED)
    assert schedule_of(row).rotation_status is RotationStatus.IN_PROGRESS
    assert row.run is not None
    assert (row.run.id, row.run.started_at, row.run.attempt, row.holds) == ("a-run", STARTED, 0, {})


def test_a_second_request_while_one_is_under_way_changes_nothing() -> None:
    row = running()
    assert rotation.requested(row, "another-run", Trigger.MANUAL, ENDED) is row


def test_success_promotes_the_new_version_and_retires_the_former_in_one_row() -> None:
    row = rotation.succeeded(running(), SECOND_VERSION, repeated=False, now=ENDED, unit=DAYS)
    assert (row.active_version, row.superseded) == (SECOND_VERSION, (FIRST_VERSION,))
    assert (row.run, row.holds, row.sweep_at) == (None, {}, None)
    assert schedule_of(row).rotation_status is RotationStatus.SUCCESS
    assert schedule_of(row).last_rotated_at == ENDED
    assert schedule_of(row).next_rotation_at == datetime.fromisoformat("2026-03-22T03:00:00Z")


def test_success_mends_a_degraded_connection() -> None:
    degraded = running().judged(Health.DEGRADED, "down", STARTED)
    row = rotation.succeeded(degraded, SECOND_VERSION, repeated=False, now=ENDED, unit=DAYS)
    assert (row.connection.status.state, row.connection.status.reason) == (Health.ACTIVE, None)


@pytest.mark.parametrize(("attempts", "repeated", "expected"), [(1, False, False), (2, False, True), (1, True, True)])
def test_a_version_that_nobody_wrote_down_is_looked_for(attempts: int, repeated: bool, expected: bool) -> None:
    row = rotation.succeeded(running(attempts=attempts), SECOND_VERSION, repeated=repeated, now=ENDED, unit=DAYS)
    assert row.sweep_at == (ENDED + LONGEST_RUN if expected else None)


def test_failure_leaves_the_active_credential_and_tries_again_the_day_after() -> None:
    row = rotation.failed(running(), "It was refused", state=Health.NEEDS_RECONNECT, now=ENDED, unit=DAYS)
    assert (row.active_version, row.superseded, row.run) == (FIRST_VERSION, (), None)
    assert schedule_of(row).rotation_status is RotationStatus.FAILED
    assert schedule_of(row).last_rotation_message == "It was refused"
    assert schedule_of(row).last_rotated_at is None
    assert schedule_of(row).next_rotation_at == datetime.fromisoformat("2026-02-20T03:00:00Z")
    assert row.connection.status.state is Health.NEEDS_RECONNECT
    assert row.sweep_at == ENDED + LONGEST_RUN


def test_a_failure_that_passes_takes_nothing_back_of_what_only_a_person_can_mend() -> None:
    dead = running().judged(Health.NEEDS_RECONNECT, "It was revoked", NOW)
    row = rotation.failed(dead, "Entra is unavailable", state=Health.DEGRADED, now=ENDED, unit=DAYS)
    assert row.connection.status == dead.connection.status
    assert schedule_of(row).last_rotation_message == "Entra is unavailable"


def test_a_failure_before_any_try_leaves_no_version_to_look_for() -> None:
    row = rotation.failed(running(attempts=0), "x", state=Health.DEGRADED, now=ENDED, unit=DAYS)
    assert row.sweep_at is None


def test_a_manual_run_does_not_switch_auto_rotation_on() -> None:
    ok = rotation.succeeded(running(enabled=False), SECOND_VERSION, repeated=False, now=ENDED, unit=DAYS)
    refused = rotation.failed(running(enabled=False), "x", state=Health.DEGRADED, now=ENDED, unit=DAYS)
    assert schedule_of(ok).next_rotation_at is None
    assert schedule_of(refused).next_rotation_at is None


def test_each_run_leaves_one_record_under_its_own_id_and_an_audit_line() -> None:
    row = rotation.failed(running(attempts=3), "It was refused", state=Health.DEGRADED, now=ENDED, unit=DAYS)
    entry, line = row.outbox
    assert (entry.id, entry.kind, entry.at) == ("a-run", "rotation", ENDED)
    assert entry.body == {
        "rotationId": "a-run",
        "trigger": "manual",
        "startedAt": "2026-02-19T10:00:00.000Z",
        "finishedAt": "2026-02-19T10:00:02.000Z",
        "outcome": "failed",
        "message": "It was refused",
        "attempts": 3,
        "keyId": None,
        "formerKeyId": None,
    }
    assert (line.kind, line.body["action"], line.body["outcome"]) == ("audit", "rotation.run", "failure")
    assert (line.body["reason"], line.body["connectionId"]) == ("It was refused", row.id)
    assert line.body["actor"] == {"type": "system", "objectId": None, "appId": None, "name": None, "address": None}


def test_a_try_holds_the_run_while_it_lasts_and_keeps_the_count_of_its_faults() -> None:
    paused = running(attempts=0).having(holds={Action.ROTATE: Hold(until=STARTED, tries=2, reason="busy")})
    row = rotation.attempted(paused, ENDED)
    hold = row.holds[Action.ROTATE]
    assert (hold.until, hold.tries) == (ENDED + rotation.LEASE, 2)
    assert row.run is not None
    assert row.run.attempt == 1


@pytest.mark.parametrize("row", [active(), active(enabled=False, planned=False)])
def test_ending_a_run_that_never_began_is_a_defect(row: Row) -> None:
    with pytest.raises(ValueError, match="no rotation is under way"):
        rotation.attempted(row, STARTED)
