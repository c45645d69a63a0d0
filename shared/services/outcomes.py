"""What a row write meant, told to operators: metrics, and one log line for each outcome."""

from __future__ import annotations

import logging
from datetime import datetime

from shared.domain.connection import Lifecycle, OutboxEntry, Row
from shared.domain.measures import Metric
from shared.domain.rotation import RotationRecord
from shared.services.invocation import current_request_id
from shared.services.ports import Telemetry

log = logging.getLogger(__name__)


def tell(before: Row | None, after: Row, telemetry: Telemetry) -> None:
    """Called once for each write that won: the difference of the two rows is what happened."""
    method = after.connection.method.value
    if after.lifecycle is Lifecycle.ACTIVE and _state(before) != _state(after):
        telemetry.count(Metric.TRANSITIONS, state=after.connection.status.state.value, method=method)
    if after.warned is not None and (before is None or after.warned != before.warned):
        telemetry.count(Metric.EXPIRY_WARNINGS, days=str(after.warned))
    known = {entry.id for entry in before.outbox} if before else set()
    new = [entry for entry in after.outbox if entry.id not in known]
    runs = [RotationRecord.model_validate(entry.body) for entry in new if entry.kind == "rotation"]
    for run in runs:
        telemetry.count(Metric.ROTATIONS, outcome=run.outcome.value, method=method, trigger=run.trigger.value)
        seconds = _seconds(run.started_at, run.finished_at)
        telemetry.record(Metric.ROTATION_DURATION, seconds, outcome=run.outcome.value, method=method)
    for entry in new:
        if entry.kind == "audit":
            _log(entry, after, runs[0].rotation_id if runs else None)


def _state(row: Row | None) -> str | None:
    """None while nobody sees the connection."""
    return row.connection.status.state.value if row and row.lifecycle is Lifecycle.ACTIVE else None


def _seconds(started: datetime, finished: datetime) -> float:
    return (finished - started).total_seconds()


def _log(line: OutboxEntry, row: Row, rotation_id: str | None) -> None:
    of_a_run = line.body["action"] == "rotation.run"
    begun = row.run.id if row.run is not None and line.body["action"] == "connection.rotate" else None
    log.info(
        "outcome action=%s outcome=%s requestId=%s orgId=%s connectionId=%s rotationId=%s",
        line.body["action"], line.body["outcome"], line.body["requestId"] or current_request_id() or "-",
        row.org_id, row.id, (rotation_id if of_a_run else begun) or "-",
    )  # fmt: skip
