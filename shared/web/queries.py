"""What callers ask for in a query string. Query values are text, so numbers and times are parsed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from shared.web.fields import Body, Strict, Uuid

Cursor = Annotated[str, StringConstraints(max_length=512), Field(json_schema_extra={"pattern": r"^[\w-]+$"})]
Limit = Annotated[int, Field(ge=1, le=1000)]
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[Tt ].*)?", re.ASCII)


def _dated(text: str) -> str:
    """A number is no moment here, though pydantic would count it from 1970."""
    if not _DATE.fullmatch(text):
        raise ValueError("Must be a date and time as in ISO 8601, for example 2026-03-01T10:00:00Z")
    return text


def _utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("Must be within the years 1 to 9999 in UTC") from None


Moment = Annotated[
    datetime,
    BeforeValidator(_dated),
    AfterValidator(_utc),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A date without a time is its midnight; a time without an offset is UTC."""


class ListQuery(Body):
    """A page of connections."""

    project_id: Uuid | None = None
    limit: Limit = 1000
    cursor: Cursor | None = None


class ScopeQuery(Body):
    """Which scope a name is looked for in."""

    project_id: Uuid | None = None


class RotateQuery(Strict):
    """Whether to rotate, or only to tell what that would do: a misspelled `dryRun` must not rotate."""

    dry_run: bool = False


class PageQuery(Body):
    """A page of records."""

    limit: Limit = 100
    cursor: Cursor | None = None


class AuditQuery(PageQuery):
    """A page of the audit log: of one connection, or of all; `from` is included, `to` is not."""

    connection_id: Uuid | None = None
    from_: Moment | None = Field(default=None, alias="from")
    to: Moment | None = None
