"""What the use cases need from the outside world, shaped by intent.

Every method may raise `UpstreamError` or one of its kinds; an `UpstreamTimeout` says that the call may have acted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from shared.services.ports.connections import ConnectionTable, Listed, Page, Stored
from shared.services.ports.due import DueRow, DueTable
from shared.services.ports.entra import AppAuthority, AppToken, Authorization, Entra, Grant
from shared.services.ports.flows import Attempt, FlowTable, Link
from shared.services.ports.projects import ProjectTable
from shared.services.ports.records import AuditTrail, RecordPage, RotationHistory
from shared.services.ports.vault import StoredVersion, Vault

Clock = Callable[[], datetime]
"""Now, in UTC."""

__all__ = [
    "AppAuthority",
    "AppToken",
    "Attempt",
    "AuditTrail",
    "Authorization",
    "Clock",
    "ConnectionTable",
    "DueRow",
    "DueTable",
    "Entra",
    "FlowTable",
    "Grant",
    "Link",
    "Listed",
    "Page",
    "ProjectTable",
    "RecordPage",
    "RotationHistory",
    "Stored",
    "StoredVersion",
    "Vault",
]
