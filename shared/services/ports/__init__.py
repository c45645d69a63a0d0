"""What the use cases need from the outside world, shaped by intent.

Every method may raise `UpstreamError` or one of its kinds; an `UpstreamTimeout` says that the call may have acted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from shared.services.ports.claims import Claim, ClaimTable
from shared.services.ports.connections import ConnectionTable, Listed, Page, Stored
from shared.services.ports.due import DueRow, DueTable, Pace
from shared.services.ports.entra import AppAuthority, AppToken, Audience, Authorization, Entra, Grant
from shared.services.ports.events import EventTopic
from shared.services.ports.flows import Attempt, FlowTable, Link
from shared.services.ports.graph import Graph, GraphSession, ListedPassword, NewPassword, Registration
from shared.services.ports.projects import ProjectTable
from shared.services.ports.queue import Release, Work, WorkQueue
from shared.services.ports.records import AuditTrail, RecordPage, RotationHistory
from shared.services.ports.telemetry import Telemetry
from shared.services.ports.vault import StoredVersion, Vault
from shared.services.ports.vault_probe import VaultProbe

Clock = Callable[[], datetime]
"""Now, in UTC."""

__all__ = [
    "AppAuthority",
    "AppToken",
    "Attempt",
    "Audience",
    "AuditTrail",
    "Authorization",
    "Claim",
    "ClaimTable",
    "Clock",
    "ConnectionTable",
    "DueRow",
    "DueTable",
    "Entra",
    "EventTopic",
    "FlowTable",
    "Grant",
    "Graph",
    "GraphSession",
    "Link",
    "Listed",
    "ListedPassword",
    "NewPassword",
    "Pace",
    "Page",
    "ProjectTable",
    "RecordPage",
    "Registration",
    "Release",
    "RotationHistory",
    "Stored",
    "StoredVersion",
    "Telemetry",
    "Vault",
    "VaultProbe",
    "Work",
    "WorkQueue",
]
