"""What a row owes, and which due row it needs."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import creation, rotation
from shared.domain.connection import LONGEST_RUN, DueHint, Health, Hold, Idempotency, OutboxEntry, Row
from shared.domain.due import RESEND_AFTER, plan_hint
from shared.domain.owed import Action, next_owed
from shared.domain.schedule import Trigger
from tests.unit.domain.rows import FIRST_VERSION, NOW, active, reserved

SECOND = timedelta(seconds=1)
SAFETY_LAG = RESEND_AFTER + timedelta(minutes=2)

KEPT = Idempotency(key="a-key", fingerprint="a-body", expires_at=NOW + timedelta(days=1))

moments = st.timedeltas(timedelta(days=-40), timedelta(days=40)).map(lambda distance: NOW + distance)
holds = st.dictionaries(
    st.sampled_from(Action), st.builds(Hold, until=moments, tries=st.integers(1, 5), reason=st.just("busy"))
)
hints = st.none() | st.builds(
    DueHint, at=moments.map(lambda moment: moment.replace(microsecond=0)), nonce=st.just("old")
)
outboxes = st.lists(
    st.builds(OutboxEntry, id=st.just("e"), kind=st.just("rotation"), at=moments, body=st.just({})), max_size=2
).map(tuple)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Rows in every stage of life."""
    row = draw(
        st.sampled_from(
            [
                reserved(),
                active(),
                active(enabled=False),
                active(planned=False, enabled=False),
                active(superseded=(FIRST_VERSION,)),
                active(sweep_at=NOW + LONGEST_RUN),
                active(idempotency=KEPT),
                rotation.requested(active(), "a-run", Trigger.MANUAL, NOW + timedelta(milliseconds=7)),
                creation.deleted(active(), NOW),
                creation.given_up(reserved(), NOW),
            ]
        )
    )
    return row.having(holds=draw(holds), outbox=draw(outboxes), due=draw(hints))


def owed(row: Row) -> tuple[Action, datetime] | None:
    found = next_owed(row)
    return (found.action, found.at) if found else None


def test_a_reservation_is_cleaned_up_once_its_creator_must_be_dead() -> None:
    assert owed(reserved()) == (Action.CLEAN_UP_RESERVATION, NOW + LONGEST_RUN)


def test_a_deleted_connection_is_purged_once_nobody_can_be_using_it() -> None:
    assert owed(creation.deleted(active(), NOW)) == (Action.PURGE, NOW + LONGEST_RUN)


def test_a_creation_given_up_is_purged_at_once() -> None:
    assert owed(creation.given_up(reserved(), NOW)) == (Action.PURGE, NOW)


def test_an_active_connection_owes_its_next_rotation() -> None:
    row = active().rotating(next_rotation_at=NOW + timedelta(days=3))
    assert row.connection.rotation is not None
    assert owed(row) == (Action.ROTATE, row.connection.rotation.next_rotation_at)


@pytest.mark.parametrize("row", [active(enabled=False), active(enabled=False, planned=False)])
def test_without_rotation_a_grant_owes_its_keep_alive(row: Row) -> None:
    found = owed(row)
    assert found is not None
    action, at = found
    assert action is Action.KEEP_ALIVE
    assert timedelta(days=7) <= at - NOW < timedelta(days=8)


@pytest.mark.parametrize("row", [active(enabled=False), active(enabled=False, planned=False)])
def test_a_dead_grant_without_rotation_owes_nothing_and_needs_no_due_row(row: Row) -> None:
    dead = row.judged(Health.NEEDS_RECONNECT, "revoked", NOW)
    assert next_owed(dead) is None
    assert plan_hint(dead, NOW, "new") is None


def test_a_dead_grant_owes_no_rotation_of_its_own_but_one_that_was_asked_for() -> None:
    dead = active().judged(Health.NEEDS_RECONNECT, "revoked", NOW)
    assert next_owed(dead) is None
    assert owed(rotation.requested(dead, "a-run", Trigger.MANUAL, NOW)) == (Action.ROTATE, NOW)
    degraded = active().judged(Health.DEGRADED, "disabled", NOW).rotating(next_rotation_at=NOW)
    assert owed(degraded) == (Action.ROTATE, NOW)


def test_a_run_under_way_is_owed_even_while_auto_rotation_is_off() -> None:
    row = rotation.requested(active(enabled=False), "a-run", Trigger.MANUAL, NOW)
    assert owed(row) == (Action.ROTATE, NOW)


def test_superseded_versions_are_settled_before_the_next_rotation() -> None:
    assert owed(active(superseded=(FIRST_VERSION,))) == (Action.SETTLE, NOW)


def test_a_version_that_nobody_may_have_written_down_is_looked_for_but_not_during_a_run() -> None:
    row = active(sweep_at=NOW)
    assert owed(row) == (Action.SWEEP, NOW)
    assert owed(rotation.requested(row, "a-run", Trigger.MANUAL, NOW + SECOND)) == (Action.ROTATE, NOW + SECOND)


def test_an_idempotency_key_is_forgotten_when_its_day_is_over() -> None:
    assert owed(active(enabled=False, idempotency=KEPT)) == (Action.FORGET_KEY, KEPT.expires_at)


def test_the_outbox_is_delivered_whatever_the_lifecycle() -> None:
    entry = OutboxEntry(id="e", kind="rotation", at=NOW, body={})
    for row in (active(enabled=False), creation.deleted(active(), NOW)):
        assert owed(row.having(outbox=(entry,))) == (Action.SETTLE, NOW)


def test_a_hold_puts_its_own_action_off_and_nothing_else() -> None:
    run = rotation.requested(active(), "a-run", Trigger.MANUAL, NOW)
    until = NOW + timedelta(minutes=3)
    assert owed(run.having(holds={Action.ROTATE: Hold(until=until, tries=1, reason="busy")})) == (Action.ROTATE, until)
    past = Hold(until=NOW - SECOND, tries=1, reason="busy")
    assert owed(run.having(holds={Action.ROTATE: past})) == (Action.ROTATE, NOW)
    assert owed(run.having(holds={Action.SETTLE: Hold(until=until, tries=1, reason="busy")})) == (Action.ROTATE, NOW)


@given(row=rows(), now=moments)
def test_a_hint_exists_exactly_when_something_is_owed(row: Row, now: datetime) -> None:
    assert (plan_hint(row, now, "new") is None) == (next_owed(row) is None)


@given(row=rows(), now=moments)
def test_a_hint_is_never_later_than_what_is_owed_plus_the_safety_lag(row: Row, now: datetime) -> None:
    found, hint = next_owed(row), plan_hint(row, now, "new")
    if found is not None and hint is not None:
        latest = now + SAFETY_LAG if found.at <= now else found.at
        assert hint.at < latest + SECOND


@given(row=rows(), now=moments)
def test_a_new_hint_names_a_whole_second_and_does_not_wake_too_early(row: Row, now: datetime) -> None:
    found, hint = next_owed(row), plan_hint(row, now, "new")
    if found is not None and hint is not None and hint.nonce == "new":
        assert hint.at.microsecond == 0
        assert hint.at >= found.at


@given(row=rows(), now=moments)
def test_a_hint_that_serves_is_kept_under_its_nonce(row: Row, now: datetime) -> None:
    first = plan_hint(row, now, "first")
    assert plan_hint(row.having(due=first), now, "second") == first


@given(row=rows(), now=moments)
def test_a_hint_survives_the_write_and_the_next_read(row: Row, now: datetime) -> None:
    written = row.having(due=plan_hint(row, now, "first"))
    read = Row.model_validate_json(written.model_dump_json())
    assert plan_hint(read, now, "second") == read.due
