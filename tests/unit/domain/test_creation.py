"""From a reservation to a connection, or back to nothing."""

from __future__ import annotations

from shared.domain import creation
from shared.domain.connection import LONGEST_RUN, Health, Lifecycle, credentials_hash
from tests.unit.domain.rows import FIRST_VERSION, NOW, PROOF, a_project, active, reserved


def test_a_reservation_holds_the_name_and_nothing_of_the_credential() -> None:
    row = reserved()
    assert row.lifecycle is Lifecycle.CREATING
    assert (row.connection.credentials, row.connection.credentials_hash, row.active_version) == ({}, "", None)
    assert row.deadline == NOW + LONGEST_RUN


def test_a_reservation_carries_its_project_and_whether_that_names_its_callers() -> None:
    open_to_all, named = reserved(project=a_project()), reserved(project=a_project("somebody"))
    assert open_to_all.connection.project_id == "a-project"
    assert open_to_all.connection.project == a_project().ref
    assert (open_to_all.project_restricted, named.project_restricted) == (False, True)


def test_activation_shows_the_public_part_and_hashes_the_submitted_one() -> None:
    row = active(repeated=True)
    assert row.lifecycle is Lifecycle.ACTIVE
    assert row.connection.credentials == PROOF.public
    assert row.connection.credentials_hash == credentials_hash(PROOF.submitted, row.hash_salt)
    assert (row.active_version, row.account_id, row.sweep_at) == (FIRST_VERSION, "an-account", NOW + LONGEST_RUN)
    assert row.deadline is None
    assert row.connection.status.state is Health.ACTIVE


def test_no_secret_gets_into_the_row() -> None:
    assert "a-secret" not in active().model_dump_json()
    assert "a-secret" not in repr(PROOF)


def test_enabled_rotation_counts_from_the_grant_just_made() -> None:
    rotation = active().connection.rotation
    assert rotation is not None
    assert rotation.next_rotation_at is not None
    assert rotation.next_rotation_at.isoformat() == "2026-02-10T03:00:00+00:00"


def test_disabled_rotation_keeps_its_schedule_without_a_date() -> None:
    rotation = active(enabled=False).connection.rotation
    assert rotation is not None
    assert (rotation.rotation_interval, rotation.next_rotation_at) == (30, None)


def test_giving_up_frees_at_once_and_deleting_waits_for_whoever_works_on_it() -> None:
    given_up, deleted = creation.given_up(reserved(), NOW), creation.deleted(active(), NOW)
    assert given_up.lifecycle is deleted.lifecycle is Lifecycle.DELETING
    assert (given_up.deadline, deleted.deadline) == (NOW, NOW + LONGEST_RUN)
    assert deleted.run is None
