"""A credential whose end is known: the connection's status tells of it ahead."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain.connection import Health, RotationStatus, Row
from shared.domain.credential import Method

WARN_DAYS = (30, 14, 7, 1, 0)
"""Days before the end on which the status is told anew."""

_REMEDIES = {
    Method.CERTIFICATE: ("certificate", "Submit a new one"),
    Method.CLIENT_SECRET: ("client secret", "Submit a new one, or enable rotation"),
}


def known_end(row: Row) -> datetime | None:
    """When the credential in use ends, if anybody said."""
    active = row.passwords.active if row.passwords else None
    return (active.ends_at if active else None) or row.ends_at


def next_warning(row: Row) -> datetime | None:
    """When the status is to tell (again) that the end is near."""
    end = known_end(row)
    ahead = [days for days in WARN_DAYS if row.warned is None or days < row.warned]
    if end is None or not ahead or _is_replaced_in_time(row, end):
        return None
    return end - timedelta(days=ahead[0])


def warned(row: Row, now: datetime) -> Row:
    """The row whose status tells of the end. What only a person can mend is worse news, and stays."""
    end = known_end(row)
    reached = [days for days in WARN_DAYS if end is not None and now >= end - timedelta(days=days)]
    if end is None or not reached:
        return row
    told = row.having(warned=reached[-1])
    if row.connection.status.state is Health.NEEDS_RECONNECT:
        return told
    thing, remedy = _REMEDIES.get(row.connection.method, ("credential", "Submit a new one"))
    verb, when = ("ended", "now") if now >= end else ("ends", "before then")
    return told.judged(Health.DEGRADED, f"The {thing} {verb} on {end:%Y-%m-%d}. {remedy} {when}.", now)


def while_off(row: Row) -> str | None:
    """What the status of a working connection says while rotation is off: when its last app password ends."""
    active = row.passwords.active if row.passwords else None
    if row.connection.is_auto_rotation_enabled or active is None or active.ends_at is None:
        return None
    return f"Rotation is off: the client secret in use ends on {active.ends_at:%Y-%m-%d}. Enable rotation before then."


def _is_replaced_in_time(row: Row, end: datetime) -> bool:
    """Whether working rotation has two runs left before the end."""
    rotation = row.connection.rotation
    if not row.connection.is_auto_rotation_enabled or rotation is None or rotation.next_rotation_at is None:
        return False
    if rotation.rotation_status is RotationStatus.FAILED:
        return False
    return end >= rotation.next_rotation_at + timedelta(days=rotation.rotation_interval)
