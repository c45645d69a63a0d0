"""What the functions need, built once per process by `shared.bootstrap`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.services.advance import Advance
from shared.services.auditing import Auditing
from shared.services.background import Background
from shared.services.checking import Checking
from shared.services.connect_links import ConnectLinks
from shared.services.connections import Connections
from shared.services.creating import Creating
from shared.services.dispatch import Dispatch
from shared.services.oauth_flow import OAuthFlow
from shared.services.ports import Clock, Telemetry
from shared.services.projects import Projects
from shared.services.proving import Proving
from shared.services.tokens import Tokens
from shared.services.updating import Updating
from shared.services.upkeep import Upkeep
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.web.auth import BearerAuth

Check = Callable[[], Awaitable[None]]
"""Raises when a system that the product needs cannot be used."""


@dataclass(frozen=True, slots=True)
class Application:
    """The use cases, the way in, and the checks of readiness by name."""

    settings: Settings
    auth: BearerAuth
    clock: Clock
    connections: Connections
    creating: Creating
    updating: Updating
    proving: Proving
    links: ConnectLinks
    oauth: OAuthFlow
    projects: Projects
    tokens: Tokens
    checking: Checking
    auditing: Auditing
    advance: Advance
    background: Background
    dispatch: Dispatch
    upkeep: Upkeep
    telemetry: Telemetry
    checks: dict[str, Check]
