"""The composition root: builds everything once per process, at the first request. The one module that knows everyone.

Nothing here touches the network, and the heavy SDK imports wait until something is built: a cold start pays for what it
uses. Tests hand their own parts in by keyword.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from shared.domain.credential import Method
from shared.domain.model import to_utc_millis
from shared.domain.owed import Action
from shared.services.advance import Advance, Step
from shared.services.auditing import Auditing
from shared.services.background import Background
from shared.services.checking import Checking
from shared.services.connect_links import ConnectLinks
from shared.services.connections import Connections
from shared.services.creating import Creating
from shared.services.dispatch import Dispatch
from shared.services.enrolment import Claims, Enrolment
from shared.services.grants import GrantExchange, GrantRotation
from shared.services.housekeeping import Housekeeping
from shared.services.keep_alive import KeepAlive
from shared.services.oauth_flow import OAuthFlow
from shared.services.passwords import PasswordRotation
from shared.services.ports import (
    AppAuthority,
    AuditTrail,
    ClaimTable,
    Clock,
    ConnectionTable,
    DueTable,
    Entra,
    EventTopic,
    FlowTable,
    Graph,
    ProjectTable,
    RotationHistory,
    Stored,
    Telemetry,
    Vault,
    VaultProbe,
    WorkQueue,
)
from shared.services.projects import Projects
from shared.services.proving import Proving
from shared.services.publishing import Publishing
from shared.services.reconnecting import Reconnecting
from shared.services.revocation import Revocation
from shared.services.rows import Rows
from shared.services.signing_in import SigningIn
from shared.services.telemetry import NoTelemetry, observed
from shared.services.tokens import Tokens
from shared.services.updating import Updating
from shared.services.upkeep import Upkeep
from shared.services.using import Using
from shared.settings import Settings
from shared.web.application import Application, Check

if TYPE_CHECKING:
    from shared.web.auth import BearerAuth


def utc_now() -> datetime:
    """The clock of production, in the precision that rows keep: what was just written equals what is read."""
    return to_utc_millis(datetime.now(UTC))


def clock_ahead(ahead: timedelta) -> Clock:
    """The clock of production, or one that is `ahead` of it or behind."""
    return (lambda: utc_now() + ahead) if ahead else utc_now


@lru_cache(maxsize=1)
def application() -> Application:
    """The application of this process, from its environment. Raises `SettingsError`."""
    from shared.adapters.azure import azure_adapters  # noqa: PLC0415 -- the SDKs' imports are most of a cold start

    logging.getLogger("azure").setLevel(logging.WARNING)  # else the SDKs tell of every request; the worker logs INFO
    settings = Settings.from_environment()
    clock = clock_ahead(settings.clock_ahead)
    return build(settings, **azure_adapters(settings, clock))


def build(  # every part by keyword, so that a test replaces what it wants
    settings: Settings,
    *,
    connections: ConnectionTable,
    projects: ProjectTable,
    due: DueTable,
    queue: WorkQueue,
    flows: FlowTable,
    history: RotationHistory,
    audit: AuditTrail,
    vault: Vault,
    entra: Entra,
    apps: AppAuthority,
    graph: Graph,
    claims: ClaimTable,
    probe: VaultProbe,
    topic: EventTopic | None = None,
    telemetry: Telemetry | None = None,
    clock: Clock = utc_now,
    auth: BearerAuth | None = None,
    checks: Mapping[str, Check] | None = None,
) -> Application:
    """The use cases over the given parts."""
    from shared.web.auth import BearerAuth  # noqa: PLC0415 -- and with it the JWT library and cryptography

    unit = settings.interval_unit
    telemetry = telemetry or NoTelemetry()
    vault = observed(vault, "key-vault", telemetry)
    entra = observed(entra, "entra", telemetry)
    apps = observed(apps, "entra", telemetry)
    graph = observed(graph, "graph", telemetry)
    connections = observed(connections, "table connections", telemetry)
    due = observed(due, "table due", telemetry)
    history = observed(history, "table rotations", telemetry)
    audit = observed(audit, "table auditlogs", telemetry)
    claims = observed(claims, "table claims", telemetry)
    queue = observed(queue, "queue work", telemetry)
    flows = observed(flows, "table oauthflows", telemetry)
    topic = observed(topic, "event-grid", telemetry) if topic else None
    rows = Rows(connections=connections, due=due, clock=clock, telemetry=telemetry, events=topic is not None)
    held = Claims(table=claims, rows=rows, clock=clock, own_apps=settings.own_apps)
    passwords = PasswordRotation(
        rows=rows,
        vault=vault,
        apps=apps,
        graph=graph,
        claims=held,
        clock=clock,
        unit=unit,
        lease=settings.lease,
    )
    revocation = Revocation(rows=rows, vault=vault, graph=graph, clock=clock)
    exchange = GrantExchange(vault=vault, entra=entra, clock=clock)
    advance = Advance(
        rows=rows,
        steps=_steps(
            housekeeping=Housekeeping(rows=rows, vault=vault, history=history, audit=audit, claims=held, clock=clock),
            grants=GrantRotation(
                rows=rows, vault=vault, exchange=exchange, clock=clock, unit=unit, lease=settings.lease
            ),
            keep_alive=KeepAlive(rows=rows, vault=vault, exchange=exchange, clock=clock, lease=settings.lease),
            passwords=passwords,
            revocation=revocation,
            publishing=Publishing(rows=rows, topic=topic),
        ),
        clock=clock,
        unit=unit,
        telemetry=telemetry,
    )
    background = Background(advance)
    auditing = Auditing(trail=audit, clock=clock)
    proving = Proving(
        entra=entra,
        apps=apps,
        enrolment=Enrolment(claims=held, graph=graph),
        vault=vault,
        clock=clock,
        redirect_uri=settings.redirect_uri,
    )
    reading = Connections(
        rows=rows,
        table=connections,
        projects=projects,
        history=history,
        background=background,
        clock=clock,
        unit=unit,
    )
    creating = Creating(
        rows=rows, table=connections, vault=vault, advance=advance, background=background, clock=clock, unit=unit
    )
    probe = observed(probe, "customer-vault", telemetry)
    use = Using(rows=rows, sign_in=SigningIn(vault=vault, entra=entra, apps=apps), clock=clock)
    tokens = Tokens(connections=reading, use=use, auditing=auditing, clock=clock, telemetry=telemetry)
    rows.watch(tokens.note)
    return Application(
        settings=settings,
        auth=auth
        or BearerAuth(
            authority=settings.authority,
            audience=settings.api_audience,
            allowed_tenants=settings.allowed_tenants,
            ca_file=settings.ca_file,
        ),
        clock=clock,
        connections=reading,
        creating=creating,
        updating=Updating(
            connections=reading,
            rows=rows,
            vault=vault,
            proving=proving,
            claims=held,
            background=background,
            clock=clock,
            unit=unit,
        ),
        proving=proving,
        links=ConnectLinks(flows=flows, connections=reading, proving=proving, clock=clock),
        oauth=OAuthFlow(
            flows=flows,
            rows=rows,
            creating=creating,
            reconnecting=Reconnecting(
                rows=rows, vault=vault, proving=proving, background=background, clock=clock, unit=unit
            ),
            proving=proving,
            projects=projects,
            auditing=auditing,
            entra=entra,
            clock=clock,
            redirect_uri=settings.redirect_uri,
            form_post=settings.secure_browser,
        ),
        projects=Projects(table=projects, auditing=auditing, clock=clock),
        tokens=tokens,
        checking=Checking(connections=reading, use=use, probe=probe, clock=clock),
        auditing=auditing,
        advance=advance,
        background=background,
        dispatch=Dispatch(rows=rows, due=due, queue=queue, clock=clock, telemetry=telemetry),
        upkeep=Upkeep(
            connections=connections,
            due=due,
            flows=flows,
            advance=advance,
            revocation=revocation,
            clock=clock,
            unit=unit,
            telemetry=telemetry,
        ),
        telemetry=telemetry,
        checks=dict(checks or {}),
    )


def _steps(
    *,
    housekeeping: Housekeeping,
    grants: GrantRotation,
    keep_alive: KeepAlive,
    passwords: PasswordRotation,
    revocation: Revocation,
    publishing: Publishing,
) -> dict[Action, Step]:
    rotations: dict[Method, Step] = {Method.OAUTH: grants.rotate, Method.CLIENT_SECRET: passwords.issue}

    async def rotate(stored: Stored) -> Stored | None:
        return await rotations[stored.row.connection.method](stored)

    return {
        Action.CLEAN_UP_RESERVATION: housekeeping.clean_up_reservation,
        Action.PURGE: housekeeping.purge,
        Action.SETTLE: housekeeping.settle,
        Action.PUBLISH: publishing.publish,
        Action.SWEEP: housekeeping.sweep,
        Action.FORGET_KEY: housekeeping.forget_key,
        Action.CLEAR_LEFTOVERS: housekeeping.clear_leftovers,
        Action.ROTATE: rotate,
        Action.KEEP_ALIVE: keep_alive.renew,
        Action.WARN: housekeeping.warn,
        Action.VERIFY: passwords.verify,
        Action.REVOKE: revocation.revoke,
        Action.SWEEP_PASSWORDS: revocation.sweep,
    }
