"""The composition root: builds everything once per process, at the first request. The one module that knows everyone.

Nothing here touches the network, and the heavy SDK imports wait until something is built: a cold start pays for what it
uses. Tests hand their own parts in by keyword.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from shared.domain.model import to_utc_millis
from shared.domain.owed import Action
from shared.services.advance import Advance, Step
from shared.services.connections import Connections
from shared.services.dispatch import Dispatch
from shared.services.grants import GrantRotation
from shared.services.housekeeping import Housekeeping
from shared.services.oauth_flow import OAuthFlow
from shared.services.ports import Clock, ConnectionTable, DueTable, Entra, FlowTable, ProjectTable, Records, Vault
from shared.services.projects import Projects
from shared.services.rows import Rows
from shared.settings import Settings
from shared.web.application import Application, Check
from shared.web.auth import BearerAuth


def utc_now() -> datetime:
    """The clock of production, in the precision that rows keep: what was just written equals what is read."""
    return to_utc_millis(datetime.now(UTC))


@lru_cache(maxsize=1)
def application() -> Application:
    """The application of this process, from its environment. Raises `SettingsError`."""
    from shared.adapters.azure import azure_adapters  # noqa: PLC0415 -- the SDKs' imports are most of a cold start

    settings = Settings.from_environment()
    return build(settings, **azure_adapters(settings, utc_now))


def build(  # every part by keyword, so that a test replaces what it wants
    settings: Settings,
    *,
    connections: ConnectionTable,
    projects: ProjectTable,
    due: DueTable,
    flows: FlowTable,
    records: Records,
    vault: Vault,
    entra: Entra,
    clock: Clock = utc_now,
    auth: BearerAuth | None = None,
    checks: Mapping[str, Check] | None = None,
) -> Application:
    """The use cases over the given parts."""
    rows = Rows(connections=connections, due=due, clock=clock)
    unit = settings.interval_unit
    housekeeping = Housekeeping(rows=rows, vault=vault, records=records, clock=clock)
    grants = GrantRotation(rows=rows, vault=vault, entra=entra, clock=clock, unit=unit)
    steps: dict[Action, Step] = {
        Action.CLEAN_UP_RESERVATION: housekeeping.clean_up_reservation,
        Action.PURGE: housekeeping.purge,
        Action.SETTLE: housekeeping.settle,
        Action.ROTATE: grants.rotate,
    }
    advance = Advance(rows=rows, steps=steps, clock=clock, unit=unit)
    use_cases = Connections(
        rows=rows, table=connections, projects=projects, vault=vault, advance=advance, clock=clock, unit=unit
    )
    oauth = OAuthFlow(
        flows=flows,
        rows=rows,
        connections=use_cases,
        projects=projects,
        entra=entra,
        clock=clock,
        redirect_uri=settings.redirect_uri,
        form_post=settings.secure_browser,
    )
    return Application(
        settings=settings,
        auth=auth
        or BearerAuth(
            authority=settings.authority,
            audience=settings.api_audience,
            allowed_tenants=settings.allowed_tenants,
            ca_file=settings.ca_file,
        ),
        connections=use_cases,
        oauth=oauth,
        projects=Projects(table=projects, clock=clock),
        advance=advance,
        dispatch=Dispatch(rows=rows, due=due, clock=clock),
        checks=dict(checks or {}),
    )
