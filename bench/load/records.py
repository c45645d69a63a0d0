"""Is everything on record, and once? What callers were told, the history, the audit log and the events must agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bench.load.evidence import Evidence
from bench.load.ledger import Ledger


def check_records(ledger: Ledger, found: Evidence) -> Iterator[str]:
    """What is missing, or there twice."""
    yield from _lives(ledger, found)
    yield from _rotations(found)


def _lives(ledger: Ledger, found: Evidence) -> Iterator[str]:
    """Each answered creation and deletion has one line in the audit log, and one event."""
    lines = Counter(
        (str(line["action"]), str(line["connectionId"])) for line in found.audit if line["outcome"] == "success"
    )
    events = Counter(kind_and_id for kind_and_id, _ in _distinct(found))
    for wish in ledger.wishes:
        happened = {"create": wish.made, "delete": wish.deleted}
        for what, did in happened.items():
            written = lines[f"connection.{what}", str(wish.id)]
            if did and written != 1:
                yield f"{wish.name} ({wish.id}): {written} audit lines of its {what}"
            if did and (told := events[f"connection.{what}d", str(wish.id)]) != 1:
                yield f"{wish.name} ({wish.id}): {told} events of its {what}"


def _rotations(found: Evidence) -> Iterator[str]:
    """Each success has one record, one audit line and one event, and the connection shows the newest."""
    lines = Counter(
        line["connectionId"] for line in found.audit if (line["action"], line["outcome"]) == ("rotation.run", "success")
    )
    events = Counter(connection_id for (kind, connection_id), _ in _distinct(found) if kind == "rotation.succeeded")
    for name, shown in found.shown.items():
        if shown.connection is None:
            continue
        connection_id, rotation = shown.connection["id"], shown.connection["rotation"]
        succeeded = [run for run in shown.runs if run["outcome"] == "success"]
        twice = [run for run, number in Counter(run["rotationId"] for run in shown.runs).items() if number > 1]
        counts = (len(succeeded), lines[connection_id], events[connection_id])
        if len(set(counts)) > 1:
            yield (
                f"{name} ({connection_id}): the history has {counts[0]} rotations, the audit log {counts[1]}, "
                f"the topic {counts[2]}"
            )
        yield from (f"{name} ({connection_id}): rotation {run} has more than one record" for run in twice)
        newest = max((run["finishedAt"] for run in succeeded), default=None)
        if rotation is not None and rotation["lastRotatedAt"] != newest:
            yield f"{name} ({connection_id}): rotated {rotation['lastRotatedAt']}, the newest record says {newest}"


def _distinct(found: Evidence) -> set[tuple[tuple[str, str], str]]:
    """Kind and connection of each event, with its id: sent again under the same id, it is the same."""
    return {((event["type"], event["data"]["connectionId"]), event["id"]) for event in found.events}
