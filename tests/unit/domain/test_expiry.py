"""The end of a credential is told ahead."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from shared.domain import expiry, rotation
from shared.domain.connection import Health, RotationStatus, Row
from shared.domain.credential import Method
from shared.domain.owed import Action, next_owed
from shared.domain.schedule import IntervalUnit, Trigger
from tests.unit.domain.rows import NOW, active

DAY = timedelta(days=1)


def with_certificate(days: int) -> Row:
    return active(enabled=False, planned=False).showing(method=Method.CERTIFICATE).having(ends_at=NOW + days * DAY)


def told(row: Row, now: datetime) -> str:
    return str(expiry.warned(row, now).connection.status.reason)


def test_a_far_end_is_told_thirty_days_before() -> None:
    owed = next_owed(with_certificate(100))
    assert owed is not None
    assert (owed.action, owed.at) == (Action.WARN, NOW + 70 * DAY)


def test_a_connection_whose_end_is_not_known_is_never_warned_of() -> None:
    assert expiry.next_warning(active()) is None


def test_the_status_is_told_anew_30_14_7_and_1_days_before_and_at_the_end() -> None:
    row, told_at = with_certificate(40), []
    while (at := expiry.next_warning(row)) is not None:
        told_at.append((NOW + 40 * DAY - at).days)
        row = expiry.warned(row, at)
        assert row.connection.status.state is Health.DEGRADED
        assert row.connection.status.since == NOW + 10 * DAY, "the state began with the first warning"
    assert told_at == [30, 14, 7, 1, 0]
    assert row.connection.status.reason == "The certificate ended on 2026-02-19. Submit a new one now."


def test_one_that_comes_late_is_told_once() -> None:
    row = expiry.warned(with_certificate(5), NOW)
    assert row.warned == 7
    assert expiry.next_warning(row) == NOW + 4 * DAY
    assert told(row, NOW) == "The certificate ends on 2026-01-15. Submit a new one before then."


def test_what_only_a_person_can_mend_stays_the_reason() -> None:
    row = with_certificate(5).judged(Health.NEEDS_RECONNECT, "revoked", NOW)
    assert told(row, NOW) == "revoked"


@pytest.mark.parametrize(("days", "warned"), [(20, True), (60, True), (61, False), (100, False)])
def test_under_working_rotation_only_an_end_before_the_next_two_runs_is_told(days: int, warned: bool) -> None:
    """Next run in 30 days and 17 hours; the one after it 30 days later."""
    row = active().having(ends_at=NOW + days * DAY)
    assert (expiry.next_warning(row) is not None) is warned


def test_a_failed_rotation_is_no_reason_to_be_silent() -> None:
    row = active().having(ends_at=NOW + 100 * DAY).rotating(rotation_status=RotationStatus.FAILED)
    assert expiry.next_warning(row) == NOW + 70 * DAY


def test_while_rotation_fails_the_warning_says_why() -> None:
    failing = active().having(ends_at=NOW + 20 * DAY).showing(method=Method.CLIENT_SECRET)
    failing = failing.rotating(rotation_status=RotationStatus.FAILED, last_rotation_message="It was refused. Allow it.")
    text = "The client secret ends on 2026-01-30, and the last rotation failed: It was refused. Allow it."
    assert told(failing, NOW) == text


def test_telling_it_anew_does_not_begin_the_trouble_anew() -> None:
    row = expiry.warned(with_certificate(20), NOW)
    assert expiry.retold(row, NOW + DAY).connection.status == row.connection.status


def test_a_rotation_ends_the_warning() -> None:
    row = expiry.warned(active().having(ends_at=NOW + 5 * DAY), NOW)
    assert row.connection.status.state is Health.DEGRADED
    run = rotation.attempted(rotation.requested(row, "a-run", Trigger.MANUAL, NOW), NOW)
    after = rotation.succeeded(run, "new", repeated=False, now=NOW, unit=IntervalUnit.DAYS)
    assert (after.connection.status.state, after.warned) == (Health.ACTIVE, None)
