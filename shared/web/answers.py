"""What callers are answered, apart from errors."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shared.domain.audit import AuditLog
from shared.domain.connection import Connection, Health
from shared.domain.credential import Method
from shared.domain.forecast import Forecast
from shared.domain.model import Instant, Record
from shared.domain.project import Project
from shared.domain.rotation import RotationRecord
from shared.services.connect_links import FlowState


def _absent(value: object) -> bool:
    return value is None


class Paged(Record):
    """Part of a list; without `nextCursor` it is the last one."""

    next_cursor: str | None = Field(default=None, exclude_if=_absent)


class ConnectionAnswer(Record):
    """One connection."""

    app_connection: Connection


class RotateAnswer(ConnectionAnswer):
    """The connection whose rotation begins; for a dry run, what a rotation would do."""

    plan: Forecast | None = Field(default=None, exclude_if=_absent)


class TokenAnswer(Record):
    """A Key Vault token with at least five minutes to live."""

    access_token: str = Field(repr=False)
    token_type: Literal["Bearer"] = "Bearer"
    expires_at: Instant


class CheckAnswer(Record):
    """How a connection stands, tried just now."""

    status: Health
    checked_at: Instant
    message: str | None = Field(default=None, exclude_if=_absent)
    can_list_secrets: bool | None = Field(default=None, exclude_if=_absent)


class ConnectionList(Paged):
    """Connections ordered by name."""

    app_connections: list[Connection]


class AvailableConnection(Record):
    """What somebody who may only use connections sees of one."""

    app: Literal["azure-key-vault"] = "azure-key-vault"
    name: str
    id: str
    project_id: str | None = Field(default=None, exclude_if=_absent)
    org_id: str


class AvailableList(Paged):
    """Connections that can be used in a scope, ordered by name."""

    app_connections: list[AvailableConnection]


class AppConnectionOption(Record):
    """One kind of connection that this service makes."""

    name: Literal["Azure Key Vault"] = "Azure Key Vault"
    app: Literal["azure-key-vault"] = "azure-key-vault"
    methods: list[Method]
    oauth_client_id: str


class OptionList(Record):
    """Every kind of connection."""

    app_connection_options: list[AppConnectionOption]


class AuthorizeAnswer(Record):
    """A connect link, and where to ask how it went."""

    connect_url: str
    connection_id: str
    flow_id: str
    expires_at: Instant


class FlowAnswer(Record):
    """How a connect link stands."""

    flow_id: str
    connection_id: str
    state: FlowState
    message: str | None = None
    expires_at: Instant


class RotationList(Paged):
    """Finished rotation runs, newest first."""

    rotations: list[RotationRecord]


class AuditLogList(Paged):
    """Audit lines, newest first."""

    audit_logs: list[AuditLog]


class ProjectAnswer(Record):
    """One project."""

    project: Project


class ProjectList(Record):
    """Every project of the organisation, ordered by name."""

    projects: list[Project]


class Problem(Record):
    """One rule that the input breaks."""

    code: str
    path: list[str | int]
    message: str


class ErrorEnvelope(Record):
    """Every error. `message` is a list of problems for 422, else a text."""

    req_id: str
    status_code: int
    message: str | list[Problem]
    error: str
    details: Any = Field(default=None, exclude_if=_absent)
