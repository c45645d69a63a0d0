"""Partition and row keys, in one place.

Forbidden in keys are `/ \\ # ?` and control characters
(https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model). Everything that goes
into a key was validated to a narrower alphabet before; `safe` is the fence behind that.

`!` sorts before `-`, letters and digits, so that names order as people expect: `a`, `a-1`, `a-b`, `ab`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from shared.domain.connection import DueHint, Row
from shared.domain.quota import Cost, Lane

CONNECTIONS = "connections"
DUE = "due"
FLOWS = "oauthflows"
CLAIMS = "claims"
ROTATIONS = "rotations"
AUDIT_LOGS = "auditlogs"
TABLES = (CONNECTIONS, DUE, FLOWS, CLAIMS, ROTATIONS, AUDIT_LOGS)

AFTER_BANG = '"'
"""The character after `!`: the open end of a range of keys that share a prefix."""

MILLISECOND = timedelta(milliseconds=1)
END = datetime(1970, 1, 1, tzinfo=UTC) + 10**14 * MILLISECOND
"""In the year 5138; what is left until then always has 14 digits."""

_SAFE = re.compile(r"[0-9A-Za-z._-]{1,128}")
_MONTH = re.compile(r"[0-9]{6}")
_PLACE = re.compile(r"[0-9]{14}(![0-9A-Za-z._-]{1,128})?")


def safe(part: str) -> str:
    """`part`, or `ValueError` where it could break out of its place in a key."""
    if not _SAFE.fullmatch(part):
        raise ValueError("not fit for a table key")
    return part


def connection(connection_id: str) -> str:
    """The truth about a connection."""
    return f"c!{safe(connection_id)}"


def connection_range() -> tuple[str, str]:
    """The half-open range of row keys of all connections of an organisation."""
    return "c!", f"c{AFTER_BANG}"


def project(project_id: str) -> str:
    """A project."""
    return f"j!{safe(project_id)}"


def slug(project_slug: str) -> str:
    """The uniqueness of a project's slug."""
    return f"s!{safe(project_slug)}"


def unique_name(name: str, project_id: str | None) -> str:
    """The uniqueness of a connection's name in its scope; in this order, the organisation's whole list."""
    return f"n!{safe(name)}!{_scope(project_id)}"


def names(row: Row) -> tuple[str, str]:
    """The rows that make a connection's name unique in its scope and findable in order, one of no project included."""
    name, project_id = row.connection.name, row.connection.project_id
    return unique_name(name, project_id), f"p!{_scope(project_id)}!{safe(name)}"


def idempotency(key: str) -> str:
    """The connection that was created under an idempotency key."""
    return f"i!{safe(key)}"


def name_range(project_id: str | None) -> tuple[str, str]:
    """The half-open range of row keys that a list reads: one project's, or the whole organisation's."""
    return scope_range(project_id) if project_id else ("n!", f"n{AFTER_BANG}")


def scope_range(project_id: str | None) -> tuple[str, str]:
    """The half-open range of row keys of one scope's list: one project's, or those of no project."""
    prefix = f"p!{_scope(project_id)}"
    return f"{prefix}!", f"{prefix}{AFTER_BANG}"


def _scope(project_id: str | None) -> str:
    return safe(project_id) if project_id else ""


def due(org_id: str, connection_id: str, hint: DueHint) -> tuple[str, str]:
    """Partition (lane and UTC minute) and row key of a due row.

    In key order, what is due first comes first; where a quota may be short, within its minute and tenant, so that a
    reader can step over the rest of a tenant. A tick reads whole partitions: were they hours, it would go through all
    that is due later in the hour.
    """
    row = f"{hint.at:%S}!{safe(org_id)}!{safe(connection_id)}!{safe(hint.nonce)}"
    lane = hint.cost.lane if hint.cost else Lane.REST
    return lane + minute(hint.at), row if lane is Lane.REST or hint.cost is None else f"{_payer(hint.cost)}!{row}"


def due_minutes(lane: Lane, now: datetime) -> tuple[str, str]:
    """The first and the last partition of a lane in which anything can be due by `now`."""
    return f"{lane.value}0", lane + minute(now)


def after_payer(cost: Cost) -> str:
    """The row key below which, in a partition, everything of that tenant stands."""
    return f"{_payer(cost)}{AFTER_BANG}"


def _payer(cost: Cost) -> str:
    return safe(cost.tenant_id) if cost.tenant_id else "-"


def minute(moment: datetime) -> str:
    """The minute that a due row stands under."""
    return f"{moment:%Y%m%d%H%M}"


PACE = ("pace", "pace")
"""In table `due`, beside the lanes: until when the quotas are given away."""


def history(org_id: str, connection_id: str) -> str:
    """The partition of a connection's rotation history."""
    return f"{safe(org_id)}!{safe(connection_id)}"


def audit_month(org_id: str, moment: datetime) -> str:
    """The partition of what an organisation did in one UTC month."""
    return f"{safe(org_id)}!{moment.astimezone(UTC):%Y%m}"


def audit_connection(org_id: str, connection_id: str) -> str:
    """The partition of what happened to one connection. Raises `ValueError` for an id that could be read as a month."""
    if _MONTH.fullmatch(connection_id):
        raise ValueError("not fit for a connection id")
    return f"{safe(org_id)}!{safe(connection_id)}"


def newest_first(moment: datetime, record_id: str) -> str:
    """A row key that sorts the newest first: the milliseconds that are left until `END`, then the record's id."""
    return f"{_left(moment):014d}!{safe(record_id)}"


def older_than(moment: datetime) -> str:
    """The place among keys that sort the newest first after which those begin that are older than `moment`."""
    return f"{min(max(_left(moment) + 1, 0), 10**14 - 1):014d}"


def safe_place(text: str) -> str:
    """`text`, or `ValueError` where it is no place among keys that sort the newest first."""
    if not _PLACE.fullmatch(text):
        raise ValueError("not a place in a list of records")
    return text


def moment_at(place: str) -> datetime:
    """The time of the newest record that can follow `place`."""
    return END - int(place[:14]) * MILLISECOND


def _left(moment: datetime) -> int:
    return (END - moment) // MILLISECOND
