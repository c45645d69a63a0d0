"""Partition and row keys, in one place.

Forbidden in keys are `/ \\ # ?` and control characters
(https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model). Everything that goes
into a key was validated to a narrower alphabet before; `safe` is the fence behind that.

`!` sorts before `-`, letters and digits, so that names order as people expect: `a`, `a-1`, `a-b`, `ab`.
"""

from __future__ import annotations

import re
from datetime import datetime

from shared.domain.connection import DueHint, Row

CONNECTIONS = "connections"
DUE = "due"
FLOWS = "oauthflows"
CLAIMS = "claims"
ROTATIONS = "rotations"
AUDIT_LOGS = "auditlogs"
TABLES = (CONNECTIONS, DUE, FLOWS, CLAIMS, ROTATIONS, AUDIT_LOGS)

AFTER_BANG = '"'
"""The character after `!`: the open end of a range of keys that share a prefix."""

_SAFE = re.compile(r"[0-9A-Za-z._-]{1,128}")


def safe(part: str) -> str:
    """`part`, or `ValueError` where it could break out of its place in a key."""
    if not _SAFE.fullmatch(part):
        raise ValueError("not fit for a table key")
    return part


def connection(connection_id: str) -> str:
    """The truth about a connection."""
    return f"c!{safe(connection_id)}"


def project(project_id: str) -> str:
    """A project."""
    return f"j!{safe(project_id)}"


def slug(project_slug: str) -> str:
    """The uniqueness of a project's slug."""
    return f"s!{safe(project_slug)}"


def names(row: Row) -> list[str]:
    """The rows that make a connection's name unique in its scope and findable in order."""
    name, scope = safe(row.connection.name), row.connection.project_id
    unique = f"n!{name}!{safe(scope) if scope else ''}"
    return [unique, f"p!{safe(scope)}!{name}"] if scope else [unique]


def name_range(project_id: str | None) -> tuple[str, str]:
    """The half-open range of row keys that a list reads."""
    prefix = f"p!{safe(project_id)}" if project_id else "n"
    return f"{prefix}!", f"{prefix}{AFTER_BANG}"


def due(org_id: str, connection_id: str, hint: DueHint) -> tuple[str, str]:
    """Partition (UTC hour) and row key of a due row: in key order, what is due first comes first."""
    return hour(hint.at), f"{hint.at:%M%S}!{safe(org_id)}!{safe(connection_id)}!{safe(hint.nonce)}"


def hour(moment: datetime) -> str:
    """The partition of table `due`."""
    return f"{moment:%Y%m%d%H}"


def newest_first(moment: datetime, record_id: str) -> str:
    """A row key that sorts the newest first; milliseconds since 1970, inverted."""
    millis = int(moment.timestamp() * 1000)
    return f"{10**14 - millis:014d}!{safe(record_id)}"
