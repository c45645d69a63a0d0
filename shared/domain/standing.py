"""What using a credential tells of its connection: it works, or Entra refuses it for good.

A passing fault tells nothing. A judgement names the credential that was used, and is written only on a change of state.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain import expiry
from shared.domain.connection import Health, RotationStatus, Row
from shared.domain.credential import Method
from shared.domain.entra_errors import judge
from shared.domain.errors import ConnectionBroken, GrantRefused

SPREADING = timedelta(minutes=15)
"""How long parts of Entra may not know an app password that others accept already."""


def is_dead(row: Row) -> bool:
    """Whether only a person can mend it: not tried again until then."""
    return row.connection.status.state is Health.NEEDS_RECONNECT


def may_be_spreading(row: Row, now: datetime) -> bool:
    """Whether a refusal can come from a part of Entra that has not heard of a password just promoted."""
    rotation, passwords = row.connection.rotation, row.passwords
    promoted = rotation.last_rotated_at if rotation else None
    issued = passwords is not None and passwords.active is not None and passwords.active.issued
    return issued and promoted is not None and now < promoted + SPREADING


def refused(row: Row, refusal: GrantRefused, now: datetime) -> Row:
    """The row once Entra refused its credential."""
    return _of_no_use(row, refusal.friendly, judge(refusal.refusal), now)


def unreadable(row: Row, now: datetime) -> Row:
    """The row once its credential could not be read, whatever Entra thinks of it."""
    return _of_no_use(row, unreadable_text(row), Health.NEEDS_RECONNECT, now)


def unreadable_text(row: Row) -> str:
    """What happened, and how it is mended."""
    by_person = row.connection.method is Method.OAUTH
    remedy = "Reconnect: open a new connect link and sign in" if by_person else "Submit the credential again"
    return f"The stored credential is missing from Key Vault or unreadable. {remedy}."


def _of_no_use(row: Row, reason: str, state: Health, now: datetime) -> Row:
    """The same row when it says so already."""
    status = row.connection.status
    if status.state is state and row.refused == row.in_use:
        return row  # the reason carries ids of the single answer, which are no change
    judged = row.judged(state, reason, now).having(refused=row.in_use)
    return judged.without_exchange(now) if state is Health.NEEDS_RECONNECT else judged


def worked(row: Row, now: datetime) -> Row:
    """The row once its credential served; what else is wrong with the connection, as a failed rotation, stays."""
    if not is_dead(row) and row.refused is None:
        return row
    mended = row.having(refused=None)
    told, rotation = expiry.retold(mended, now), row.connection.rotation
    failed = rotation is not None and rotation.rotation_status is RotationStatus.FAILED and row.failed_apart
    if rotation is None or not failed or told.connection.status.state is not Health.ACTIVE:
        return told
    reason = expiry.besides(row, str(rotation.last_rotation_message), now)
    return mended.having(warned=told.warned).judged(Health.DEGRADED, reason, now)


def broken(row: Row) -> ConnectionBroken:
    """What whoever wants to use the connection is told."""
    status = row.connection.status
    reason = status.reason or "Entra refuses the credential of this connection"
    since = status.model_dump(mode="json")["since"]
    return ConnectionBroken(reason, {"state": status.state.value, "reason": reason, "since": since})
