"""The row, its public part, and what is derived from them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain import rotation
from shared.domain.connection import Health, Row, credentials_hash, secret_name
from shared.domain.credential import OAuthGrant, parse_credential
from shared.domain.schedule import Trigger
from tests.unit.domain.rows import NOW, active, reserved

LATER = NOW + timedelta(hours=1)
submissions = st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4)


@given(submitted=submissions, salt=st.text(min_size=1, max_size=32))
def test_equal_submissions_to_one_row_give_equal_hashes_in_any_order(submitted: dict[str, str], salt: str) -> None:
    turned = dict(reversed(submitted.items()))
    assert credentials_hash(submitted, salt) == credentials_hash(turned, salt)


@given(one=submissions, other=submissions)
def test_other_submissions_give_other_hashes(one: dict[str, str], other: dict[str, str]) -> None:
    assert (credentials_hash(one, "salt") == credentials_hash(other, "salt")) == (one == other)


def test_the_hash_tells_nothing_across_rows() -> None:
    submitted = {"tenantId": "t", "accountId": "a"}
    assert credentials_hash(submitted, "salt") != credentials_hash(submitted, "pepper")


def test_a_judgement_moves_since_only_when_the_state_changes() -> None:
    row = active()
    degraded = row.judged(Health.DEGRADED, "Key Vault is down", NOW)
    again = degraded.judged(Health.DEGRADED, "Key Vault is slow", LATER)
    assert again.connection.status.since == NOW
    assert again.connection.status.reason == "Key Vault is slow"
    assert again.judged(Health.ACTIVE, None, LATER).connection.status.since == LATER


def test_the_same_judgement_again_is_no_change_at_all() -> None:
    degraded = active().judged(Health.DEGRADED, "down", NOW)
    assert degraded.judged(Health.DEGRADED, "down", LATER) is degraded


@pytest.mark.parametrize(
    "row",
    [
        reserved(),
        active(),
        active(enabled=False, planned=False),
        rotation.requested(active(), "a-run", Trigger.MANUAL, NOW),
        active().judged(Health.NEEDS_RECONNECT, "Ünïcode \N{KEY} \x00", NOW),
    ],
)
def test_a_row_is_read_as_it_was_written(row: Row) -> None:
    assert Row.model_validate_json(row.model_dump_json()) == row


def test_a_row_of_a_newer_version_with_unknown_keys_is_still_read() -> None:
    document = json.loads(active().model_dump_json()) | {"addedLater": 1}
    assert Row.model_validate(document) == active()


def test_every_key_of_the_answer_is_always_present() -> None:
    bare = json.loads(active(enabled=False, planned=False).connection.model_dump_json())
    assert set(bare) == {
        "id", "name", "description", "version", "orgId", "createdAt", "updatedAt", "app", "method", "credentials",
        "isPlatformManagedCredentials", "gatewayId", "projectId", "project", "isAutoRotationEnabled", "rotation",
        "credentialsHash", "status",
    }  # fmt: skip
    assert set(bare["status"]) == {"state", "reason", "since"}
    assert (bare["app"], bare["version"], bare["gatewayId"]) == ("azure-key-vault", 1, None)


def test_every_key_of_a_rotation_is_always_present() -> None:
    document = json.loads(active().connection.model_dump_json())["rotation"]
    assert document == {
        "rotationInterval": 30,
        "rotateAtUtc": {"hours": 3, "minutes": 0},
        "rotationStatus": "success",
        "lastRotationMessage": None,
        "nextRotationAt": "2026-02-10T03:00:00.000Z",
        "lastRotatedAt": None,
    }


def test_a_row_is_frozen() -> None:
    with pytest.raises(ValidationError):
        active().lifecycle = None  # type: ignore[misc,assignment]  # the point of the test


def test_changing_a_rotation_that_is_not_there_is_a_defect() -> None:
    with pytest.raises(ValueError, match="no rotation"):
        active(planned=False, enabled=False).rotating(last_rotation_message="x")


def test_two_reservations_of_one_connection_use_two_secret_names() -> None:
    names = {secret_name("4f1c0c0e-0000-4000-8000-000000000000", suffix) for suffix in ("01234567", "89abcdef")}
    assert len(names) == 2
    assert all(name.replace("-", "").isalnum() and len(name) <= 127 for name in names)


def test_a_credential_does_not_show_its_token() -> None:
    credential = OAuthGrant(tenant_id="t", refresh_token="a-secret-token", issued_at=NOW)
    assert "a-secret-token" not in repr(credential)
    assert parse_credential(credential.model_dump_json()) == credential
