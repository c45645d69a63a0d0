"""Who calls, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.errors import PermissionDenied


class Permission(StrEnum):
    """The app roles. Their values are frozen: customers assign them."""

    READ = "AppConnections.Read"
    CREATE = "AppConnections.Create"
    EDIT = "AppConnections.Edit"
    DELETE = "AppConnections.Delete"
    CONNECT = "AppConnections.Connect"
    ROTATE = "AppConnections.Rotate"
    AUDIT = "AppConnections.Audit"
    PROJECTS = "Projects.Manage"

    @property
    def action(self) -> str:
        """The verb that a refusal names."""
        return "manage projects" if self is Permission.PROJECTS else self.value.partition(".")[2].lower()


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal behind a verified bearer token. The organisation is its Entra tenant."""

    org_id: str
    object_id: str
    app_id: str | None = None
    name: str | None = None
    roles: frozenset[str] = frozenset()
    address: str | None = None
    """Where the request came from, as the platform's front end saw it."""
    request_id: str | None = None

    def require(self, permission: Permission) -> None:
        """Raise `PermissionDenied` unless one of the caller's app roles is `permission`."""
        if permission.value not in self.roles:
            subject = "" if permission is Permission.PROJECTS else " on app-connections"
            raise PermissionDenied(f"You are not allowed to {permission.action}{subject}", permission.value)
