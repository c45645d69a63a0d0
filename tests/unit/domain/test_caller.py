"""Who may do what."""

from __future__ import annotations

import pytest

from shared.domain.caller import Caller, Permission
from shared.domain.errors import PermissionDenied

FROZEN = {
    Permission.READ: ("AppConnections.Read", "You are not allowed to read on app-connections"),
    Permission.CREATE: ("AppConnections.Create", "You are not allowed to create on app-connections"),
    Permission.EDIT: ("AppConnections.Edit", "You are not allowed to edit on app-connections"),
    Permission.DELETE: ("AppConnections.Delete", "You are not allowed to delete on app-connections"),
    Permission.CONNECT: ("AppConnections.Connect", "You are not allowed to connect on app-connections"),
    Permission.ROTATE: ("AppConnections.Rotate", "You are not allowed to rotate on app-connections"),
    Permission.AUDIT: ("AppConnections.Audit", "You are not allowed to audit on app-connections"),
    Permission.PROJECTS: ("Projects.Manage", "You are not allowed to manage projects"),
}


def caller(*roles: str) -> Caller:
    return Caller(org_id="an-org", object_id="somebody", roles=frozenset(roles))


def test_every_permission_has_its_frozen_role() -> None:
    assert {permission: permission.value for permission in Permission} == {
        permission: role for permission, (role, _) in FROZEN.items()
    }


@pytest.mark.parametrize("permission", list(Permission))
def test_exactly_its_own_role_grants_a_permission(permission: Permission) -> None:
    caller(permission.value).require(permission)
    others = [other.value for other in Permission if other is not permission]
    with pytest.raises(PermissionDenied) as refused:
        caller(*others).require(permission)
    assert refused.value.message == FROZEN[permission][1]
    assert refused.value.details == {"requiredRole": permission.value}


def test_no_role_grants_nothing_and_case_matters() -> None:
    for one in (caller(), caller("appconnections.read")):
        with pytest.raises(PermissionDenied):
            one.require(Permission.READ)
