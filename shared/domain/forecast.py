"""What a rotation does, or would do if it began now, for callers who ask before they press."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from shared.domain import password_rotation, schedule
from shared.domain.connection import Row
from shared.domain.credential import Method
from shared.domain.model import Instant, Record
from shared.domain.schedule import IntervalUnit, Trigger


class Forecast(Record):
    """The plan of a rotation; nothing of it has happened."""

    issues: Literal["refresh-token", "app-password"]
    starts_at: Instant
    earliest_in_use_at: Instant
    """An app password is proven twice, some seconds apart, before it is used."""
    ends_at: Instant | None = None
    """When the new app password will end."""
    revokes: list[str]
    """Key ids of the app passwords that will be removed after the promotion."""
    keeps: list[str]
    """Key ids of those that stay good until the next rotation."""
    next_rotation_at: Instant | None = None


def forecast(row: Row, now: datetime, unit: IntervalUnit) -> Forecast:
    """The plan for a row that has a rotation: of the run under way, or else of one that began now."""
    rotation = row.connection.rotation
    started = row.run.started_at if row.run else now
    following = None
    if rotation is not None and row.connection.is_auto_rotation_enabled:
        following = schedule.after_success(
            started,
            now,
            interval=rotation.rotation_interval,
            at=rotation.rotate_at_utc,
            trigger=row.run.trigger if row.run else Trigger.MANUAL,
            unit=unit,
        )
    if row.connection.method is not Method.CLIENT_SECRET:
        return Forecast(
            issues="refresh-token",
            starts_at=started,
            earliest_in_use_at=now,
            revokes=[],
            keeps=[],
            next_rotation_at=following,
        )
    active = row.passwords.active if row.passwords else None
    inactive = row.passwords.inactive if row.passwords else None
    pending = row.passwords.pending if row.passwords else None
    revokes = [key.key_id for key in (inactive, active) if key and (key is inactive or not key.issued)]
    if row.passwords is None and row.secret_key_id is not None:
        revokes = [row.secret_key_id]
    first_proof = pending.proven_at if pending and pending.proven_at else now
    return Forecast(
        issues="app-password",
        starts_at=started,
        earliest_in_use_at=max(now, first_proof + password_rotation.PROVE_APART),
        ends_at=pending.key.ends_at if pending else password_rotation.ends_at(row, now, unit),
        revokes=revokes,
        keeps=[active.key_id] if active and active.issued else [],
        next_rotation_at=following,
    )
