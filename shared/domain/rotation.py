"""A rotation run as changes of the row: requested, attempted, then succeeded or failed."""

from __future__ import annotations

from datetime import datetime

from shared.domain import schedule
from shared.domain.connection import Health, OutboxEntry, Rotation, RotationStatus, Row, Run
from shared.domain.owed import Action
from shared.domain.schedule import IntervalUnit, Trigger


def requested(row: Row, run_id: str, trigger: Trigger, now: datetime) -> Row:
    """A run is owed; with one under way already, the row as it is."""
    if row.run is not None:
        return row
    run = Run(id=run_id, trigger=trigger, started_at=now)
    return row.released(Action.ROTATE).having(run=run).rotating(rotation_status=RotationStatus.IN_PROGRESS)


def attempted(row: Row) -> Row:
    """One more try of the run, written before the try so that a later one knows of it."""
    run, _ = _under_way(row)
    return row.having(run=run.model_copy(update={"attempt": run.attempt + 1}))


def succeeded(row: Row, version: str, *, swept: bool, now: datetime, unit: IntervalUnit) -> Row:
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
        .rotating(
            rotation_status=RotationStatus.SUCCESS,
            last_rotation_message=None,
            last_rotated_at=now,
            next_rotation_at=following if row.connection.is_auto_rotation_enabled else None,
        )
        .having(
            active_version=version,
            superseded=row.superseded + former,
            sweep_versions=row.sweep_versions or swept or run.attempt > 1,
            run=None,
            outbox=(*row.outbox, _entry(run, RotationStatus.SUCCESS, None, now)),
        )
    )
    return changed.judged(Health.ACTIVE, None, now)


def failed(row: Row, message: str, *, state: Health, now: datetime, unit: IntervalUnit) -> Row:
    """The run is given up; the active credential stays as it is and the next try is tomorrow."""
    run, rotation = _under_way(row)
    following = schedule.after_failure(run.started_at, now, at=rotation.rotate_at_utc, unit=unit)
    changed = (
        row.released(Action.ROTATE)
        .rotating(
            rotation_status=RotationStatus.FAILED,
            last_rotation_message=message,
            next_rotation_at=following if row.connection.is_auto_rotation_enabled else None,
        )
        .having(
            run=None,
            sweep_versions=row.sweep_versions or run.attempt > 0,
            outbox=(*row.outbox, _entry(run, RotationStatus.FAILED, message, now)),
        )
    )
    return changed.judged(state, message, now)


def _under_way(row: Row) -> tuple[Run, Rotation]:
    if row.run is None or row.connection.rotation is None:
        raise ValueError("no rotation is under way")
    return row.run, row.connection.rotation


def _entry(run: Run, outcome: RotationStatus, message: str | None, now: datetime) -> OutboxEntry:
    record = {
        "rotationId": run.id,
        "trigger": run.trigger.value,
        "startedAt": run.model_dump(mode="json")["startedAt"],
        "outcome": outcome.value,
        "message": message,
        "attempts": run.attempt,
    }
    return OutboxEntry(id=run.id, kind="rotation", at=now, body=record)
