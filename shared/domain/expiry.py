"""A credential whose end is known: the connection's status tells of it ahead."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain.connection import Health, RotationStatus, Row
from shared.domain.credential import Method

WARN_DAYS = (30, 14, 7, 1, 0)
"""Days before the end on which the status is told anew."""

_THINGS = {Method.CERTIFICATE: "certificate", Method.CLIENT_SECRET: "client secret"}

SPARE = timedelta(days=2)
"""The next run must come so long before the end: one that fails is tried again each day."""


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
    return told.judged(Health.DEGRADED, _warning(row, end, now), now)


def retold(row: Row, now: datetime) -> Row:
    """The row of a connection that works, whose status tells of the end anew: it, or what comes before it, changed."""
    fresh = row.having(warned=None)
    due = next_warning(fresh)
    if due is None or now < due:
        return fresh.judged(Health.ACTIVE, noted(row), now)
    is_dead = row.connection.status.state is Health.NEEDS_RECONNECT
    return warned(fresh.judged(Health.ACTIVE, None, now) if is_dead else fresh, now)


def is_all_that_is_wrong(row: Row) -> bool:
    """Whether the status says of nothing but the end of the credential, or of nothing at all."""
    status, end = row.connection.status, known_end(row)
    if status.state is not Health.DEGRADED or end is None or row.warned is None:
        return status.state is Health.ACTIVE
    return str(status.reason).startswith((_ends(row, end), _ended(row, end)))


def noted(row: Row) -> str | None:
    """What the status of a working connection says of the end: that nothing will come before it."""
    end, following = known_end(row), _next_run(row)
    if end is None or following is None:
        return while_off(row)
    return _too_late(row, end, following) if end < following + SPARE else None


def while_off(row: Row) -> str | None:
    """The same while rotation is off: when the last app password ends."""
    active = row.passwords.active if row.passwords else None
    if row.connection.is_auto_rotation_enabled or active is None or active.ends_at is None:
        return None
    return f"Rotation is off: the client secret in use ends on {active.ends_at:%Y-%m-%d}. Enable rotation before then."


def besides(row: Row, trouble: str, now: datetime) -> str:
    """What the status of a connection in trouble says: its trouble, and while rotation is off, the end to come."""
    end, told = known_end(row), while_off(row)
    return trouble if told is None or end is None or now >= end else f"{trouble.rstrip('.')}. {told}"


def _ends(row: Row, end: datetime) -> str:
    return f"The {_THINGS.get(row.connection.method, 'credential')} ends on {end:%Y-%m-%d}"


def _ended(row: Row, end: datetime) -> str:
    return f"The {_THINGS.get(row.connection.method, 'credential')} ended on {end:%Y-%m-%d}"


def _warning(row: Row, end: datetime, now: datetime) -> str:
    """What ends, and what is to be done about it as things are."""
    if now >= end:
        return f"{_ended(row, end)}. Submit a new one now."
    ends = _ends(row, end)
    rotation, following = row.connection.rotation, _next_run(row)
    if following is None or rotation is None:
        also = ", or enable rotation" if row.connection.method is Method.CLIENT_SECRET else ""
        return f"{ends}. Submit a new one{also} before then."
    if rotation.rotation_status is RotationStatus.FAILED:
        return f"{ends}, and the last rotation failed: {rotation.last_rotation_message}"
    if end < following + SPARE:
        return _too_late(row, end, following)
    return f"{ends}, and only the rotation on {following:%Y-%m-%d} comes before. Should it fail, submit a new one."


def _too_late(row: Row, end: datetime, following: datetime) -> str:
    return (
        f"{_ends(row, end)}, and the next rotation is only on {following:%Y-%m-%d}. Rotate it now (rotate-credentials)."
    )


def _next_run(row: Row) -> datetime | None:
    """When rotation is to run next; None while it is off."""
    rotation = row.connection.rotation
    return rotation.next_rotation_at if rotation is not None and row.connection.is_auto_rotation_enabled else None


def _is_replaced_in_time(row: Row, end: datetime) -> bool:
    """Whether working rotation has two runs left before the end.

    One is enough for a secret of the user's own: it is taken over to be replaced by the very next run, and has no
    second one to wait for.
    """
    rotation, following = row.connection.rotation, _next_run(row)
    if rotation is None or following is None or rotation.rotation_status is RotationStatus.FAILED:
        return False
    active = row.passwords.active if row.passwords else None
    if active is not None and not active.issued:
        return end >= following + SPARE
    return end >= following + timedelta(days=rotation.rotation_interval)
