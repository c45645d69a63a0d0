"""A rotation run as changes of the row: requested, attempted, then succeeded or failed."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain import expiry, schedule
from shared.domain.audit import SYSTEM
from shared.domain.audit import Action as AuditAction
from shared.domain.connection import (
    LONGEST_RUN,
    Health,
    Hold,
    Lifecycle,
    OutboxEntry,
    Rotation,
    RotationStatus,
    Row,
    Run,
)
from shared.domain.credential import Method
from shared.domain.debts import without_pending
from shared.domain.model import Instant, Record
from shared.domain.owed import Action
from shared.domain.schedule import IntervalUnit, Trigger

LEASE = timedelta(minutes=2)
"""Longer than any try takes, all time-outs of its calls included."""


class RotationRecord(Record):
    """A finished run, as the history tells it."""

    rotation_id: str
    trigger: Trigger
    started_at: Instant
    finished_at: Instant
    outcome: RotationStatus
    message: str | None = None
    attempts: int
    """How often it was tried."""
    key_id: str | None = None
    """The new app password's, where the method has any; that of a failed run is removed again."""
    former_key_id: str | None = None
    """The one that it replaced, where it is known."""


def requested(row: Row, run_id: str, trigger: Trigger, now: datetime) -> Row:
    """A run is owed; with one under way already, the row as it is."""
    if row.run is not None:
        return row
    run = Run(id=run_id, trigger=trigger, started_at=now)
    begun = row.released(Action.ROTATE).having(run=run)
    return begun.rotating(rotation_status=RotationStatus.IN_PROGRESS, last_rotation_message=None)


def attempted(row: Row, now: datetime, lease: timedelta = LEASE) -> Row:
    """One more try of the run, written before the try so that a later one knows of it.

    It holds the action while it lasts: a second worker on the same message finds nothing owed, and one that takes over
    from a dead worker has another attempt's number, which fences the dead one off should it wake.
    """
    run, _ = _under_way(row)
    tries = row.holds[Action.ROTATE].tries if Action.ROTATE in row.holds else 0
    hold = Hold(until=now + lease, tries=tries, reason="being worked on")
    return row.having(
        run=run.model_copy(update={"attempt": run.attempt + 1}),
        attempts=row.attempts + 1,
        holds={**row.holds, Action.ROTATE: hold},
    )


def succeeded(  # the row, and what the history tells of it
    row: Row,
    version: str,
    *,
    repeated: bool,
    now: datetime,
    unit: IntervalUnit,
    key_id: str | None = None,
    former_key_id: str | None = None,
) -> Row:
    """The new secret version is in use, the former one is to be disabled, the next date is set: all in one row."""
    run, rotation = _under_way(row)
    following = schedule.after_success(
        run.started_at,
        now,
        interval=rotation.rotation_interval,
        at=rotation.rotate_at_utc,
        trigger=run.trigger,
        unit=unit,
    )
    former = (row.active_version,) if row.active_version else ()
    changed = (
        row.released(Action.ROTATE)
        .released(Action.VERIFY)
        .rotating(
            rotation_status=RotationStatus.SUCCESS,
            last_rotation_message=None,
            last_rotated_at=now,
            next_rotation_at=following if row.connection.is_auto_rotation_enabled else None,
        )
        .having(
            active_version=version,
            superseded=row.superseded + former,
            run=None,
            exchange=None,
            stored_at=now if row.connection.method is Method.OAUTH else None,
            ends_at=None,
            refused=None,
            **_sweeps(row, now, wanted=repeated or run.attempt > 1 or row.exchange is not None),
        )
        .recording(*_entries(row, run, RotationStatus.SUCCESS, None, now, key_id=key_id, former_key_id=former_key_id))
    )
    return expiry.retold(changed, now)


def failed(row: Row, message: str, *, state: Health, now: datetime, unit: IntervalUnit) -> Row:
    """The run is given up; the active credential stays as it is and the next try is tomorrow."""
    run, rotation = _under_way(row)
    following = schedule.after_failure(run.started_at, now, at=rotation.rotate_at_utc, unit=unit)
    changed = (
        row.released(Action.ROTATE)
        .released(Action.VERIFY)
        .rotating(
            rotation_status=RotationStatus.FAILED,
            last_rotation_message=message,
            next_rotation_at=following if row.connection.is_auto_rotation_enabled else None,
        )
        .having(
            run=None,
            failed_apart=state is not Health.NEEDS_RECONNECT,
            **_sweeps(row, now, wanted=run.attempt > 0),
        )
        .recording(*_entries(row, run, RotationStatus.FAILED, message, now, key_id=_given_up(row)))
    )
    judged = without_pending(changed, now)
    if state is Health.NEEDS_RECONNECT or row.connection.status.state is not Health.NEEDS_RECONNECT:
        message = expiry.besides(changed, message, now)
        judged = judged.judged(state, message, now)  # else only a person can mend it, still
    return judged.without_exchange(now) if state is Health.NEEDS_RECONNECT else judged


def superseded_by_credentials(row: Row, now: datetime) -> Row:
    """The row whose run is over because the caller submitted another credential: there is nothing left to rotate."""
    if row.run is None:
        return row
    message = "Another credential was submitted while the rotation was under way"
    ended = row.released(Action.ROTATE).released(Action.VERIFY)
    ended = ended.rotating(rotation_status=RotationStatus.SUCCESS, last_rotation_message=None)
    entries = _entries(row, row.run, RotationStatus.FAILED, message, now, key_id=_given_up(row))
    return ended.having(run=None, **_sweeps(row, now, wanted=row.run.attempt > 0)).recording(*entries)


def is_same_try(row: Row, tried: Row) -> bool:
    """Whether `row` still has the try under way that `tried` began, on the same credential."""
    return (row.lifecycle, row.run, row.active_version) == (Lifecycle.ACTIVE, tried.run, tried.active_version)


def _sweeps(row: Row, now: datetime, *, wanted: bool) -> dict[str, datetime | None]:
    """When to look for what tries may have left: in Key Vault, and among the app's passwords."""
    if not wanted:
        return {"sweep_at": row.sweep_at, "sweep_passwords_at": row.sweep_passwords_at}
    passwords = now + LONGEST_RUN if row.connection.method is Method.CLIENT_SECRET else None
    return {"sweep_at": row.swept_after(now + LONGEST_RUN).sweep_at, "sweep_passwords_at": passwords}


def _under_way(row: Row) -> tuple[Run, Rotation]:
    if row.run is None or row.connection.rotation is None:
        raise ValueError("no rotation is under way")
    return row.run, row.connection.rotation


def _given_up(row: Row) -> str | None:
    """The key id of the password that was issued and will not be promoted."""
    pending = row.passwords.pending if row.passwords else None
    return pending.key.key_id if pending else None


def _entries(
    row: Row,
    run: Run,
    outcome: RotationStatus,
    message: str | None,
    now: datetime,
    **key_ids: str | None,
) -> tuple[OutboxEntry, OutboxEntry]:
    """The run's line in the rotation history, and the one in the audit log."""
    record = RotationRecord(
        rotation_id=run.id,
        trigger=run.trigger,
        started_at=run.started_at,
        finished_at=now,
        outcome=outcome,
        message=message,
        attempts=run.attempt,
        **key_ids,
    )
    reason = message if outcome is RotationStatus.FAILED else None
    return (
        OutboxEntry(id=run.id, kind="rotation", at=now, body=record.model_dump(mode="json")),
        row.line(AuditAction.ROTATION, SYSTEM, now, reason=reason),
    )
