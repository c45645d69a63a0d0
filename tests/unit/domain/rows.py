"""Rows to begin a test with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.domain import creation
from shared.domain.connection import Row
from shared.domain.creation import NewConnection, Proof, RotationPlan
from shared.domain.credential import Method
from shared.domain.project import Project
from shared.domain.schedule import IntervalUnit, RotateAt

NOW = datetime(2026, 1, 10, 10, 0, tzinfo=UTC)
AT_THREE = RotateAt(hours=3, minutes=0)
PROOF = Proof(
    public={"tenantId": "11111111-1111-4111-8111-111111111111"},
    submitted={"tenantId": "11111111-1111-4111-8111-111111111111", "accountId": "an-account"},
    secret='{"refreshToken":"a-secret"}',
    account_id="an-account",
)
FIRST_VERSION = "https://vault.example/secrets/conn-1/first"
SECOND_VERSION = "https://vault.example/secrets/conn-1/second"


def reserved(*, project: Project | None = None, enabled: bool = True, planned: bool = True, **changes: Any) -> Row:
    """A connection that is being created; by default with rotation each 30 days at 03:00."""
    new = NewConnection(
        name="payments",
        method=Method.OAUTH,
        project_id=project.id if project else None,
        is_auto_rotation_enabled=enabled,
        rotation=RotationPlan(rotation_interval=30, rotate_at_utc=AT_THREE) if planned else None,
    )
    row = creation.reserved(
        new, org_id="an-org", connection_id="a-connection", project=project, salt="0123456789abcdef", now=NOW
    )
    return row.having(**changes)


def active(*, enabled: bool = True, planned: bool = True, repeated: bool = False, **changes: Any) -> Row:
    """A connection that works."""
    row = reserved(enabled=enabled, planned=planned)
    return creation.activated(row, PROOF, FIRST_VERSION, repeated=repeated, now=NOW, unit=IntervalUnit.DAYS).having(
        **changes
    )


def a_project(*callers: str) -> Project:
    """A project of the same organisation."""
    return Project(
        id="a-project",
        name="Payments",
        type="secret-manager",
        slug="payments",
        org_id="an-org",
        callers=callers,
        created_at=NOW,
    )
