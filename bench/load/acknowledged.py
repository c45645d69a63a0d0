"""Does what a caller was told stand in the end? Changes that were answered 200, and rotations that were accepted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.load.evidence import Evidence
from bench.load.ledger import Change, Ledger, Wish

WRITING = timedelta(seconds=5)
"""A run's end may be stamped so long before its row is written, with retries, and serves requests until then."""

LEFT_OUT: dict[str, Any] = {"description": None, "isAutoRotationEnabled": False, "rotation": None}
"""What a creation sets that does not say."""


def check_changes(ledger: Ledger, found: Evidence) -> Iterator[str]:
    """Fields that show a value which a later, acknowledged change has replaced."""
    for wish in ledger.wishes:
        shown = found.shown.get(wish.name)
        if shown is None or shown.connection is None:
            continue
        seen = _shown(shown.connection)
        for name in sorted(seen):
            if seen[name] not in (allowed := _allowed(wish, name)):
                yield f"{wish.name} ({wish.id}): {name} is {seen[name]!r}, and should be {_either(allowed)}"


def check_requests(ledger: Ledger, found: Evidence) -> Iterator[str]:
    """Accepted requests to rotate after which no run of that connection ended."""
    for wish in ledger.wishes:
        shown = found.shown.get(wish.name)
        if not wish.rotations or shown is None or shown.connection is None:
            continue
        ends = (datetime.fromisoformat(run["finishedAt"]) for run in shown.runs)
        newest = max(ends, default=datetime.min.replace(tzinfo=UTC))
        lost = sum(newest < asked - WRITING for asked in wish.rotations)
        if lost:
            yield f"{wish.name} ({wish.id}): {lost} accepted requests to rotate, and no run ended since"


def _shown(connection: dict[str, Any]) -> dict[str, object]:
    rotation = connection["rotation"] or {}
    return {
        "description": connection["description"],
        "isAutoRotationEnabled": connection["isAutoRotationEnabled"],
        "rotationInterval": rotation.get("rotationInterval"),
    }


def _allowed(wish: Wish, name: str) -> list[object]:
    """Every value that some order of the requests leaves, those without a clear answer done or not.

    Only a change that began when another had ended, and was acknowledged, replaces that one for certain.
    """
    created = Change(LEFT_OUT | wish.body, -math.inf, -math.inf, acknowledged=True)
    changes = [change for change in (created, *wish.changes) if name in _set_by(change.values)]
    newest = max(change.begun for change in changes if change.acknowledged)
    return [_set_by(change.values)[name] for change in changes if change.ended >= newest]


def _set_by(body: dict[str, Any]) -> dict[str, object]:
    """The fields that a request's body sets, named as `_shown` does."""
    fields: dict[str, object] = {name: body[name] for name in ("description", "isAutoRotationEnabled") if name in body}
    if "rotation" in body:
        fields["rotationInterval"] = (body["rotation"] or {}).get("rotationInterval")
    return fields


def _either(values: list[object]) -> str:
    return " or ".join(sorted({repr(value) for value in values}))
