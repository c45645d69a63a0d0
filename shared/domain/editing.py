"""A caller's edit of a connection: what is sent changes, what is not stays."""

from __future__ import annotations

from datetime import datetime

from shared.domain import expiry, rotation, schedule
from shared.domain.connection import Health, Rotation, RotationStatus, Row, credentials_hash
from shared.domain.creation import Enrolled, Proof, first_rotation
from shared.domain.credential import Method
from shared.domain.debts import handed_over, without_passwords
from shared.domain.errors import BadRequest, Conflict, Problem
from shared.domain.model import Record
from shared.domain.schedule import IntervalUnit, RotateAt

ROTATING_METHODS = frozenset({Method.OAUTH, Method.CLIENT_SECRET})
"""The methods whose credential this service can replace by itself."""


class RotationEdit(Record):
    """The parts of a rotation schedule that the caller sent."""

    rotation_interval: int | None = None
    rotate_at_utc: RotateAt | None = None


class Edit(Record):
    """What the caller sent, without credentials. `model_fields_set` tells what is absent from what is None."""

    name: str | None = None
    description: str | None = None
    is_auto_rotation_enabled: bool | None = None
    rotation: RotationEdit | None = None


def check_rotation_supported(method: Method, *, enabled: bool, rotation: object) -> None:
    """Raise `BadRequest` when rotation is asked for and the method has none."""
    if method not in ROTATING_METHODS and (enabled or rotation is not None):
        raise BadRequest(
            f"Credential rotation is not supported for azure-key-vault connections with {method.value} method"
        )


def edited(row: Row, edit: Edit, now: datetime, unit: IntervalUnit) -> Row:
    """The row with the edit in it; the very same row when that changes nothing callers can see."""
    connection = row.connection
    check_rotation_supported(connection.method, enabled=bool(edit.is_auto_rotation_enabled), rotation=edit.rotation)
    enabled = connection.is_auto_rotation_enabled
    if edit.is_auto_rotation_enabled is not None:
        enabled = edit.is_auto_rotation_enabled
    changes: dict[str, object] = {
        "is_auto_rotation_enabled": enabled,
        "rotation": _rotation(row, edit.rotation, enabled=enabled, now=now, unit=unit),
    }
    if edit.name is not None:
        changes["name"] = edit.name
    if "description" in edit.model_fields_set:
        changes["description"] = edit.description
    after = _telling_the_end(row.showing(**changes), row, now)
    return row if after == row else after


def _telling_the_end(row: Row, before: Row, now: datetime) -> Row:
    """The status says when the last secret ends once rotation is off, and whether a run comes before once it is on.

    A client secret whose rotation is switched on has signed in just before: whatever was wrong with it is over.
    """
    connection, status = row.connection, row.connection.status
    enabled = connection.is_auto_rotation_enabled
    was_enabled = before.connection.is_auto_rotation_enabled
    if enabled == was_enabled and _next_of(row) == _next_of(before):
        return row
    proven = enabled and not was_enabled and connection.method is Method.CLIENT_SECRET
    if proven or expiry.is_all_that_is_wrong(before):
        return expiry.retold(row, now)
    if status.state is Health.DEGRADED and not enabled:
        return row.judged(Health.DEGRADED, expiry.besides(row, str(status.reason), now), now)
    return row


def _next_of(row: Row) -> datetime | None:
    return row.connection.rotation.next_rotation_at if row.connection.rotation else None


def with_credentials(row: Row, proof: Proof, version: str | None, *, now: datetime, unit: IntervalUnit) -> Row:
    """The row with another credential in use; the former one is to be disabled."""
    same_app = row.connection.credentials == proof.public
    _check_not_being_removed(row, proof)
    if row.connection.method is Method.CLIENT_SECRET:
        row = _begun_anew(rotation.superseded_by_credentials(row, now), now, unit)
    freed = without_passwords(row, now) if same_app else handed_over(row, row.active_version, now)
    signs_for_debts = row.active_version in {debt.auth_version for debt in freed.debts}
    former = (row.active_version,) if row.active_version and not signs_for_debts else ()
    changed = freed.showing(
        credentials=proof.public, credentials_hash=credentials_hash(proof.submitted, row.hash_salt)
    ).having(
        active_version=version,
        passwords=proof.enrolled.passwords(version) if proof.enrolled and version else None,
        account_id=proof.account_id,
        stored_at=now if row.connection.method is Method.OAUTH else None,
        ends_at=proof.ends_at,
        refused=None,
        superseded=tuple(dict.fromkeys((*freed.superseded, *former))),
    )
    return expiry.retold(changed.without_exchange(now), now)


def knows_its_password(row: Row) -> bool:
    """Whether it is recorded which of the app's passwords is in use."""
    return row.passwords is not None and row.passwords.active is not None


def recognising(row: Row, enrolled: Enrolled, now: datetime) -> Row:
    """The row that knows the password in use, and its end, as the one that was enrolled.

    Others, of a run by hand, stay recorded.
    """
    known = enrolled.passwords(row.active_version or "")
    passwords = row.passwords.model_copy(update={"active": known.active}) if row.passwords else known
    return expiry.retold(row.having(passwords=passwords), now)


def _begun_anew(row: Row, now: datetime, unit: IntervalUnit) -> Row:
    """Enabled rotation counts from the new credential."""
    present = row.connection.rotation
    if present is None or not row.connection.is_auto_rotation_enabled:
        return row
    return row.showing(rotation=_planned_anew(present, now, unit))


def _check_not_being_removed(row: Row, proof: Proof) -> None:
    """A password that is about to be removed must not come into use. One whose key id is not known may be it.

    It may be owed at an app that the connection left and now comes back to.
    """
    app = (proof.public.get("tenantId"), proof.public.get("clientId"))
    leaving = {debt.key_id for debt in row.debts if not debt.issued and (debt.tenant_id, debt.client_id) == app}
    if leaving and (proof.enrolled is None or proof.enrolled.key_id in leaving):
        raise Conflict(
            "A client secret that was replaced is still being removed from the app, and this may be it; try again in a "
            "few minutes",
            retry_after=60,
        )


def counted(row: Row, now: datetime) -> Row:
    """The row after a caller's edit: the version that callers see moves on."""
    return row.showing(updated_at=now).having(revision=row.revision + 1)


def _rotation(
    row: Row, edit: RotationEdit | None, *, enabled: bool, now: datetime, unit: IntervalUnit
) -> Rotation | None:
    present = row.connection.rotation
    interval = (edit and edit.rotation_interval) or (present and present.rotation_interval)
    at = (edit and edit.rotate_at_utc) or (present and present.rotate_at_utc)
    if interval is None or at is None:
        if enabled or edit is not None:
            parts = {"rotationInterval": interval, "rotateAtUtc": at}
            raise BadRequest(
                "Rotation interval and schedule are required when enabling rotation",
                [
                    Problem("invalid_type", ("rotation", name), "Field required")
                    for name, part in parts.items()
                    if part is None
                ],
            )
        return None
    rotation = (present or Rotation(rotation_interval=interval, rotate_at_utc=at)).model_copy(
        update={"rotation_interval": interval, "rotate_at_utc": at}
    )
    if not enabled:
        return rotation.model_copy(update={"next_rotation_at": None})
    if present is None or present.next_rotation_at is None:
        return _planned_anew(rotation, now, unit)
    following = _after_change(present, present.next_rotation_at, rotation, now, unit)
    return rotation.model_copy(update={"next_rotation_at": following})


def _planned_anew(rotation: Rotation, now: datetime, unit: IntervalUnit) -> Rotation:
    """The rotation counting from now on: that an earlier run failed has no part in it. One under way goes on."""
    changes: dict[str, object] = {"next_rotation_at": first_rotation(rotation, now, unit)}
    if rotation.rotation_status is RotationStatus.FAILED:
        changes |= {"rotation_status": RotationStatus.SUCCESS, "last_rotation_message": None}
    return rotation.model_copy(update=changes)


def _after_change(
    present: Rotation, planned: datetime, rotation: Rotation, now: datetime, unit: IntervalUnit
) -> datetime:
    if (present.rotation_interval, present.rotate_at_utc) == (rotation.rotation_interval, rotation.rotate_at_utc):
        return planned
    return schedule.after_change(
        planned,
        now,
        former_interval=present.rotation_interval,
        interval=rotation.rotation_interval,
        at=rotation.rotate_at_utc,
        retrying=present.rotation_status is RotationStatus.FAILED,
        unit=unit,
    )
